"""Authentication of C12.21 behind the doors: a ticket key alone, or before a password."""

from __future__ import annotations

from typing import Any

import pytest
from c1219_rig import MASTER, READER, C1219Rig

import metersdk
from metersdk.apdu.keys import Keys, Secret, TicketKey
from metersdk.dialog.c1219_settings import C1219Settings
from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.effects import Sleep
from metersdk.errors import AuthenticationFailed, LocalProtocolError, PsemError, SecurityError
from metersdk.meter import plan_for
from metersdk.model.identity import Identity
from metersdk.port.address import parse_address
from metersdk.port.drive import run
from metersdk.port.trace import RecordingPort
from metersdk.port.virtual import VirtualPort

DES, AES = "0011223344556677", "000102030405060708090A0B0C0D0E0F"
LOGON, SECURITY, AUTHENTICATE, TERMINATE = (bytes((code,)) for code in (0x50, 0x51, 0x53, 0x21))


def rig(known: str | None = AES, given: str | TicketKey | None = None, key_id: int = 2, **more: Any) -> C1219Rig:
    """A meter that knows key 2, good for level 2, and who is given one."""
    table = f'[[c1219.key]]\nid = 2\nkey = "{known}"\nlevel = 2\n[c1219.logs]'
    key = TicketKey(given or known or AES) if not isinstance(given, TicketKey) else given
    fields: dict[str, Any] = {"password": None, "options": {"key_id": key_id}, **more}
    return C1219Rig(changes=(("[c1219.logs]", table),) if known else (), keys=key, **fields)


def asked(port: VirtualPort) -> list[bytes]:
    """The services that went to the meter, in their order."""
    services = (LOGON, SECURITY, AUTHENTICATE, TERMINATE, b"\x30")
    return [code for event in port.log if event.side == "client" and (code := event.data[6:7]) in services]


@pytest.mark.parametrize("key", [DES, AES])
def test_a_key_alone_opens_what_it_is_good_for(key: str) -> None:
    it = rig(key)
    port = it.port()
    meter = it.connect(port)
    # After Logon, and before anything is read.
    assert meter.registers()
    assert asked(port)[:3] == [LOGON, AUTHENTICATE, b"\x30"] and SECURITY not in asked(port)
    # What is written wants level 2, which the password of a reader does not have.
    meter.set_clock(meter.clock.to_datetime())
    meter.close()


def test_a_key_and_a_password() -> None:
    it = rig(password=MASTER)
    port = it.port()
    meter = it.connect(port)
    assert asked(port) == [LOGON, AUTHENTICATE, SECURITY] and meter.registers()


def test_each_session_has_its_own_ticket() -> None:
    it = rig()
    port = it.port()
    meter = it.connect(port)
    meter._run(_rest(20.0))
    assert meter.registers()
    proofs = [event.data for event in port.log if event.side == "client" and event.data[6:7] == AUTHENTICATE]
    assert len(proofs) == 2 and proofs[0] != proofs[1]
    assert rig(key_id=2).plan.c1219.key_id == 2


def _rest(seconds: float) -> Any:
    yield Sleep(seconds)


@pytest.mark.parametrize("password", [None, READER])
@pytest.mark.parametrize(("known", "given", "key_id"), [(AES, AES[::-1], 2), (DES, DES[::-1], 2), (AES, AES, 3)])
def test_a_wrong_key_is_tried_once(known: str, given: str, key_id: int, password: str | None) -> None:
    it = rig(known, given, key_id, password=password)
    port = it.port()
    with pytest.raises(AuthenticationFailed, match=f"refused the proof of key {key_id}") as caught:
        it.connect(port)
    assert asked(port) == [LOGON, AUTHENTICATE, TERMINATE] and not caught.value.retryable
    assert given.lower() not in str(caught.value).lower()


def test_a_key_that_is_refused_later_is_tried_once() -> None:
    """The key is changed while a reader rests: the sessions that follow do not ask again and again."""
    device = (it := rig()).device()
    meter = it.connect(port := it.port(device))
    device.c1219.key = lambda _: (Secret(bytes(16)), 2)
    meter._run(_rest(20.0))
    with pytest.raises(AuthenticationFailed):
        meter.registers()
    before = asked(port).count(AUTHENTICATE)
    for _ in range(3):
        with pytest.raises(LocalProtocolError, match="not tried again"):
            meter.registers()
    assert asked(port).count(AUTHENTICATE) == before == 2
    meter.close()


