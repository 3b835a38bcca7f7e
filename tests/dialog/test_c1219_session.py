"""An ANSI meter behind the doors: identity, registers, clock, events, tables, procedures, snapshot."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from c1219_rig import MASTER, Between, C1219Rig, wire

from metersdk import connect
from metersdk.effects import State
from metersdk.errors import (
    ActionError,
    AuthenticationFailed,
    DecodeError,
    Finding,
    LimitExceeded,
    LocalProtocolError,
    NoAnswer,
    PsemError,
)
from metersdk.model.c1219.general import ManufacturerIdentification
from metersdk.model.c1219.security_tables import Keys, Security
from metersdk.model.c1219.table import C1219Table
from metersdk.model.quantity import Unit
from metersdk.port.line import LineModel
from metersdk.simulator.c1219_faults import C1218Faults

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


def master(**more: Any) -> C1219Rig:
    return C1219Rig(password=MASTER, **more)


# --- who, when, how much ----------------------------------------------------------------------------------------------


def test_identity() -> None:
    identity = C1219Rig().connect().identity
    assert (identity.manufacturer, identity.model, identity.serial_number) == ("MSDK", "SMALL", "42")
    assert (identity.device_id, identity.hardware, identity.firmware) == ("UTILITY-42", "1.0", "2.4")
    assert (identity.protocol, identity.protocols, identity.baud) == ("c1218", ("c1218",), 57600)
    assert identity.identification == "ANSI C12.18 version 1.0"
    assert str(identity) == "MSDK SMALL, serial number 42, c1218 at 57600 Bd"


def test_identity_without_a_password() -> None:
    """Tables 1 and 5 are for everybody, as a rule; what is not is left out."""
    meter = C1219Rig(password=None).connect()
    assert meter.identity.serial_number == "42"


def test_registers_have_units_and_codes() -> None:
    meter = C1219Rig().connect()
    readings = {str(reading.obis): reading for reading in meter.registers()}
    energy = readings["1.0.1.8.0.255"]
    assert energy.unit is Unit(30) and isinstance(energy.value, Decimal)
    # The register counts in 10 Wh.
    assert energy.value == Decimal(energy.raw) * 10 and energy.value > 18_204_220  # type: ignore[arg-type]
    assert meter.read("1.8.0") == energy
    before = wire(meter)
    meter.read("2.8.0")
    # Tables 23 and 28 alone: what describes them is known.
    assert wire(meter) - before < 150
    with pytest.raises(LocalProtocolError, match="has no register"):
        meter.read("1-0:99.7.0")


def test_the_clock_and_its_zone() -> None:
    device = (rig := master()).device()
    meter = rig.connect(rig.port(device))
    stamp = meter.clock
    assert stamp.to_datetime() == datetime(2026, 2, 3, 1, 37, tzinfo=timezone(timedelta(hours=-6)))
    meter.set_clock(datetime(2026, 2, 3, 7, 50, 12, tzinfo=UTC))
    assert device.seconds() == int(datetime(2026, 2, 3, 7, 50, 12, tzinfo=UTC).timestamp())
    assert meter.clock.to_datetime() == datetime(2026, 2, 3, 7, 50, 12, tzinfo=UTC)
    # Without a zone it is the meter's own.
    meter.set_clock(datetime(2026, 2, 3, 1, 40))
    assert meter.clock.to_datetime() == datetime(2026, 2, 3, 7, 40, tzinfo=UTC)
    with pytest.raises(LocalProtocolError, match="cannot be told"):
        meter.set_clock(datetime(2200, 1, 1))


@pytest.mark.parametrize("time_format", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["little", "big"])
def test_the_clock_in_every_format(time_format: int, order: str) -> None:
    changes = (('model = "SMALL"', f'model = "SMALL"\ntime_format = {time_format}\nbyte_order = "{order}"'),)
    device = (rig := master(changes=changes)).device()
    meter = rig.connect(rig.port(device))
    assert meter.clock.to_datetime().replace(second=0) == datetime(2026, 2, 3, 7, 37, tzinfo=UTC)
    meter.set_clock(datetime(2026, 2, 3, 7, 50, tzinfo=UTC))
    assert device.seconds() == int(datetime(2026, 2, 3, 7, 50, tzinfo=UTC).timestamp())
    profile = meter.get_profile(last="1h")
    assert profile.times[len(profile) - 1] == int(datetime(2026, 2, 3, 7, 45, tzinfo=UTC).timestamp()) * 1000


def test_setting_the_clock_wants_the_right_password() -> None:
    with pytest.raises(ActionError, match="may not have it carried out") as caught:
        C1219Rig().connect().set_clock(datetime(2026, 2, 3, tzinfo=UTC))
    assert caught.value.result == 5


def test_events_of_both_logs_by_time() -> None:
    meter = C1219Rig().connect()
    events = meter.events()
    assert {str(event.log) for event in events} == {"0.0.99.98.0.255", "0.0.99.98.1.255"}
    times = [event.time for event in events if event.time]
    assert len(times) > 20 and times == sorted(times)
    assert {event.text for event in events if event.code == 1} == {"power down, user 1"}
    one = meter.events("0-0:99.98.1")
    assert [event for event in events if str(event.log) == "0.0.99.98.1.255"] == one
    some = meter.events(start=times[3], stop=times[8])
    assert [event.time for event in some] == times[3:9]
    assert meter.events(last="400d") and meter.events(start="2030-01-01") == []
    with pytest.raises(LocalProtocolError, match="no log"):
        meter.events("1-0:99.1.0")


@pytest.mark.parametrize(
    ("changes", "zone", "basis", "findings"),
    [
        ((), timedelta(hours=-6), "local time, UTC-06:00", []),
        ((("deviation = 360", 'deviation = 360\ndaylight_saving = "us"'),), None, "with daylight saving", ["summer"]),
        ((("[c1219]", '[c1219]\nbasis = "utc"'),), timedelta(), "UTC", []),
        ((("[c1219]", "[c1219]\nwithout = [53]"),), None, "local time of the meter", ["zone"]),
    ],
)
def test_events_say_what_their_times_count_by(
    changes: tuple[tuple[str, str], ...], zone: timedelta | None, basis: str, findings: list[str]
) -> None:
    events: list[object] = []
    found = C1219Rig(changes=changes).connect(progress=events.append).events()
    assert {event.time.utcoffset() for event in found if event.time} == {zone}
    assert {basis in event.basis for event in found} == {True} and len({event.basis for event in found}) == 1
    told = [event for event in events if isinstance(event, Finding)]
    assert [code for finding in told if (code := finding.code.partition("-")[0]) != "log"] == findings


def test_a_meter_without_logs_and_profiles() -> None:
    text = (("[c1219.logs]", ""),)
    meter = C1219Rig(changes=text).connect()
    with pytest.raises(LocalProtocolError, match="keeps no log"):
        meter.events()


# --- tables and procedures --------------------------------------------------------------------------------------------


def test_tables_typed_and_raw() -> None:
    meter = C1219Rig().connect()
    made = meter.table(1)
    assert isinstance(made, ManufacturerIdentification) and made.ed_model == "SMALL"
    assert meter.table(1, raw=True)[:12] == b"MSDKSMALL   "  # type: ignore[index]
    # Blocks of load profiles are read by get_profile.
    octets = meter.table(64)
    assert isinstance(octets, bytes) and len(octets) == 6 * (13 + 8 * 6)
    with pytest.raises(LocalProtocolError, match="no table 2048"):
        meter.table(2048)
    with pytest.raises(LocalProtocolError, match="0 to 65535"):
        meter.table(1 << 16)


def test_every_table_can_be_asked_for() -> None:
    meter = master().connect()
    for number in meter.table(0).std_tbls_used - {7, 8, 42, 45, 64}:  # type: ignore[attr-defined]
        assert isinstance(meter.table(number), C1219Table), number


def test_passwords_are_not_shown() -> None:
    rig = master(changes=(('model = "SMALL"', 'model = "SMALL"\nsecret_level = 2'),))
    meter = rig.connect()
    shown = meter.table(42)
    assert isinstance(shown, C1219Table) and "12345678" not in repr(shown) + shown.model_dump_json()
    with pytest.raises(LocalProtocolError, match="passwords or keys"):
        meter.table(42, raw=True)


def test_passwords_and_keys_do_not_leave_the_meter() -> None:
    """Nor do they stand in a record of the line: only the octets between them are asked for."""
    secret = ('model = "SMALL"', 'model = "SMALL"\nsecret_level = 2')
    key = ("[c1219.registers]", f'[[c1219.key]]\nid = 1\nkey = "{KEY.hex()}"\n[c1219.registers]')
    rig = master(changes=(secret, key))
    port = rig.port()
    meter = rig.connect(port)
    heard = [event.data for event in port.log]
    shown, keys = meter.table(42), meter.table(45)
    heard = [event.data for event in port.log][len(heard) :]
    assert heard and not any(word in b"".join(heard) for word in (b"12345678", b"87654321", KEY))
    assert isinstance(shown, Security) and isinstance(keys, Keys)
    assert [each.password for each in shown.security_entries] == [None, None]
    assert [each.access_permissions.group_perm_0_flag for each in shown.security_entries] == [True, True]
    assert [each.key for each in keys.key_entries] == [None]
    whole = rig.but(changes=(secret, key, ('ni1 = "int32"', 'ni1 = "int32"\ndata_access = "full"')))
    with pytest.raises(LocalProtocolError, match="with its passwords, or not at all"):
        whole.connect().table(42)


def test_what_is_taken_for_granted_of_registers_is_a_finding() -> None:
    meter = master(changes=(('ni1 = "int32"', 'ni1 = "int32"\nwithout = [16]'),)).connect()
    meter.registers()
    assert "c1219-scale" in {finding.code for finding in meter.findings}


def test_writing_is_for_those_who_say_so() -> None:
    rig = master(changes=(('model = "SMALL"', 'model = "SMALL"\nwritable = [5, 6]'),))
    meter = rig.connect()
    before = wire(meter)
    with pytest.raises(LocalProtocolError, match="would be changed"):
        meter.write_table(5, b"NEW".ljust(20))
    for number in (7, 8, 1 << 16):
        with pytest.raises(LocalProtocolError):
            meter.write_table(number, bytes(4), write=True)
    assert wire(meter) == before
    assert meter.identity.device_id == "UTILITY-42"
    meter.write_table(5, b"NEW".ljust(20), write=True)
    assert meter.identity.device_id == "NEW"
    meter.write_table(5, b"ER", offset=3, write=True)
    assert meter.table(5).identification.strip() == "NEWER"  # type: ignore[attr-defined]
    with pytest.raises(PsemError, match="operation not possible"):
        meter.write_table(1, bytes(32), write=True)


def test_procedures_behind_the_list() -> None:
    meter = master().connect()
    meter.table(0)
    before = wire(meter)
    for wanted in (0, 3, 9, 10, "cold-start", "remote-reset"):
        with pytest.raises(LocalProtocolError, match="changes the meter") as caught:
            meter.procedure(wanted)
        assert "write=True" in caught.value.hint
    for number in (0, 1, 3, 6, 7, 16):
        with pytest.raises(LocalProtocolError, match="a number is not enough") as caught:
            meter.procedure(number, write=True)
        assert "name it" in caught.value.hint
    for unknown in ("format-disk", -1, 5000):
        with pytest.raises(LocalProtocolError):
            meter.procedure(unknown, write=True)
    with pytest.raises(LocalProtocolError, match="does not list"):
        meter.procedure(1000, manufacturer=True, write=True)
    assert wire(meter) == before


def test_procedures_are_carried_out_once_and_waited_for() -> None:
    rig = master(changes=(('model = "SMALL"', 'model = "SMALL"\nslow = { 9 = 3, 11 = 5 }'),))
    rig = rig.but(changes=(*rig.changes, ("fixed = 2026-02-03T07:37:00Z\n", "")))
    device = rig.device()
    written: list[int] = []
    port = Between(rig.port(device), lambda data: data[6:9] == b"\x40\x00\x07", written.append)
    meter = rig.connect(port)
    assert meter.procedure(11) == b""
    assert meter.procedure("remote-reset", b"\x01", write=True) == b"\x01"
    assert written == [1, 2]
    with pytest.raises(ActionError, match="parameter is invalid"):
        meter.procedure(9, bytes(7), write=True)
    meter.procedure("clear-data", write=True)
    assert len(meter.get_profile()) == 0


def test_a_procedure_without_an_end_is_given_up_and_not_asked_for_again() -> None:
    rig = master(changes=(('model = "SMALL"', 'model = "SMALL"\nslow = { 9 = 500 }'),))
    written: list[int] = []
    port = Between(rig.port(), lambda data: data[6:9] == b"\x40\x00\x07", written.append)
    meter = rig.connect(port)
    before = port.now()
    with pytest.raises(NoAnswer, match="still at it") as caught:
        meter.procedure(9, b"\x01", write=True)
    assert port.now() - before < 25 and written == [1]
    assert "do not ask for it again" in caught.value.hint


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_what_may_be_read_and_no_secret() -> None:
    rig = master(changes=(('model = "SMALL"', 'model = "SMALL"\nsecret_level = 2'),))
    port = rig.port()
    shot = rig.connect(port).snapshot()
    assert shot.identity.serial_number == "42" and shot.clock is not None and len(shot.readings) > 2
    tables = {table.number: table for table in shot.tables}
    assert {0, 1, 3, 5, 12, 16, 23, 52, 61, 63, 74}.issubset(tables)
    assert not {7, 8, 42, 44, 45, 64}.intersection(tables)
    assert tables[1].octets.startswith(b"MSDK".hex()) and tables[1].decoded is not None
    text = shot.model_dump_json()
    assert json.loads(text)["tables"][1]["decoded"]["ed_model"] == "SMALL"
    assert MASTER not in text and MASTER.encode().hex() not in text
    asked = [event.data[6:9] for event in port.log if event.side == "client" and event.data[6:7] == b"\x30"]
    assert not {bytes((0x30, 0, number)) for number in (42, 44, 45)}.intersection(asked)


def test_a_snapshot_without_a_password() -> None:
    shot = C1219Rig(password=None).connect().snapshot()
    assert shot.identity.serial_number == "42" and shot.readings == ()
    assert {finding.code for finding in shot.findings} >= {"snapshot-unread"}


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once() -> None:
    rig = C1219Rig(password="wrong")
    port = rig.port()
    with pytest.raises(AuthenticationFailed):
        rig.connect(port)
    sent = [event.data[6:7] for event in port.log if event.side == "client"]
    assert sent.count(b"\x51") == 1
    # The meter is told good-bye all the same.
    assert b"\x21" in sent


def test_who_logs_on_is_the_callers_choice() -> None:
    rig = C1219Rig(options={"user": "ALICE", "user_id": 77})
    port = rig.port()
    rig.connect(port).close()
    sent = [event.data[6:-2] for event in port.log if event.side == "client"]
    assert b"\x50" + (77).to_bytes(2, "big") + b"ALICE     " in sent
    assert sent[-2:] == [b"\x21", b""] or b"\x21" in sent
    for wrong in ({"user": "much too long"}, {"user": "ÄÖ"}, {"user_id": 65536}, {"packet_size": 9}, {"packets": 256}):
        with pytest.raises(LocalProtocolError):
            _ = C1219Rig(options=wrong).plan


def test_a_meter_that_ended_the_session_meanwhile_is_signed_on_to_again() -> None:
    rig = C1219Rig()
    port = rig.port()
    events: list[object] = []
    meter = rig.connect(port, events.append)
    first = meter.identity
    for pause in (5.0, 6.5, 60.0):
        port.sleep(pause)
        began = port.now()
        assert meter.read("1.8.0").unit is Unit(30)
        assert port.now() - began < 4.0, pause
    assert meter.identity == first
    port.sleep(60.0)
    began = port.now()
    meter.close()
    assert port.now() == began
    signed = [event.name for event in events if isinstance(event, State)].count("associated")
    assert signed == 3


@pytest.mark.parametrize("speed", [9600, 57600])
def test_the_session_of_a_reader_that_was_killed_is_ended(speed: int) -> None:
    rig = C1219Rig(options={"max_baud": speed})
    port = rig.port()
    rig.connect(port).table(1)
    # Nobody says good-bye.
    port.set_line(9600)
    meter = rig.connect(port)
    assert meter.identity.serial_number == "42"
    meter.close()


def test_a_lost_ack_behind_the_good_bye_does_not_hold_up_the_next_session() -> None:
    """The meter repeats its answer to Terminate at 57600 Bd; the next session begins at 9600 Bd, and looks back."""
    rig = C1219Rig()
    port = rig.port()
    meter = rig.connect(port)
    meter.table(1)
    session = meter._session
    said: list[bytes] = []
    send = port.send

    def last_lost(data: bytes) -> None:
        said.append(data)
        # Logoff, its ACK, Terminate, its ACK: the last one is lost.
        if data != b"\x06" or sum(each != b"\x06" for each in said) < 2:
            send(data)

    port.send = last_lost  # type: ignore[method-assign]
    meter._run(session._connection.close())
    port.send = send  # type: ignore[method-assign]
    assert said[-1] == b"\x06"
    begun = port.now()
    assert meter.table(5) is not None
    assert port.now() - begun < 2.5 and meter.identity.baud == 57600


def test_a_probe_that_does_not_carry_the_speed() -> None:
    """The meter goes to 57600 Bd, and the head does not: the session goes on at 9600 Bd, with long packets."""
    rig = C1219Rig()
    port = rig.port()
    set_line = port.set_line
    port.set_line = lambda baud: set_line(min(baud, 19200))  # type: ignore[method-assign]
    events: list[object] = []
    meter = rig.connect(port, events.append)
    assert meter.identity.baud == 9600
    assert "psem-defaults" in [event.code for event in events if isinstance(event, Finding)]
    said = [event.text for event in events if isinstance(event, State) and event.name == "negotiated"]
    assert said[-1] == "255 packets of 1024 octets"
    assert len(meter.get_profile()) > 40


def test_auto_finds_it_on_a_silent_port() -> None:
    rig = C1219Rig(protocol="auto")
    events: list[object] = []
    port = rig.port()
    meter = rig.connect(port, events.append)
    assert meter.identity.protocol == "c1218"
    names = [event.name for event in events if isinstance(event, State)]
    assert names.index("direct-hdlc") < names.index("direct-c1218") < names.index("identified")
    assert port.now() < 15.0


def test_auto_takes_over_from_a_session_it_overhears() -> None:
    """A reader was killed amid an answer: the meter goes on sending its packets, and nobody acknowledges them."""
    rig = C1219Rig(blocks=60, intervals=96, options={"max_baud": 9600})
    port = rig.port()
    crashed = rig.connect(port)
    reading = crashed._session.table(64, raw=True)

    class Killed(BaseException):
        pass

    heard = [0]
    receive = port.receive

    def killed(timeout: float) -> bytes:
        data = receive(timeout)
        heard[0] += len(data)
        if heard[0] > 600:
            port.receive = receive  # type: ignore[method-assign]
            raise Killed
        return data

    port.receive = killed  # type: ignore[method-assign]
    send, port.send = port.send, lambda data: None if heard[0] > 600 else send(data)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        crashed._run(reading)
    port.send = send  # type: ignore[method-assign]
    meter = rig.but(protocol="auto").connect(port)
    assert meter.identity.protocol == "c1218" and meter.read("1.8.0")


def test_the_simulated_meter_of_a_target() -> None:
    with connect("sim://ansi", password="12345678") as meter:
        assert meter.identity.protocol == "c1218"
        assert len(meter.registers()) > 10
    with connect("sim://ansi?protocol=c1218&max_baud=9600&user=BOB&user_id=5", password="12345678") as meter:
        assert meter.identity.baud == 9600
        assert len(meter.get_profile(last="1d")) == 96


def test_what_an_ansi_meter_does_not_have_is_refused_in_words() -> None:
    meter = C1219Rig().connect()
    for call in (
        lambda: meter.objects,
        lambda: meter.get(3, "1.8.0", 2),
        lambda: meter.set(3, "1.8.0", 2, 1),
        lambda: meter.action(3, "1.8.0", 1),
        lambda: meter.readout(),
        lambda: list(meter.telegrams()),
        lambda: meter.programming().__enter__(),
    ):
        with pytest.raises(LocalProtocolError, match="tables and procedures") as caught:
            call()
        assert "table()" in caught.value.hint


# --- bad lines and bad meters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        C1218Faults(lost_ack=0.1),
        C1218Faults(bad_crc=0.05),
        C1218Faults(repeat=0.2),
        C1218Faults(busy=0.2, not_ready=0.1),
        C1218Faults(stuck_toggle=2),
        C1218Faults(lying_count=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bad_meter_is_read_right(faults: C1218Faults, seed: int) -> None:
    good = C1219Rig().connect()
    rig = C1219Rig(faults=replace(faults, seed=seed))
    meter = rig.connect()
    assert meter.identity.serial_number == good.identity.serial_number
    assert meter.registers() == good.registers()
    assert list(meter.get_profile().rows()) == list(good.get_profile().rows())
    assert meter.events() == good.events()


@pytest.mark.parametrize("flip", [0.0005, 0.002])
def test_a_bad_line(flip: float) -> None:
    good = C1219Rig().connect()
    rig = C1219Rig(model=LineModel(baud=9600, flip=flip, seed=7), options={"packet_size": 128, "max_baud": 9600})
    meter = rig.connect()
    assert list(meter.get_profile().rows()) == list(good.get_profile().rows())
    assert meter.registers() == good.registers()


def test_tables_that_lie_end_in_typed_errors() -> None:
    rig = C1219Rig(faults=C1218Faults(lying_tables=1000))
    meter = rig.connect()
    for call in (meter.get_profile, meter.registers, lambda: meter.table(23), meter.events):
        with pytest.raises((DecodeError, LocalProtocolError, PsemError)):
            call()


def test_packets_without_end_are_given_up() -> None:
    rig = C1219Rig(faults=C1218Faults(endless=1000))
    port = rig.port()
    with pytest.raises((NoAnswer, LimitExceeded)) as caught:
        rig.connect(port)
    assert caught.value.layer == "link" and port.now() < 120
