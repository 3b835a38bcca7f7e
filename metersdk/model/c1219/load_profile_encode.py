"""Blocks of a load profile -> octets of tables 64 to 67, for the simulator and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from metersdk.errors import LocalProtocolError
from metersdk.fast.c1219_layout import NOT_VALID, BlockLayout, Number
from metersdk.model.c1219.formats import STIME, Formats, Moment, non_integer_octets, signed_octets

Amount: TypeAlias = "int | Decimal | float"
_UNSIGNED = frozenset((Number.U8, Number.U16, Number.U32))
_SIGNED = frozenset((Number.I8, Number.I16))


def encode_block(
    layout: BlockLayout,
    end: datetime | None,
    values: Sequence[Sequence[Amount]],
    *,
    flags: Sequence[int] = (),
    codes: Sequence[Sequence[int]] = (),
    readings: Sequence[Amount] = (),
    pulses: Sequence[int] = (),
) -> bytes:
    """A whole block; intervals that it does not have yet are zeros.

    Args:
        layout: how blocks are written; what it leaves out is not asked for.
        end: what the time stamp says, as the meter counts: local time as it is, UTC with its zone.
        values: for each channel its intervals, oldest first. Numbers of NI formats are what they mean: an INT32 with
            four decimals is 1 for 10000.
        flags: of each interval: bits 0 to 3 are the common nibble of the extended status, bit 7: not valid, says the
            simple status.
        codes: for each channel the status of its intervals.
        readings, pulses: of each channel at the end.

    Raises:
        LocalProtocolError: other channels or more intervals than the layout has, or a value that does not fit.
    """
    count = len(values[0]) if values else 0
    if len(values) != layout.channels or count > layout.intervals or any(len(channel) != count for channel in values):
        raise LocalProtocolError(f"{layout.channels} channels of at most {layout.intervals} intervals", layer="data")
    try:
        return _block(layout, end, values, flags or [0] * count, codes, readings, pulses)
    except (ValueError, IndexError, OverflowError) as error:
        raise LocalProtocolError(f"the block cannot be written: {error}", layer="data") from error


def _block(
    layout: BlockLayout,
    end: datetime | None,
    values: Sequence[Sequence[Amount]],
    flags: Sequence[int],
    codes: Sequence[Sequence[int]],
    readings: Sequence[Amount],
    pulses: Sequence[int],
) -> bytes:
    formats = Formats(order="big" if layout.big_endian else "little", int_format=layout.int_format)
    moment = None if end is None else Moment(end.astimezone(UTC).replace(tzinfo=None) if end.tzinfo else end)
    octets = bytearray(STIME[layout.time_format].encode(moment, formats.order))
    for channel in range(layout.channels):
        if layout.reading is not None:
            octets += _number(readings[channel], layout.reading, formats)
        if layout.pulses:
            octets += pulses[channel].to_bytes(4, formats.order)
    order = range(len(values[0]))[:: -1 if layout.descending else 1]
    if layout.simple_status:
        valid = sum((not flags[n] & NOT_VALID) << place for place, n in enumerate(order))
        octets += valid.to_bytes(layout.simple_size, "little")
    for n in order:
        if layout.extended_status:
            octets += _status(flags[n] & 15, [channel[n] for channel in codes] or [0] * layout.channels)
        for channel_values in values:
            octets += _number(channel_values[n], layout.value, formats)
    return bytes(octets).ljust(layout.size, b"\0")


def _status(common: int, codes: Sequence[int]) -> bytes:
    """Nibbles in order, high one first: common, channel 1, 2, 3 ..; the last octet may have one to spare."""
    nibbles = [common, *codes, *([0] * (len(codes) % 2 == 0))]
    return bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))


def _number(value: Amount, number: Number, formats: Formats) -> bytes:
    if number in _UNSIGNED:
        return _whole(value).to_bytes(number.size, formats.order)
    if number in _SIGNED:
        return signed_octets(_whole(value), number.size, formats)
    return non_integer_octets(value, number, formats)


def _whole(value: Amount) -> int:
    if value != int(value):
        raise ValueError(f"{value} is no integer")
    return int(value)