@pytest.mark.parametrize(
    ("known", "given", "message", "hint"),
    [
        (None, AES, "offers no authentication", "leave the key out"),
        (DES, AES, "wants a key and a ticket of 8 octets; they have 16 and 8", "DES: give its key of 8 octets"),
        (AES, DES, "wants a key and a ticket of 16 octets; they have 8 and 16", "AES: give its key of 16 octets"),
    ],
)
def test_a_key_that_cannot_be_used(known: str | None, given: str, message: str, hint: str) -> None:
    """Nothing less is done in its place: the password stays unsaid."""
    it = rig(known, given, password=READER)
    port = it.port()
    with pytest.raises(LocalProtocolError, match=message) as caught:
        it.connect(port)
    assert hint in caught.value.hint
    assert asked(port) == [LOGON, TERMINATE]


def test_a_meter_that_does_not_know_the_key_is_shown_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metersdk.dialog.psem_meter.is_proof", lambda *_: True)
    it = rig(AES, AES[::-1], password=READER)
    port = it.port()
    with pytest.raises(SecurityError, match="does not know the key"):
        it.connect(port)
    assert asked(port) == [LOGON, AUTHENTICATE, TERMINATE]


# --- what a caller writes ---------------------------------------------------------------------------------------------


def test_a_ticket_key() -> None:
    key = TicketKey(AES)
    assert key == TicketKey(bytes.fromhex(AES)) == TicketKey(Secret.from_hex(AES)) and key != TicketKey(DES)
    assert "Secret(***)" in repr(key) and AES.lower() not in repr(key).lower()
    assert len(TicketKey(DES).secret) == 8 and metersdk.TicketKey is TicketKey
    for wrong in ("", "00", DES + "88", AES + AES, "xyz"):
        with pytest.raises(LocalProtocolError) as caught:
            TicketKey(wrong)
        assert not wrong or wrong == "00" or wrong not in str(caught.value)


def plan(target: str = "sim://ansi", **more: Any) -> Any:
    names = ("password", "authentication", "keys", "security", "vendor", "timing")
    fields: dict[str, Any] = {**dict.fromkeys(names), "protocol": "auto", "client": 16, "server": 1, **more}
    return plan_for(parse_address(target), **fields)


def test_where_the_key_goes() -> None:
    made = plan("sim://ansi?key_id=7", protocol="c1218", keys=TicketKey(AES), password="pw")
    assert (made.c1219.key, made.c1219.key_id) == (Secret.from_hex(AES), 7)
    assert made.association.keys is None and made.association.authentication.name == "LOW"
    assert set(made.secrets) == {Secret("pw"), Secret.from_hex(AES)}
    assert AES.lower() not in repr(made).lower()
    assert plan("sim://ansi?protocol=c1218", keys=TicketKey(DES)).c1219.key_id == 0
    plain = plan(protocol="dlms", keys=Keys(AES, invocation_counter=1))
    assert plain.c1219.key is None and plain.association.authentication.name == "HIGH_GMAC"


@pytest.mark.parametrize("protocol", ["auto", "dlms", "c1222", "iec62056-21", "push", "kmp"])
def test_a_ticket_key_is_for_c1218_alone(protocol: str) -> None:
    """Neither is it used up for something else, nor is anything done without it."""
    with pytest.raises(LocalProtocolError, match="of no use to protocol"):
        plan(protocol=protocol, keys=TicketKey(AES))


def test_no_other_key_answers_a_ticket() -> None:
    """Whoever plays a meter would have AES of a block of his choice under it."""
    with pytest.raises(LocalProtocolError, match="no use for keys of DLMS") as caught:
        plan(protocol="c1218", keys=Keys(AES, invocation_counter=1))
    assert "TicketKey" in caught.value.hint
    found = rig(AES).but(keys=Keys(AES, AES, invocation_counter=1), protocol="auto")
    port = found.port()
    meter = found.connect(port)
    assert meter.identity != Identity() and AUTHENTICATE not in asked(port)


@pytest.mark.parametrize("key_id", [-1, 256, "x"])
def test_numbers_of_keys(key_id: object) -> None:
    with pytest.raises(LocalProtocolError, match="key_id"):
        _ = rig(key_id=key_id).plan  # type: ignore[arg-type]
    assert C1219Settings(key_id=255).key_id == 255


def test_a_trace_does_not_show_the_key(tmp_path: Any) -> None:
    """Not even where it is written into the meter: table 45 holds the keys."""
    it = rig()
    path = tmp_path / "session.jsonl"
    port = RecordingPort(it.port(), path, target="test", secrets=it.plan.secrets)
    hearing = Hearing(None)
    session = run(open_session(it.plan), port, hearing)
    meter = metersdk.Meter(port, session, hearing)
    with pytest.raises(PsemError):
        meter._run(session._connection.psem.write(45, bytes.fromhex(AES), allow=True))  # type: ignore[attr-defined]
    meter.close()
    assert AES.lower() not in path.read_text().lower()
