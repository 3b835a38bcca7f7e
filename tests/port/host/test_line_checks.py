"""Checks of an opened port, on a line that plays a script under its own clock."""

from __future__ import annotations

import errno

import pytest

from host_rig import FakeLine, by_name
from metersdk.port.host import line_checks
from metersdk.port.host.check import Check, Verdict
from metersdk.port.host.line import LineCounters
from metersdk.port.host.line_checks import ECHO_PATTERN, Heard, Trial

OK, WARNING, FAILURE, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.NOT_APPLICABLE


def signals(line: FakeLine, **trial: object) -> dict[str, Check]:
    return by_name(line_checks.signals(line, Trial(**trial)))  # type: ignore[arg-type]


def idle(octets: bytes, step: float = 0.05, **more: object) -> Check:
    script = [(0.1 + step * n, octets[n : n + 1]) for n in range(len(octets))]
    return signals(FakeLine(script=script, **more))["idle"]  # type: ignore[arg-type]


def test_a_good_port() -> None:
    line = FakeLine()
    checks = signals(line)
    assert {name: check.verdict for name, check in checks.items()} == {
        "low-latency": OK,
        "baud": OK,
        "idle": OK,
        "counters": OK,
        "echo": OK,
        "reflection": SKIPPED,
    }
    assert checks["idle"].text == "silent for 3 s at 9600 Bd"
    # 3 s of silence, then 6 octets at 300 Bd and the delay of a probe.
    assert line.sent == ECHO_PATTERN and line.baud == 300 and line.time == pytest.approx(3 + 0.2 + 0.25)


def test_what_is_sent_is_the_beginning_of_nothing() -> None:
    assert not set(ECHO_PATTERN) & set(b"/!?\x7e\x01\x02\x06\x15\x00\x1b")


def test_locks() -> None:
    free = by_name(line_checks.locks(FakeLine()))
    assert (free["exclusive"].verdict, free["lock"].verdict) == (OK, OK)
    held = by_name(line_checks.locks(FakeLine(exclusive=True, free=False)))
    assert (held["exclusive"].verdict, held["lock"].verdict) == (FAILURE, FAILURE)
    assert "could be opened" in by_name(line_checks.locks(FakeLine(exclusive=None)))["exclusive"].text


@pytest.mark.parametrize(
    ("code", "name", "part"),
    [
        (errno.EBUSY, "exclusive", "keeps /dev/x for itself"),
        (errno.EACCES, "open", "/dev/x: said"),
        (errno.ENXIO, "open", "is gone"),
        (errno.EIO, "open", "is gone"),
        (errno.ENOTTY, "open", "is no serial port"),
        (errno.ENOMEM, "open", "/dev/x: said"),
    ],
)
def test_what_cannot_be_opened(code: int, name: str, part: str) -> None:
    check = line_checks.open_failed("/dev/x", OSError(code, "said"))
    assert (check.name, check.verdict) == (name, FAILURE) and part in check.text


def test_low_latency() -> None:
    assert signals(FakeLine(flag=True))["low-latency"].text == "set"
    assert signals(FakeLine(flag=None))["low-latency"].verdict is SKIPPED


def test_speeds() -> None:
    rounded = signals(FakeLine(real={9600: 9615}))["baud"]
    assert rounded.verdict is OK
    off = signals(FakeLine(real={9600: 9900, 19200: 0}))["baud"]
    assert off.verdict is WARNING and off.text == "9600 Bd became 9900 Bd, 19200 Bd is refused"
    assert signals(FakeLine(real={300: 1200}))["baud"].verdict is FAILURE
    silent = FakeLine(real=dict.fromkeys(line_checks.SPEEDS))
    assert signals(silent)["baud"].verdict is SKIPPED


def test_light_in_step_with_lamps() -> None:
    fifty = idle(bytes([0x00, 0x80, 0xFF, 0xF8, 0xFC]) * 4, step=0.010)
    assert fifty.verdict is WARNING and "20 octets" in fifty.text and "lamps on 50 Hz" in fifty.text
    assert "lamps on 60 Hz" in idle(b"\x00" * 20, step=1 / 120).text
    steady = idle(b"\x00\xff\xfe\x80\x3a")
    assert "like light" in steady.text and "lamps" not in steady.text and steady.mend is not None


def test_light_that_only_the_driver_sees() -> None:
    checks = signals(FakeLine(rising=LineCounters(breaks=2, framing=1)))
    assert checks["idle"].text == "no octet, but 1 framing error, 2 breaks in 3 s: strong light on the receiver"
    assert checks["counters"].verdict is WARNING and checks["counters"].text == "1 framing error, 2 breaks in 3 s"


def test_no_counters() -> None:
    assert signals(FakeLine(counts=False))["counters"].verdict is SKIPPED


def test_meters_that_send_by_themselves() -> None:
    assert "SML" in idle(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76").text
    # 7E1, as an 8N1 receiver has it.
    parity = bytes(octet | (0x80 if octet.bit_count() % 2 else 0) for octet in b"\x00/ESY5Q3DA1004 V3.03\r\n\r\n")
    telegram = idle(parity)
    assert telegram.verdict is OK and "telegrams" in telegram.text
    hdlc = idle(bytes.fromhex("7ea00a0303213b2b"))
    assert hdlc.verdict is WARNING and "HDLC" in hdlc.text
    other = idle(b"AT\r\nAT\r\n")
    assert other.verdict is WARNING and "8 octets in 3 s at 9600 Bd, unasked (41 54 0d 0a" in other.text


def test_nothing_is_sent_into_what_is_not_idle() -> None:
    line = FakeLine(script=[(1.0, b"noise")])
    checks = signals(line)
    assert (checks["echo"].verdict, checks["reflection"].verdict, line.sent) == (SKIPPED, SKIPPED, b"")
    line = FakeLine()
    assert signals(line, send=False)["echo"].text == "nothing was to be sent" and line.sent == b""


def test_no_time_to_listen() -> None:
    assert line_checks.noise(Heard(0.0)).verdict is SKIPPED


def test_echo() -> None:
    assert signals(FakeLine(echo=bytes))["echo"].text.startswith("full")
    part = signals(FakeLine(echo=lambda sent: sent[1:4]))["echo"]
    assert part.verdict is WARNING and part.text.startswith("3 of 6 octets come back, undamaged")
    bad = signals(FakeLine(echo=lambda sent: bytes(octet | 1 for octet in sent[:2])))["echo"]
    assert bad.text.startswith("2 of 6 octets come back, damaged")


def test_reflection_on_paper() -> None:
    alive = signals(FakeLine(echo=bytes), paper=True)
    assert (alive["echo"].verdict, alive["reflection"].verdict) == (SKIPPED, OK)
    weak = signals(FakeLine(echo=lambda sent: sent[:2]), paper=True)["reflection"]
    assert weak.verdict is WARNING and "barely" in weak.text
    dead = signals(FakeLine(), paper=True)["reflection"]
    assert dead.verdict is WARNING and dead.mend is not None and "camera of a phone" in dead.mend.text


def test_a_probe_that_is_pulled_out() -> None:
    with pytest.raises(OSError, match="Input/output"):
        signals(FakeLine(gone=True))
