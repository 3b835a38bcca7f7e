"""Tables as people read them, and what their descriptions say of themselves."""

from __future__ import annotations

from datetime import datetime

from metersdk.model.c1219.configuration import Configuration
from metersdk.model.c1219.general import ModeStatus
from metersdk.model.c1219.registers import CurrentRegisters, DataBlock, Demands
from metersdk.model.c1219.registry import STANDARD, decode_table, encode_table
from metersdk.model.c1219.table import Certainty
from metersdk.model.c1219.text import lines_of


def test_a_table_line_by_line() -> None:
    block = DataBlock(
        summations=(5, 7),
        demands=(Demands.model_validate({"event_time": [datetime(2026, 1, 2, 3, 4)], "demand": [9]}),),
    )
    table = CurrentRegisters(nbr_demand_resets=3, tot_data_block=block, rest=b"\xab")
    assert list(lines_of(table)) == [
        "ST23 CURRENT_REG_DATA_TBL",
        "  nbr_demand_resets  3",
        "  tot_data_block.summations[0]  5",
        "  tot_data_block.summations[1]  7",
        "  tot_data_block.demands[0].event_time[0]  2026-01-02 03:04:00",
        "  tot_data_block.demands[0].demand[0]  9",
        "  rest  ab",
    ]
    assert next(lines_of(table, 4096 + 23)) == "PST23 CURRENT_REG_DATA_TBL"


def test_flags_sets_octets_and_findings() -> None:
    known: dict[int, object] = {0: Configuration.build(dim_mfg_status_used=1)}
    table = decode_table(3, bytes.fromhex("0100c10081"), known)
    assert list(lines_of(table))[1:] == [
        "  ed_mode  metering_flag",
        "  ed_std_status1  low_battery_flag, others 0xc000",
        "  ed_std_status2  0",
        "  ed_mfg_status  0 7",
    ]
    short = decode_table(3, bytes.fromhex("01000000"), known)
    assert list(lines_of(short))[-1] == "  finding c1219-table-short: table 3 ends before ed_mfg_status"
    assert isinstance(short, ModeStatus)
    assert "  device_class  4d53444b" in lines_of(Configuration.build())
    assert "  std_tbls_used  none" in lines_of(Configuration.build())


def test_a_very_long_table_is_cut() -> None:
    known: dict[int, object] = {0: Configuration.build()}
    known[31] = decode_table(31, bytes.fromhex("00" + "0000" + "00" + "f401" * 1 + "00" + "dc05" + "00"), known)
    lines = list(lines_of(decode_table(34, bytes(3000), known)))
    assert len(lines) == 1002 and lines[-1] == "  and 500 more"


def test_what_is_from_memory_says_so() -> None:
    for model in STANDARD.values():
        assert ("From memory of the standard" in (model.__doc__ or "")) == (model.CERTAINTY is Certainty.MEMORY)


def test_every_model_has_a_json_schema_that_names_the_elements_of_the_standard() -> None:
    for model in STANDARD.values():
        schema = model.model_json_schema(mode="serialization")
        assert schema["properties"]["rest"] and "c1219" in str(schema)
    clock = STANDARD[52].model_json_schema(mode="serialization")["properties"]["clock_calendar"]
    assert clock["c1219"] == "LTIME_DATE"


def test_every_table_is_written_as_json() -> None:
    known: dict[int, object] = {0: Configuration.build(std_tables={64})}
    for number in sorted(STANDARD):
        if number % 10 == 1 or number == 0:
            octets = encode_table(known[0], known) if number == 0 else bytes(64)
            known[number] = decode_table(number, octets, known)
            assert known[number].model_dump_json()  # type: ignore[attr-defined]
