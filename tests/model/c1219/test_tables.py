"""Tables of C12.19, octet by octet as they stand in a meter, decoded and encoded again."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from metersdk.apdu.keys import Secret
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.c1219.configuration import Configuration, DataAccess
from metersdk.model.c1219.formats import Basis, Formats, Moment
from metersdk.model.c1219.general import ManufacturerIdentification, ModeStatus, TableOrProcedure
from metersdk.model.c1219.log_tables import ActualLog, HistoryLog
from metersdk.model.c1219.profile_tables import ActualLoadProfile, LoadProfileControl, LoadProfileStatus
from metersdk.model.c1219.registers import CurrentRegisters, PresentRegisters, SelfReads
from metersdk.model.c1219.registry import STANDARD, decode_table, encode_table
from metersdk.model.c1219.security_tables import Security
from metersdk.model.c1219.sources import Constants, DemandControl, UnitsOfMeasure
from metersdk.model.c1219.time_tables import Calendar, Clock, ClockState, TimeOffset

# Table 0 of an electricity meter, published with the tests of EPRI's c12test (BSD licence).
EPRI = bytes.fromhex(
    "120a9a45452020020013180100 0d0d0305 0d06"
    "ffadf0df033ffcf0c11fffff03 3effafa20185ffff1f308ffff7 f85f10 feff1e16db"
    "e0a8e0080334686080 0afcf300 24a500a00181196710 0082f5e0"
)


def test_a_real_table_0_is_read_to_its_last_octet() -> None:
    table = Configuration.decode(EPRI)
    assert len(EPRI) == 79 and table.rest == b"" and table.findings == ()
    assert table.formats == Formats("little", 1, 0, 0, 2, 10, 9)
    assert table.data_access is DataAccess.OFFSET and table.data_access.by_offset and not table.data_access.by_index
    assert (table.device_class, table.nameplate_type, table.std_version_no) == (b"EE  ", 2, 1)
    assert (table.dim_mfg_status_used, table.nbr_pending) == (13, 6)
    # The tables whose bit is the last of its octet, too.
    assert {7, 15, 23, 31, 55, 63, 71} <= table.std_tbls_used and 12 not in table.std_tbls_used
    assert table.has_table(64) and not table.has_table(65) and table.has_table(2048 + 1) and not table.has_table(2048)
    assert table.may_write(4096 + 5) and not table.may_write(0)
    assert table.has_procedure(10) and not table.has_procedure(0) and table.has_procedure(1, manufacturer=True)
    assert table.table_numbers[:3] == (0, 1, 2) and table.table_numbers[-1] == 2048 + 103
    assert table.encode() == EPRI


@pytest.mark.parametrize("end", range(len(EPRI)))
def test_table_0_cut_anywhere_says_which_octet_is_missing(end: int) -> None:
    said = r"^table 0: [a-z0-9_.]+: the field takes \d+ octets, and \d+ are there"
    with pytest.raises(DecodeError, match=said) as caught:
        Configuration.decode(EPRI[:end])
    assert 0 <= caught.value.offset <= end


def test_a_configuration_of_ones_own_has_the_smallest_dimensions() -> None:
    table = Configuration.build(order="big", tm_format=4, std_tables={0, 1, 64}, mfg_tables={3}, std_writable={1})
    assert (table.dim_std_tbls_used, table.dim_mfg_tbls_used, table.dim_std_proc_used) == (9, 1, 0)
    assert Configuration.decode(table.encode()) == table
    assert table.formats.order == "big" and table.tm_format == 4


def known(*octets: tuple[int, str], **choices: object) -> dict[int, object]:
    """Table 0 with these choices, and tables decoded from hex."""
    choices.setdefault("std_tables", {*STANDARD, 64})
    found: dict[int, object] = {0: Configuration.build(**choices)}  # type: ignore[arg-type]
    for number, text in octets:
        found[number] = decode_table(number, bytes.fromhex(text), found)
    return found


def both_ways(number: int, text: str, tables: dict[int, object]) -> object:
    """The table that stands there, after it was encoded to the same octets."""
    octets = bytes.fromhex(text)
    table = decode_table(number, octets, tables)
    assert table.rest == b"" and table.findings == ()
    assert encode_table(table, tables) == octets
    assert encode_table(table.model_dump(exclude={"rest", "findings"}), tables, number) == octets
    return table


def test_table_1_who_made_it() -> None:
    text = "4d53444b" + b"MODEL-A ".hex() + "01020304" + b"0000000012345678".hex()
    table = cast(ManufacturerIdentification, both_ways(1, text, known()))
    assert (table.manufacturer, table.ed_model, table.mfg_serial_number) == ("MSDK", "MODEL-A", "0000000012345678")
    assert (table.hw_version_number, table.hw_revision_number, table.fw_version_number, table.fw_revision_number) == (
        1,
        2,
        3,
        4,
    )


def test_table_1_with_a_serial_number_in_bcd() -> None:
    for order in ("little", "big"):
        text = "4d53444b" + b"MODEL-A ".hex() + "01020304" + "0000000012345678"
        table = cast(ManufacturerIdentification, both_ways(1, text, known(id_form=1, order=order)))
        assert table.mfg_serial_number == "0000000012345678"


def test_table_2_of_electricity_and_of_gas() -> None:
    # Kh 1.8, Kt 1.8, 1, config, elements: 60 Hz, 2 elements, base 3, class 10; volts 240; class 200; TA 30
    text = b"   1.8   1.8".hex() + "01" + b"2S1P ".hex() + "d628" + "24" + b"   200    30".hex()
    table = both_ways(2, text, known())
    electric = table.electric  # type: ignore[attr-defined]
    assert electric.e_kh == Decimal("1.8") and electric.e_class_max_amps == "   200"
    assert (electric.e_elements.e_freq, electric.e_elements.e_no_of_elements) == (6, 2)
    assert (electric.e_elements.e_base_type, electric.e_elements.e_accuracy_class) == (3, 10)
    gas = both_ways(2, "0102030405", known(nameplate_type=0))
    assert gas.electric is None and gas.other == bytes.fromhex("0102030405")  # type: ignore[attr-defined]


def test_table_3_may_have_four_octets() -> None:
    table = cast(ModeStatus, both_ways(3, "01400000", known()))
    assert table.ed_mode.metering_flag and table.ed_std_status1.clock_error_flag
    assert table.ed_mfg_status == frozenset()
    table = cast(ModeStatus, both_ways(3, "0100010001", known(dim_mfg_status_used=1)))
    assert table.ed_std_status1.low_battery_flag and table.ed_mfg_status == {0}
    # Big-endian, the same word has its octets the other way round.
    table = cast(ModeStatus, both_ways(3, "01400000", known(order="big")))
    assert not table.ed_std_status1.clock_error_flag and table.ed_std_status1.filler == 0x4000


def test_table_3_that_leaves_its_manufacturer_status_out() -> None:
    table = cast(ModeStatus, decode_table(3, bytes.fromhex("01000000"), known(dim_mfg_status_used=2)))
    assert table.ed_mfg_status is None
    assert [(finding.code, finding.offset) for finding in table.findings] == [("c1219-table-short", 4)]
    assert encode_table(table, known(dim_mfg_status_used=2)) == bytes.fromhex("01000000")


def test_table_7_and_8_procedures() -> None:
    started = both_ways(7, "0a302a0102", known())
    assert started.proc == TableOrProcedure(tbl_proc_nbr=10, selector=3)  # type: ignore[attr-defined]
    assert (started.seq_nbr, started.parm) == (42, b"\1\2")  # type: ignore[attr-defined]
    ended = both_ways(8, "01082a00ff", known())
    assert ended.proc.number == 2049 and ended.result_code == 0 and ended.resp_data == b"\xff"  # type: ignore[attr-defined]


def test_table_12_units_of_measure() -> None:
    # W, energy, x1000, quadrants 1 and 4; and a unit of the manufacturer's own.
    tables = known((11, "0002000000000202"))
    table = cast(UnitsOfMeasure, both_ways(12, "00500200" + "ff000080", tables))
    first, second = table.uom_entry
    assert (first.id_code, first.time_base, first.multiplier) == (0, 0, 2)
    assert (first.q1_accountability, first.q2_accountability, first.q3_accountability, first.q4_accountability) == (
        True,
        False,
        False,
        True,
    )
    assert second.nfs and second.id_code == 255


def test_table_13_demand_intervals() -> None:
    sliding = known((11, "0b00020000000200"))
    table = cast(DemandControl, both_ways(13, "050a0f3c" + "0503" + "0f01", sliding))
    assert (table.reset_exclusion, table.p_fail_recogntn_tm, table.p_fail_exclusion, table.cold_load_pickup) == (
        5,
        10,
        15,
        60,
    )
    assert [interval.minutes for interval in table.interval_value] == [15, 15]
    block = cast(DemandControl, both_ways(13, "000f", known((11, "0400010000000200"), order="big")))
    assert block.reset_exclusion is None and block.interval_value[0].minutes == 15


def test_table_15_constants() -> None:
    tables = known((11, "2000000000010201"), order="big", ni_format1=5)
    table = cast(Constants, both_ways(15, "000100" + "000002" + "01" + "000040" + "000100", tables))
    assert table.electric is not None
    constants = table.electric[0]
    assert (constants.multiplier, constants.offset) == (100, 2)
    assert constants.set1_constants is not None and constants.set2_constants is None
    assert constants.set1_constants.set_flags.set_applied_flag and constants.set1_constants.ratio_f1 == 40
    gas = both_ways(15, "abcdef", known((11, "0000000000010101")))
    assert gas.electric is None and gas.other == b"\xab\xcd\xef"  # type: ignore[attr-defined]


# Flags: season, date and time, resets, cum and cont-cum; 1 summation, 1 demand, 1 coincident, 2 occurrences, 1 tier.
ALL_21 = "77" + "02" + "01" + "01" + "01" + "01" + "02" + "01" + "01" + "02"
STAMP = "1a0b16152d"
BLOCK = "01000000" + STAMP * 2 + "02000000" + "03000000" + "04000000" + "05000000" + "06000000" + "07000000"


def test_table_23_registers_with_all_there_is() -> None:
    table = cast(CurrentRegisters, both_ways(23, "09" + BLOCK * 2, known((21, ALL_21))))
    assert table.nbr_demand_resets == 9 and len(table.tier_data_block) == 1
    block = table.tot_data_block
    assert block.summations == (1,)
    (demand,) = block.demands
    assert demand.event_time == (Moment(datetime(2026, 11, 22, 21, 45)),) * 2
    assert (demand.cum_demand, demand.cont_cum_demand, demand.demand) == (2, 3, (4, 5))
    assert block.coincidents[0].coincident_values == (6, 7)


def test_table_23_with_nothing_but_sums() -> None:
    table = cast(CurrentRegisters, both_ways(23, "01000000" + "02000000", known((21, "00000002000000000000"))))
    assert table.tot_data_block.summations == (1, 2)
    assert table.nbr_demand_resets is None and table.tier_data_block == table.tot_data_block.demands == ()


def test_tables_24_to_26_registers_of_before() -> None:
    tables = known((21, ALL_21))
    for number in (24, 25):
        table = both_ways(number, STAMP + "02" + "09" + BLOCK * 2, tables)
        assert table.season == 2 and table.register_data.nbr_demand_resets == 9  # type: ignore[attr-defined]
    reads = cast(
        SelfReads, both_ways(26, "04" + "01" + "00" + "0500" + "00" + "0500" + STAMP + "02" + "09" + BLOCK * 2, tables)
    )
    assert reads.list_status.list_type == 1 and reads.last_entry_seq_nbr == 5
    assert reads.self_reads_entries[0].self_read_seq_nbr == 5


def test_table_28_present_values() -> None:
    table = cast(PresentRegisters, both_ways(28, "000e0a" + "09000000" + "01000000" + "02000000", known((21, ALL_21))))
    assert table.present_demand[0].time_remaining == timedelta(minutes=14, seconds=10)
    assert (table.present_demand[0].demand_value, table.present_value) == (9, (1, 2))


def test_table_33_display_lists() -> None:
    tables = known((31, "07" + "0200" + "04" + "0300" + "01" + "0000" + "00"))
    table = both_ways(33, "15" + "21" + "03" + "010002000300", tables)
    (shown,) = table.pri_disp_list  # type: ignore[attr-defined]
    assert (shown.scroll.on_time, shown.scroll.off_time, shown.hold.default_list, shown.nbr_list_items) == (5, 1, 2, 3)
    assert table.pri_disp_sources == (1, 2, 3)  # type: ignore[attr-defined]
    both_ways(32, "0102030405060708", tables)


def test_passwords_are_passed_over() -> None:
    tables = known((41, "02" + "08" + "01" + "08" + "0100"))
    octets = b"secret-1" + b"\x01" + b"secret-2" + b"\xff"
    table = cast(Security, decode_table(42, octets, tables))
    assert [entry.access_permissions.group_perm_7_flag for entry in table.security_entries] == [False, True]
    for shown in (repr(table), str(table.model_dump()), table.model_dump_json()):
        assert "secret" not in shown and b"secret".hex() not in shown
    assert encode_table(table, tables) == bytes(8) + b"\x01" + bytes(8) + b"\xff"
    keys = decode_table(45, b"key-octe", tables)
    assert "key-octe" not in repr(keys) + keys.model_dump_json()


def test_a_password_may_be_given_to_be_written() -> None:
    tables = known((41, "01" + "08" + "00" + "08" + "0000"))
    values = {
        "security_entries": [{"password": Secret(b"12345678"), "access_permissions": {"group_perm_0_flag": True}}]
    }
    assert encode_table(values, tables, 42) == b"12345678\x01"
    table = Security.model_validate(values)
    assert "1234" not in repr(table) + table.model_dump_json() + str(table.model_dump())
    with pytest.raises(LocalProtocolError, match=r"security_entries\[0\]\.password") as caught:
        encode_table({"security_entries": [{"password": Secret(b"1234")}]}, tables, 42)
    assert "1234" not in str(caught.value)


def test_table_44_who_may_what() -> None:
    table = both_ways(44, "3408" + "01" + "80", known((41, "02" + "08" + "01" + "08" + "0100")))
    (control,) = table.access_control  # type: ignore[attr-defined]
    assert control.access_table.number == 2048 + 0x34 and control.read.group_perm_0_flag
    assert control.write.group_perm_7_flag


@pytest.mark.parametrize("order", ["little", "big"])
def test_table_52_the_clock(order: str) -> None:
    table = cast(Clock, both_ways(52, "1a0b16152d1e" + "68", known(order=order)))
    assert table.clock_calendar == Moment(datetime(2026, 11, 22, 21, 45, 30))
    assert table.time_date_qual.dst_flag and table.time_date_qual.day_of_week == 0
    assert table.time_date_qual.tm_zn_applied_flag and table.time_date_qual.dst_applied_flag
    counted = cast(Clock, both_ways(52, "00000000" + "10", known(tm_format=4, order=order)))
    assert counted.clock_calendar == Moment(datetime(1970, 1, 1), Basis.UTC) and counted.time_date_qual.gmt_flag
    assert cast(Clock, both_ways(52, "07", known(tm_format=0))).clock_calendar is None


def test_tables_53_to_56_zone_calendar_and_tiers() -> None:
    tables = known((51, "20" + "15" + "11" + "01" + "01" + "0100" + "0000"))
    offset = cast(TimeOffset, both_ways(53, "020000" + "3c" + "c4ff", tables))
    assert (offset.dst_time_eff, offset.dst_time_amt, offset.time_zone_offset) == (timedelta(hours=2), 60, -60)
    text = "1a0101" + "1a0c19" + "21" + "0c20" + "01" + "0938" + "02" + "010203" + "04"
    calendar = cast(Calendar, both_ways(54, text, tables))
    assert calendar.non_recurr_dates[0].calendar_action.demand_reset_flag
    assert calendar.recurr_dates[0].recurr_date.month == 12 and calendar.recurr_dates[0].recurr_date.day == 4
    (switch,) = calendar.tier_switches
    assert (switch.tier_switch.switch_hour, switch.tier_switch.new_tier, switch.day_sch_num) == (7, 1, 2)
    (season,) = calendar.daily_schedule_id_matrix
    assert (season.weekday_schedule, season.weekday_schedules, season.special_schedule) == (3, None, (4,))
    state = cast(ClockState, both_ways(55, "1a0b16152d1e" + "00" + "0120", tables))
    assert (state.status.curr_tier, state.status.season) == (1, 2)
    both_ways(56, "1e00" + "1e00" + "05", tables)
    one = both_ways(56, "1e00" + "05", known((51, "0000" + "00" + "0000" + "0000" + "0000")))
    assert one.tier_time_remain == 30 and one.self_read_days_remain == 5  # type: ignore[attr-defined]


def test_tables_61_to_63_two_load_profiles() -> None:
    # Sets 1 and 3: a set that the meter does not have takes no octet.
    tables = known(
        (61, "00000100" + "5004" + "02" + "3c00" + "6000" + "02" + "0f" + "0a00" + "1800" + "01" + "3c"),
        std_tables={0, 61, 62, 63, 64, 66},
    )
    limits = cast(ActualLoadProfile, tables[61])
    assert limits.lp_memory_len == 65536 and limits.lp_flags.blk_end_read_flag
    assert limits.lp_flags.extended_int_status_flag and limits.lp_fmats.inv_uint16_flag
    one, two, three = limits.set(1), limits.set(2), limits.set(3)
    assert one is not None and (one.nbr_blks, one.nbr_blk_ints, one.nbr_chns, one.max_int_time) == (60, 96, 2, 15)
    assert two is None and limits.set(0) is limits.set(5) is None
    assert three is not None and three.nbr_chns == 1
    text = "010102" + "000304" + "02" + "01000200" + "01006400" + "010506" + "20"
    control = cast(LoadProfileControl, both_ways(62, text, tables))
    first, third = control.set(1), control.set(3)
    assert first is not None and third is not None and control.set(4) is None
    assert [channel.lp_source_select for channel in first.lp_sel_set] == [1, 3]
    assert (first.int_fmt_cde, first.scalars_set, first.divisor_set) == (2, (1, 2), (1, 100))
    assert (third.int_fmt_cde, third.scalars_set, third.divisor_set) == (32, None, None)
    formats = Formats(ni_format1=11, ni_format2=5)
    assert (first.interval_size(formats), third.interval_size(formats)) == (2, 4)
    assert first.model_copy(update={"int_fmt_cde": 64}).interval_size(formats) == 8
    assert first.model_copy(update={"int_fmt_cde": 128}).interval_size(formats) == 3
    with pytest.raises(ValueError, match="INT_FMT_CDE 3"):
        first.model_copy(update={"int_fmt_cde": 3}).interval_size(formats)
    status = "24" + "3c00" + "0500" + "78563412" + "0100" + "2800"
    full = cast(LoadProfileStatus, both_ways(63, status + "00" * 13, tables))
    newest = full.set(1)
    assert newest is not None and newest.lp_set_status_flags.list_type == 1
    assert newest.lp_set_status_flags.active_mode_flag and newest.lp_set_status_flags.order == 0
    assert (newest.nbr_valid_blocks, newest.last_block_element, newest.last_block_seq_nbr) == (60, 5, 0x12345678)
    assert (newest.nbr_unread_blocks, newest.nbr_valid_int) == (1, 40)


def test_tables_71_to_76_logs() -> None:
    tables = known((71, "07" + "02" + "01" + "02" + "01" + "0200" + "0100"), std_version_no=1, std_procedures={3})
    assert cast(ActualLog, tables[71]).ext_log_flags is None
    known_events = both_ways(72, "0600" + "01", tables)
    assert known_events.std_events_supported == {1, 2}  # type: ignore[attr-defined]
    for number in (73, 75):
        control = both_ways(number, "0600" + "01" + "01" + "00" * 9 + "08", tables)
        assert control.std_tbls_monitored_flags == {0}  # type: ignore[attr-defined]
        assert control.std_proc_monitored_flags == {3}  # type: ignore[attr-defined]
    entry = "1a0b16152d1e" + "0700" + "0900" + "0100" + "1200"
    head = "04" + "0200" + "0100" + "09000000" + "0000"
    log = cast(HistoryLog, both_ways(74, head + (entry + "abcd") * 2, tables))
    assert log.last_entry_seq_num == 9 and log.hist_flags.list_type == 1
    first = log.entries[0]
    assert (first.event_number, first.history_seq_nbr, first.user_id) == (7, 9, 1)
    assert first.history_code.number == 18 and first.history_argument == b"\xab\xcd"
    both_ways(76, head + entry + "ab", tables)


def test_table_71_grew_with_the_second_edition() -> None:
    text = "07" + "02" + "01" + "02" + "01" + "0200" + "0100"
    old = cast(ActualLog, decode_table(71, bytes.fromhex(text), known()))
    assert old.ext_log_flags is None and [finding.code for finding in old.findings] == ["c1219-table-short"] * 2
    new = cast(ActualLog, both_ways(71, text + "01" + "0300", known()))
    assert (new.ext_log_flags, new.nbr_program_tables) == (1, 3)
