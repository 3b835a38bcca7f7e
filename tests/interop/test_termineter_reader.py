"""termineter 1.0.6 reads our simulated ANSI meter over a pseudo terminal, as far as it is right; where it is wrong.

It is wrong in this, each held by a test here: bit 7 of every octet of a set is left out; tables are read least octet
first, whatever table 0 says; BCD times are read as binary ones, and times in seconds get no month; a table 3 without
manufacturer status (4 octets) is an error; an answer that comes twice is taken for that to the next request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

import metersdk
from metersdk.model.c1219.log_tables import HistoryLog
from metersdk.model.c1219.registry import TableSet
from metersdk.simulator.c1219 import C1219Meter
from metersdk.simulator.c1219_spec import C1219Spec
from metersdk.simulator.faults import parse_faults
from metersdk.simulator.image import Image
from metersdk.simulator.server import Simulator

pytestmark = pytest.mark.interop

NOW = datetime(2026, 7, 31, 12, 34, 56, tzinfo=UTC)
PASSWORD, MASTER = "12345678", "87654321"
TABLES = (1, 2, 3, 5, 11, 12, 15, 16, 21, 22, 23, 27, 28, 52, 61, 62, 63)
Read = Callable[..., dict[str, Any]]


@pytest.fixture
def ansi() -> Iterator[Callable[..., Simulator]]:
    """The built-in ANSI meter with other words in its section ``c1219``; its clock stands still."""
    image = Image.load("ansi")
    assert image.c1219 is not None
    with ExitStack() as stack:

        def made(*faults: str, **changes: Any) -> Simulator:
            # A table 3 of 4 octets is more than this peer can take.
            spec = C1219Spec.model_validate(image.c1219.model_dump() | {"status_octets": 1} | changes)
            clock = image.clock.model_copy(update={"fixed": NOW})
            own = image.model_copy(update={"c1219": spec, "clock": clock})
            return stack.enter_context(Simulator(own, ["pty"], pace=False, faults=parse_faults(faults)))

        yield made


@pytest.fixture
def read(lab: Any) -> Read:
    """What termineter makes of a meter, step by step; see the script."""

    def run(simulator: Simulator, *steps: str, password: str = MASTER) -> dict[str, Any]:
        port = simulator.targets[0].partition("?")[0]
        done = lab.run("termineter", "termineter_reader.py", port, password, *steps)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return {name.partition(" ")[2] or name: each for name, each in told.items()}

    return run


def meter(simulator: Simulator) -> C1219Meter:
    return simulator.devices[0].c1219


def test_it_logs_on_and_reads_the_octets_we_hold(ansi: Callable[..., Simulator], read: Read) -> None:
    simulator = ansi()
    told = read(simulator, *(f"read:{number}" for number in TABLES), "read:64:1000:500")
    assert told["start"] is True
    assert told["login"] is True
    for number in TABLES:
        assert told[f"read:{number}"] == meter(simulator).octets(number).hex()
    assert told["read:64:1000:500"] == meter(simulator).octets(64)[1000:1500].hex()
    assert "close" not in told


def test_it_understands_who_we_are_but_for_one_table_in_eight(ansi: Callable[..., Simulator], read: Read) -> None:
    simulator = ansi()
    told = read(simulator, "general")["general"]
    assert (told["manufacturer"], told["ed_model"], told["device_id"]) == ("MSDK", "ANSI-A1", "1N26010042")
    assert (told["mfg_serial_no"], told["nameplate_type"], told["ed_mode"]) == ("26010042", "Electric", 1)
    assert (told["fw_version_no"], told["fw_revision_no"]) == (2, 4)
    configuration = meter(simulator).configuration
    seen = {number for number in configuration.std_tbls_used if number % 8 != 7}
    assert set(told["std_tbls_used"]) == seen != configuration.std_tbls_used
    assert set(told["std_proc_used"]) == {number for number in configuration.std_proc_used if number % 8 != 7}


def test_it_reads_the_history_log(ansi: Callable[..., Simulator], read: Read) -> None:
    simulator = ansi()
    told = read(simulator, "log")["log"]
    device = meter(simulator)
    history = TableSet({number: device.octets(number) for number in (0, 71, 74)}).get(74)
    assert isinstance(history, HistoryLog)
    assert told["nbr_history_entries"] == len(told["logs"]) == len(history.entries)
    for theirs, ours in zip(told["logs"], history.entries, strict=True):
        stamp = ours.history_time.stamp if ours.history_time else None
        assert stamp is not None
        assert (
            theirs["Time"]
            == f"{stamp:%b}".upper() + f" {stamp.day} {stamp.year} {stamp.hour}:{stamp.minute}:{stamp.second}"
        )
        assert theirs["Event Number"] == ours.event_number
        assert theirs["History Sequence Number"] == ours.history_seq_nbr
        # What it calls a procedure is the code of the event.
        assert theirs["Procedure Number"] == ours.history_code.tbl_proc_nbr
        assert theirs["Arguments"] == ours.history_argument.hex()


def test_it_reads_display_lists_and_security(ansi: Callable[..., Simulator], read: Read) -> None:
    key = "00112233445566778899AABBCCDDEEFF"
    simulator = ansi(secret_level=2, key=[{"id": 1, "key": key}])
    told = read(simulator, "display", "security")
    assert told["display"]["pri_disp_sources"] == [0, 1, 3]
    assert told["display"]["pri_disp_list"][0]["on_time"] == 6
    assert told["security"]["passwords"]["0"]["password"] == PASSWORD.encode().ljust(20, b"\0").hex()
    assert told["security"]["keys"]["0"] == key.lower()


def test_it_writes_and_has_procedures_carried_out(ansi: Callable[..., Simulator], read: Read) -> None:
    simulator = ansi(slow={9: 1})
    before = meter(simulator).octets(23)
    told = read(simulator, f"write:5:{b'NEW'.ljust(20).hex()}", "read:5", "procedure:11", "procedure:9:01", "read:8")
    assert bytes.fromhex(told["read:5"]) == b"NEW".ljust(20) == meter(simulator).octets(5)
    assert told["procedure:11"] == {"result": 0, "data": ""}
    # It does not wait for what takes longer: accepted is all it hears.
    assert told["procedure:9:01"]["result"] == 1
    assert told["read:8"][6:] == "0001"
    assert meter(simulator).octets(23) != before


def test_what_it_may_not_do_is_refused_in_words(ansi: Callable[..., Simulator], read: Read) -> None:
    told = read(ansi(), "read:99", "read:42", "write:1:00", password=PASSWORD)
    assert "onp" in told["read:99"]["error"]
    assert "isc" in told["read:42"]["error"]
    assert "error" in told["write:1:00"]
    assert read(ansi(), password="wrong")["login"] is False


def test_damaged_packets_and_a_busy_meter(ansi: Callable[..., Simulator], read: Read) -> None:
    simulator = ansi("bad-crc=0.1", "seed=3")
    told = read(simulator, *(f"read:{number}" for number in TABLES))
    assert [told[f"read:{number}"] for number in TABLES] == [meter(simulator).octets(number).hex() for number in TABLES]
    # Busy is an error to it; our reader asks again.
    simulator = ansi("busy-answers=1")
    assert "bsy" in read(simulator, "read:1")["read:1"]["error"]


# --- where it is wrong ------------------------------------------------------------------------------------------------


def test_wrong_a_table_3_of_four_octets(ansi: Callable[..., Simulator], read: Read) -> None:
    assert "ED_MODE_STATUS_TBL" in read(ansi(status_octets=0), "general")["general"]["error"]


def test_wrong_a_meter_of_the_other_byte_order(ansi: Callable[..., Simulator], read: Read) -> None:
    told = read(ansi(byte_order="big"), "general", "log", "display")
    assert told["general"]["manufacturer"] == "MSDK"
    assert "error" in told["log"]
    assert "error" in told["display"]


@pytest.mark.parametrize("time_format", [1, 4])
def test_wrong_times(ansi: Callable[..., Simulator], read: Read, time_format: int) -> None:
    right, wrong = (read(ansi(time_format=number), "log")["log"]["logs"] for number in (2, time_format))
    assert len(right) == len(wrong)
    assert all(theirs["Time"] != ours["Time"] for theirs, ours in zip(wrong, right, strict=True))


def test_wrong_an_answer_that_comes_twice(ansi: Callable[..., Simulator], read: Read) -> None:
    """It hands out another table's octets and says nothing; our reader is right about all."""
    simulator = ansi("repeat=0.15", "seed=1")
    steps = [f"read:{number}" for number in TABLES]
    port = read(simulator, *steps)
    silent = [
        number
        for number in TABLES
        if isinstance(port[f"read:{number}"], str) and port[f"read:{number}"] != meter(simulator).octets(number).hex()
    ]
    assert silent
    with metersdk.connect(simulator.targets[0], password=PASSWORD) as ours:
        for number in TABLES:
            assert ours.table(number, raw=True) == meter(simulator).octets(number)
