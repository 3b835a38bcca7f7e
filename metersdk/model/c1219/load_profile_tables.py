"""What the tables of a meter say of its load profiles: 61 and 62 how blocks are written, 63 where they are, 12, 15 and
16 what the channels measure, 52 and 53 what the times count by."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from metersdk.errors import DecodeError, Finding, LocalProtocolError
from metersdk.fast.c1219_layout import STAMP_SIZES, BlockLayout, Number
from metersdk.model.c1219.formats import IntFormat, NiFormat, TmFormat
from metersdk.model.c1219.load_profile import (
    INTERVAL_FORMATS,
    Channel,
    ListState,
    LoadProfileLayout,
    TimeBasis,
    channel_head,
    decimals_of,
)
from metersdk.model.c1219.profile_tables import (
    ActualLoadProfile,
    LoadProfileControl,
    LoadProfileStatus,
    LpControl,
    LpFlags,
    LpSet,
)
from metersdk.model.c1219.quantities import SourceQuantity, SourceWalk, Use
from metersdk.model.c1219.registry import TableSet
from metersdk.model.c1219.time_tables import Clock, ClockState, TimeOffset, TimeQualifier
from metersdk.model.column import ColumnKind
from metersdk.model.quirks import Quirks

TABLES_NEEDED: Final = (11, 12, 15, 16, 51, 52, 53)
"""Tables that tell units, factors and times; a profile can be read without them."""

_NI: Final = {64: "ni_format1", 128: "ni_format2"}
_STANDARD: Final = Quirks()
# Factors outside of these are no factors.
_LEAST: Final = Fraction(1, 10**30)
_MOST: Final = Fraction(10**30)
# Minutes: time zones lie between -12 and +14 hours of UTC; daylight saving is an hour, and was two.
_FARTHEST: Final = 15 * 60
_MOST_SEASON: Final = 120


def layout_of(tables: TableSet, set_number: int = 1, *, quirks: Quirks = _STANDARD) -> LoadProfileLayout:
    """One set of a meter, from tables 0, 61 and 62, and of ``TABLES_NEEDED`` what was read.

    Args:
        tables: what was read of the meter.
        set_number: 1 to 4.
        quirks: ``local_deviation`` is used where the tables do not tell the zone.

    Raises:
        LocalProtocolError: the meter has no such set, or table 0, 61 or 62 was not read.
        DecodeError: one of them cannot be decoded, or what it tells is impossible.
    """
    limits, control = tables.get(61), tables.get(62)
    if not isinstance(limits, ActualLoadProfile) or not isinstance(control, LoadProfileControl):
        raise LocalProtocolError("tables 61 and 62 are described as something else", layer="data")
    size, channels = limits.set(set_number), control.set(set_number)
    if size is None or channels is None:
        raise LocalProtocolError(f"the meter has no load profile set {set_number}", layer="data")
    block = _block(tables, limits.lp_flags, size, channels)
    if not size.nbr_blks or not size.nbr_blk_ints:
        raise DecodeError(f"table 61: {size.nbr_blks} blocks of {size.nbr_blk_ints} intervals", layer="data")
    basis, walk = basis_of(tables, quirks), SourceWalk.of(tables)
    findings = list(basis.findings)
    return LoadProfileLayout(
        set_number,
        size.nbr_blks,
        block,
        tuple(_channel(walk, channels, n, block.value, findings) for n in range(size.nbr_chns)),
        basis,
        tuple(dict.fromkeys(findings)),
        limits.lp_flags.blk_end_rd_indicator_flag,
    )


def _block(tables: TableSet, flags: LpFlags, size: LpSet, control: LpControl) -> BlockLayout:
    formats = tables.configuration.formats
    try:
        if formats.tm_format >= len(STAMP_SIZES):
            raise ValueError(f"TM_FORMAT {formats.tm_format} is reserved")
        if formats.int_format > max(IntFormat):
            raise ValueError(f"INT_FORMAT {formats.int_format} is reserved")
        if control.int_fmt_cde in _NI:
            value = _ni(getattr(formats, _NI[control.int_fmt_cde]))
        elif control.int_fmt_cde in INTERVAL_FORMATS:
            value = INTERVAL_FORMATS[control.int_fmt_cde]
        else:
            raise ValueError(f"INT_FMT_CDE {control.int_fmt_cde} is none of the standard")
        return BlockLayout(
            size.nbr_chns,
            size.nbr_blk_ints,
            value,
            period_ms=size.max_int_time * 60_000,
            big_endian=formats.order == "big",
            int_format=formats.int_format,
            time_format=formats.tm_format,
            reading=_ni(formats.ni_format1) if flags.blk_end_read_flag else None,
            pulses=flags.blk_end_pulse_flag,
            simple_status=flags.simple_int_status_flag,
            extended_status=flags.extended_int_status_flag,
        )
    except (ValueError, LocalProtocolError) as error:
        raise DecodeError(f"tables 0, 61 and 62: {error}", layer="data") from error


def _ni(number: int) -> Number:
    try:
        return Number(NiFormat(number))
    except ValueError:
        raise ValueError(f"NI_FORMAT {number} is reserved") from None


def _channel(walk: SourceWalk, control: LpControl, n: int, value: Number, findings: list[Finding]) -> Channel:
    selected = control.lp_sel_set[n]
    scalar = control.scalars_set[n] if control.scalars_set is not None else 1
    divisor = control.divisor_set[n] if control.divisor_set is not None else 1
    measured = walk[selected.lp_source_select]
    findings += measured.findings
    if measured.unit is None:
        text = f"channel {n + 1}: what it measures is not known ({measured})"
        findings.append(
            Finding("lp-channel", text, "data", hint="read tables 11, 12, 15 and 16, if the meter has them")
        )
    kind = measured.kind(Use.INTERVAL)
    if measured.offset and kind is not ColumnKind.INTERVAL_DELTA:
        # What is the difference of two readings has no offset.
        text = f"channel {n + 1}: the offset {measured.offset} of its source is not applied"
        findings.append(Finding("lp-offset", text, "data", hint="add it to the values, times their factor"))
    per_pulse = Fraction(scalar, divisor) if divisor else Fraction(0)
    ratio = per_pulse * measured.factor
    if not _LEAST < abs(ratio) < _MOST:
        text = (
            f"channel {n + 1}: scalar {scalar}, divisor {divisor} and a factor of {measured.multiplier} make no sense"
        )
        findings.append(Finding("lp-factor", text, "data", hint="look at tables 62, 15 and 12; the values are raw"))
        per_pulse = ratio = Fraction(1)
    head = channel_head(
        n + 1,
        measured.obis(Use.INTERVAL),
        measured.unit,
        ratio,
        kind,
        decimals=decimals_of(value),
        source=str(measured),
    )
    end = walk[selected.end_blk_rdg_source_select] if selected.chnl_flag.end_rdg_flag else None
    comparable = end is not None and kind is ColumnKind.INTERVAL_DELTA and _counts_the_same(measured, end)
    gain = ratio / end.factor if end is not None and comparable and end.factor else per_pulse
    return Channel(head, measured.index, selected.end_blk_rdg_source_select, gain, comparable)


def _counts_the_same(one: SourceQuantity, other: SourceQuantity) -> bool:
    """Whether a gain of one is a gain of the other: the same quantity, or the same source of an unknown one."""
    if one.uom is None or other.uom is None:
        return one.index == other.index
    return one.group_c == other.group_c and one.unit == other.unit


def basis_of(tables: TableSet, quirks: Quirks = _STANDARD) -> TimeBasis:
    """What the times of a meter count by: by the qualifiers of its clock (table 52 or 55) and the zone of table 53.

    Without qualifiers counted times (TM_FORMAT 3, 4) are UTC, as the standard has it, unless ``quirks.local_deviation``
    says otherwise; times in fields are local, with daylight saving in them where the status of an interval says so.
    """
    qualifier = _qualifier(tables)
    counted = tables.configuration.tm_format in (TmFormat.MINUTES, TmFormat.SECONDS)
    offset = tables.find(53)
    zone, season = (offset.time_zone_offset, offset.dst_time_amt) if isinstance(offset, TimeOffset) else (None, None)
    deviation = quirks.local_deviation if quirks.local_deviation is not None or zone is None else -zone
    if deviation is not None and abs(deviation) > _FARTHEST:
        deviation = None
    amount = season if season and season <= _MOST_SEASON else 60
    findings = []
    if qualifier is None:
        utc, seasons = counted and quirks.local_deviation is None, True
        if utc:
            text = "tables 52 and 55 do not tell what times count by: they are taken for UTC"
            findings.append(Finding("lp-time-basis", text, "data", hint="many meters count local time"))
    else:
        local = qualifier.tm_zn_applied_flag or qualifier.dst_applied_flag
        utc = not local and (qualifier.gmt_flag or counted)
        # Of no minutes it is none.
        seasons = qualifier.dst_applied_flag and (season != 0 or deviation is None)
    if not utc and deviation is None and tables.configuration.tm_format:
        hint = "give Quirks(local_deviation=300), or a file for --vendor that says so, for Eastern time"
        findings.append(Finding("zone-unknown", "times are the meter's local ones", "data", hint=hint))
    return TimeBasis(deviation, utc, seasons and not utc, amount, tuple(findings))


def _qualifier(tables: TableSet) -> TimeQualifier | None:
    for number in (52, 55):
        clock = tables.find(number)
        if isinstance(clock, Clock | ClockState):
            return clock.time_date_qual
    return None


def state_of(tables: TableSet, set_number: int = 1) -> ListState:
    """What table 63 says of a set.

    Raises:
        LocalProtocolError: the meter has no such set, or table 63 was not read.
        DecodeError: it cannot be decoded.
    """
    table = tables.get(63)
    found = table.set(set_number) if isinstance(table, LoadProfileStatus) else None
    if found is None:
        raise LocalProtocolError(f"the meter has no load profile set {set_number}", layer="data")
    flags = found.lp_set_status_flags
    return ListState(
        blocks=found.nbr_valid_blocks,
        last=found.last_block_element,
        sequence=found.last_block_seq_nbr,
        intervals=found.nbr_valid_int,
        unread=found.nbr_unread_blocks,
        descending=bool(flags.order),
        circular=bool(flags.list_type),
        intervals_descending=bool(flags.interval_order),
        overflow=flags.overflow_flag,
        inhibited=flags.block_inhibit_overflow_flag,
        active=flags.active_mode_flag,
        test=bool(flags.test_mode),
    )
