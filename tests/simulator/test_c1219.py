"""The simulated C12.19 meter: every table in every format, who may read and write what, and procedures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import Response
from metersdk.dialog.psem_meter import PsemRefusal
from metersdk.errors import LocalProtocolError
from metersdk.model.c1219.configuration import DataAccess
from metersdk.model.c1219.registry import STANDARD, TableSet, encode_table, needs
from metersdk.model.obis import Obis
from metersdk.simulator.c1219 import C1219Meter
from metersdk.simulator.c1219_spec import NUMBER_FORMATS, C1219Spec
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
READER, MASTER = 1, 2
ISSUE = {*range(9), *range(10, 17), *range(20, 29), *range(30, 34), *range(40, 45), *range(50, 57)}
ISSUE |= {*range(60, 65), *range(70, 77)}


def ansi(**changes: Any) -> C1219Meter:
    """The built-in meter with other words in its section ``c1219``."""
    image = Image.load("ansi")
    assert image.c1219 is not None
    spec = C1219Spec.model_validate(image.c1219.model_dump() | changes)
    return MeterDevice(image.model_copy(update={"c1219": spec}), lambda: NOW).c1219


def tables_of(meter: C1219Meter) -> TableSet:
    return TableSet({number: meter.octets(number) for number in meter.configuration.table_numbers if number != 8})


def refusal(call: Any, *args: Any) -> int:
    with pytest.raises(PsemRefusal) as caught:
        call(*args)
    assert caught.value.response is not None
    return caught.value.response


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_table_of_the_standard_that_a_reader_needs_is_there() -> None:
    meter = ansi()
    assert set(meter.configuration.table_numbers) >= ISSUE
    assert all(meter.octets(number) for number in ISSUE - {8})


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("time_format", [1, 2, 3, 4])
@pytest.mark.parametrize("integer_format", ["twos", "ones", "sign"])
@pytest.mark.parametrize("edition", [1, 2])
def test_tables_are_what_their_descriptions_say(
    byte_order: str, time_format: int, integer_format: str, edition: int
) -> None:
    meter = ansi(
        byte_order=byte_order, time_format=time_format, integer_format=integer_format, standard_version=edition
    )
    tables = tables_of(meter)
    for number in tables:
        if number in STANDARD and number not in (42, 45):
            table = tables.get(number)
            assert table.findings == (), number
            assert table.rest == b"", number
            known = {each: tables.get(each) for each in needs(number)}
            assert encode_table(table, known) == tables.raw(number)
    local = datetime(2026, 7, 31, 7, 34, 56)
    assert tables.get(52).clock_calendar.stamp == local  # type: ignore[attr-defined]
    assert tables.get(53).time_zone_offset == -360  # type: ignore[attr-defined]


@pytest.mark.parametrize("ni2", ["int32", "float32", "bcd8"])
@pytest.mark.parametrize("ni1", NUMBER_FORMATS)
def test_registers_in_every_number_format(ni1: str, ni2: str) -> None:
    meter = ansi(ni1=ni1, ni2=ni2)
    tables = tables_of(meter)
    total: Any = tables.get(23)
    at = int(NOW.timestamp())
    device = Image.load("ansi").device(lambda: NOW)
    imported = device.source(Obis("1-0:1.8.0")).values(device, [at])[0]
    shown = total.tot_data_block.summations[0]
    assert (imported // 10 - int(shown)) % 10000 == 0
    day, night = (block.summations[0] for block in total.tier_data_block)
    assert (day + night - shown) % 10000 in (0, 9999)
    assert total.tot_data_block.demands[0].demand[0] == device.source(Obis("1-0:1.6.0")).values(device, [at])[0]
    assert int(tables.get(15).electric[0].multiplier) == 10  # type: ignore[attr-defined]


@pytest.mark.parametrize("decimals", [1, 3])
@pytest.mark.parametrize("ni2", ["char6", "char12", "float32", "fixed32"])
@pytest.mark.parametrize("ni1", NUMBER_FORMATS)
def test_sums_of_demands_fit_whatever_places_the_demands_have(ni1: str, ni2: str, decimals: int) -> None:
    """A cumulative demand is an NI_FMAT1, the demands that it sums up are of NI_FMAT2."""
    sources = [{"object": code, "time_base": 4, "decimals": decimals} for code in ("1-0:1.6.0", "1-0:3.6.0")]
    registers = {"demands": ["1-0:1.6.0", "1-0:3.6.0"], "cumulative": True, "continuous": True}
    changes: dict[str, Any] = {"source": sources, "registers": registers, "load_profile": None, "display": ()}
    total: Any = tables_of(ansi(ni1=ni1, ni2=ni2, **changes)).get(23)
    for demand in total.tot_data_block.demands:
        assert demand.cum_demand > 0 and demand.cont_cum_demand > 0


@pytest.mark.parametrize("flags", range(32))
def test_registers_with_and_without_their_optional_parts(flags: int) -> None:
    names = ("season", "date_time", "cumulative", "continuous", "time_remaining")
    image = Image.load("ansi")
    assert image.c1219 is not None
    assert image.c1219.registers is not None
    chosen = {name: bool(flags >> place & 1) for place, name in enumerate(names)}
    registers = image.c1219.registers.model_dump() | chosen | {"occurrences": 3, "present_demands": ["1-0:1.6.0"]}
    tables = tables_of(ansi(registers=registers))
    data: Any = tables.get(23)
    demand = data.tot_data_block.demands[0]
    assert len(demand.demand) == 3
    assert demand.demand == tuple(sorted(demand.demand, reverse=True))
    assert (demand.cum_demand is None) is not chosen["cumulative"]
    assert (demand.event_time is None) is not chosen["date_time"]
    assert (24 in tables) is chosen["season"]
    for number in (25, 26, 28):
        assert not tables.get(number).findings


def test_registers_of_the_last_reset_and_self_reads_are_earlier_ones() -> None:
    tables = tables_of(ansi())
    now: Any = tables.get(23)
    reset: Any = tables.get(25)
    reads: Any = tables.get(26)
    assert reset.end_date_time.stamp == datetime(2026, 7, 1)
    assert reset.register_data == reads.self_reads_entries[reads.last_entry_element].register_data
    assert reset.register_data.nbr_demand_resets == now.nbr_demand_resets - 1
    before = reset.register_data.tot_data_block
    assert before.summations[0] < now.tot_data_block.summations[0]
    # What the reset found was added up.
    assert before.demands[0].cum_demand + before.demands[0].demand[0] == now.tot_data_block.demands[0].cum_demand


def test_a_meter_that_tells_identifiers_in_bcd() -> None:
    tables = tables_of(ansi(id_form="bcd", device_id="0012345678"))
    assert tables.get(5).identification.endswith("12345678")  # type: ignore[attr-defined]
    assert tables.get(1).mfg_serial_number == "0000000026010042"  # type: ignore[attr-defined]


def test_tables_an_image_does_without() -> None:
    meter = ansi(without=[28, 54], source=(), registers=None, load_profile=None, logs=None, display=())
    assert {5, 52} <= set(meter.configuration.table_numbers)
    assert not {12, 23, 28, 33, 54, 61, 64, 71, 74} & set(meter.configuration.table_numbers)


def test_tables_of_the_maker() -> None:
    table = [{"number": 5, "octets": "01 02", "objects": ["1-0:1.8.0"]}]
    little, big = (ansi(table=table, byte_order=order) for order in ("little", "big"))
    octets = little.read(2053, READER)
    assert octets[:2] == b"\1\2"
    assert octets[2:] == big.read(2053, READER)[:1:-1]
    assert little.configuration.mfg_tbls_used == {5}


def test_an_image_that_does_not_fit_is_refused_when_the_meter_is_made() -> None:
    with pytest.raises(LocalProtocolError, match="table 15"):
        ansi(
            ni1="int24",
            source=[{"object": "1-0:1.8.0", "constant": "0.5"}],
            registers=None,
            load_profile=None,
            display=(),
        )
    with pytest.raises(LocalProtocolError, match="no tables of ANSI"):
        _ = Image.load("bench").device().c1219


# --- who may do what --------------------------------------------------------------------------------------------------


def test_passwords_open_levels() -> None:
    meter = ansi()
    assert meter.security(Secret(b"12345678".ljust(20, b"\0"))) == READER
    assert meter.security(Secret(b"87654321".ljust(20, b" "))) == MASTER
    assert refusal(meter.security, Secret(b"00000000".ljust(20, b"0"))) == Response.ERR
    assert meter.read(0, 0)
    assert refusal(meter.read, 23, 0) == Response.ISC
    assert meter.read(23, READER)
    assert refusal(meter.read, 99, READER) == Response.ONP
    # A pending table, of which there is none.
    assert refusal(meter.read, 4096 + 23, READER) == Response.ONP
    assert refusal(meter.read, 42, MASTER) == Response.ISC
    assert ansi(secret_level=2).read(42, MASTER)[:8] == b"12345678"


def test_only_what_the_image_says_is_written() -> None:
    meter = ansi()
    whole = b"ANOTHER".ljust(20)
    assert refusal(meter.write, 5, None, whole, READER) == Response.ISC
    assert refusal(meter.write, 1, None, bytes(32), MASTER) == Response.ONP
    assert refusal(meter.write, 99, None, b"", MASTER) == Response.ONP
    assert refusal(meter.write, 5, None, b"short", MASTER) == Response.IAR
    assert refusal(meter.write, 5, 18, b"long", MASTER) == Response.IAR
    meter.write(5, None, whole, MASTER)
    meter.write(5, 3, b"-", MASTER)
    assert meter.read(5, READER) == b"ANO-HER".ljust(20)
    meter.write_elements(5, (0,), b"FIELD", MASTER)
    assert meter.read(5, READER) == b"FIELDER".ljust(20)
    assert meter.configuration.may_write(5)
    assert not meter.configuration.may_write(1)


@pytest.mark.parametrize("access", ["full", "offset", "index", "both"])
def test_data_access_is_told_in_table_0(access: str) -> None:
    meter = ansi(data_access=access)
    assert meter.configuration.data_access == DataAccess[access.upper()]
    assert int(meter.access) == int(meter.configuration.data_access)


def test_elements_by_index() -> None:
    meter = ansi()
    selection = meter.octets(22)
    assert meter.read_elements(22, (0,), 1, READER) == selection[:3]
    assert meter.read_elements(22, (0,), 2, READER) == selection[:4]
    assert meter.read_elements(12, (0, 1), 2, READER) == meter.octets(12)[4:12]
    data = meter.octets(64)
    assert meter.read_elements(64, (0, 58), 2, READER) == data[-2 * len(data) // 60 :]
    for index, count in (((9,), 1), ((0, 9), 1), ((0,), 9), ((), 1), ((0, 0, 0), 1), ((0,), 0)):
        assert refusal(meter.read_elements, 22, index, count, READER) == Response.IAR
    assert refusal(meter.read_elements, 52, (0, 0), 1, READER) == Response.IAR
    assert refusal(meter.read_elements, 64, (0, 59), 2, READER) == Response.IAR


def test_a_ticket_for_whoever_has_a_key() -> None:
    key = [{"id": 2, "key": "00112233445566778899AABBCCDDEEFF", "level": 2}]
    meter = ansi(key=key, secret_level=2)
    first, second = meter.identification().ticket, meter.identification().ticket
    assert first is not None
    assert second is not None
    assert first.ticket != second.ticket
    assert (first.algorithm, len(first.ticket)) == (0xFF, 16)
    found = meter.key(2)
    assert found is not None
    assert found[1] == 2
    assert meter.key(3) is None
    assert meter.octets(45) == bytes(found[0])
    des = ansi(key=[{"id": 1, "key": "0011223344556677"}]).identification().ticket
    assert des is not None
    assert (des.algorithm, len(des.ticket)) == (0, 8)


# --- procedures -------------------------------------------------------------------------------------------------------


def started(meter: C1219Meter, number: int, parameters: bytes = b"", level: int = MASTER, selector: int = 0) -> bytes:
    order = meter.configuration.order
    meter.write(7, None, (number | selector << 12).to_bytes(2, order) + b"\x2a" + parameters, level)
    return meter.read(8, READER)


def test_there_is_no_answer_before_a_procedure() -> None:
    meter = ansi()
    assert refusal(meter.read, 8, READER) == Response.ONP
    assert refusal(meter.write, 7, None, b"\0\0\0", 0) == Response.ISC
    assert refusal(meter.write, 7, None, b"\0", READER) == Response.IAR


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_number_and_sequence_of_a_procedure_come_back(byte_order: Any) -> None:
    meter = ansi(byte_order=byte_order)
    head = (11).to_bytes(2, byte_order) + b"\x2a"
    assert started(meter, 11) == head + b"\0"
    assert started(meter, 999)[3:] == b"\6"
    assert started(meter, 3, level=READER)[3:] == b"\5"
    assert started(meter, 9, b"\1\2")[3:] == b"\2"
    assert started(meter, 9 | 0x800, b"\1")[3:] == b"\6"


def test_an_answer_that_is_not_wanted_is_not_given() -> None:
    meter = ansi()
    started(meter, 11)
    before = meter.read(8, READER)
    assert started(meter, 7, selector=2) == before
    assert started(meter, 7, selector=1) == before
    assert started(meter, 999, selector=1)[3:] == b"\6"


@pytest.mark.parametrize("basis", ["local", "utc"])
@pytest.mark.parametrize("time_format", [1, 2, 3, 4])
def test_setting_the_clock(time_format: int, basis: str) -> None:
    meter = ansi(time_format=time_format, basis=basis)
    new = meter.shown() + timedelta(hours=3, minutes=1, seconds=4)
    stamp: Any = tables_of(meter).get(52)
    encoded = encode_table(
        stamp.model_copy(update={"clock_calendar": type(stamp.clock_calendar)(new)}), {0: meter.configuration}
    )
    answer = started(meter, 10, b"\7" + encoded)
    assert answer[3] == 0
    assert len(answer) == 4 + 2 * (len(encoded) - 1)
    assert meter.shown() == new
    # The date alone.
    day = new - timedelta(days=3)
    encoded = encode_table(
        stamp.model_copy(update={"clock_calendar": type(stamp.clock_calendar)(day)}), {0: meter.configuration}
    )
    started(meter, 10, b"\2" + encoded)
    assert meter.shown() == day
    assert started(meter, 10, b"\7")[3] == 2
    assert meter.shown() == day


def test_a_demand_reset_and_a_self_read() -> None:
    meter = ansi(slow={9: 2})
    before: Any = tables_of(meter).get(23)
    answers = [started(meter, 9, b"\3"), meter.read(8, READER), meter.read(8, READER)]
    assert [answer[3] for answer in answers] == [1, 1, 0]
    assert answers[-1][4:] == b"\3"
    after: Any = tables_of(meter).get(23)
    assert after.nbr_demand_resets == before.nbr_demand_resets + 1
    assert after.tot_data_block.demands[0].demand[0] == Decimal(0)
    assert after.tot_data_block.demands[0].event_time[0].stamp is None
    kept: Any = tables_of(meter).get(26)
    assert kept.last_entry_seq_nbr == after.nbr_demand_resets


def test_lists_that_were_read() -> None:
    meter = ansi(visited=None)
    assert tables_of(meter).get(63).set1.lp_set_status_flags.overflow_flag  # type: ignore[attr-defined]
    assert tables_of(meter).get(63).set1.nbr_unread_blocks == 60  # type: ignore[attr-defined]
    assert started(meter, 5, b"\3" + (10).to_bytes(2, "little"), READER)[3] == 0
    assert tables_of(meter).get(63).set1.nbr_unread_blocks == 50  # type: ignore[attr-defined]
    assert started(meter, 5, b"\7" + (5).to_bytes(2, "little"), READER)[3] == 0
    assert tables_of(meter).get(74).nbr_unread_entries == 15  # type: ignore[attr-defined]
    assert started(meter, 4, b"\xff")[3] == 0
    tables = tables_of(meter)
    assert tables.get(63).set1.nbr_unread_blocks == 0  # type: ignore[attr-defined]
    assert [tables.get(number).nbr_unread_entries for number in (26, 74, 76)] == [0, 0, 0]  # type: ignore[attr-defined]
    assert started(meter, 4, b"\x09")[3] == 2
    assert started(meter, 5, b"\x03")[3] == 2


def test_lists_that_were_read_before() -> None:
    tables = tables_of(ansi())
    status: Any = tables.get(63)
    assert status.set1.nbr_unread_blocks == 32
    assert not status.set1.lp_set_status_flags.overflow_flag
    history: Any = tables.get(74)
    assert 10 < history.nbr_unread_entries < 20
    assert not history.hist_flags.overflow_flag
    codes = [entry.history_code.tbl_proc_nbr for entry in history.entries]
    assert all(after == 2 for before, after in pairwise(codes) if before == 1)


def test_cleared_data_are_gone() -> None:
    meter = ansi()
    started(meter, 3)
    tables = tables_of(meter)
    assert tables.get(63).set1.nbr_valid_blocks == 0  # type: ignore[attr-defined]
    assert [tables.get(number).nbr_valid_entries for number in (26, 74, 76)] == [0, 0, 0]  # type: ignore[attr-defined]
    assert set(tables.raw(64)) == {0}
    assert tables.get(23).tot_data_block.summations[0] > 0  # type: ignore[attr-defined]


def test_modes_and_a_profile_that_stands_still() -> None:
    meter = ansi()
    started(meter, 6, b"\2")
    assert tables_of(meter).get(3).ed_mode.test_mode_flag  # type: ignore[attr-defined]
    started(meter, 17)
    assert not tables_of(meter).get(63).set1.lp_set_status_flags.active_mode_flag  # type: ignore[attr-defined]
    started(meter, 16)
    assert tables_of(meter).get(63).set1.lp_set_status_flags.active_mode_flag  # type: ignore[attr-defined]
