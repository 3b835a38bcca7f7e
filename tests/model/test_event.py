"""Events: of log books as text, and of event logs over DLMS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.ascii_profile import parse
from metersdk.model.clock import DateTime
from metersdk.model.event import (
    EVENT_CODES,
    LOG_BOOK,
    Event,
    describe_status,
    events_of_profile,
    events_of_text,
    in_order,
    is_event_log,
)
from metersdk.model.obis import Obis
from metersdk.model.profile import CaptureObject, Profile
from metersdk.model.quirks import Quirks

CET = Quirks(local_deviation=-60)
LOG = Obis("0.0.99.98.0.255")


def book(text: bytes, quirks: Quirks = CET) -> list[Event]:
    return [event for rows in parse(text, strict=True)[0] for event in events_of_text(rows, LOG_BOOK, quirks)]


def test_status_words() -> None:
    down, reset = book(b"P.98(0260105120000)(80)()(0)\r\nP.98(1260801000000)(00000010)()(0)\r\n")
    assert down.time == datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=1)))
    assert (down.code, down.text, down.status, down.values) == (0x80, "power down", "80", ())
    assert (reset.text, reset.status) == ("billing reset", "00000010")
    assert reset.time is not None and reset.time.utcoffset() == timedelta(hours=2)
    assert str(down) == "2026-01-05T12:00:00+01:00 128 power down"


def test_a_clock_that_was_set_has_the_old_time_and_holds_the_new_one() -> None:
    (event,) = book(b"P.98(1260826235646)(00008020)()(2)(0.9.1)()(0.9.2)()(1235703)(1260826)\r\n")
    assert event.time is not None and (event.time.hour, event.time.second) == (23, 46)
    assert event.text == "bit 15, clock set"
    assert [(value.obis.reduced, value.value) for value in event.values] == [("0.9.1", "1235703"), ("0.9.2", "1260826")]


@pytest.mark.parametrize("name", ["0-0:C.11.0", "91.11.0", "96.11.0"])
def test_event_codes_win_over_the_status_word(name: str) -> None:
    text = f"P.98(0260105120000)(00)()(2)({name})()(1.8.0)(kWh)(1)(0012.5)\r\n"
    (event,) = book(text.encode())
    assert (event.code, event.text) == (1, EVENT_CODES[1])
    assert [str(value.value) for value in event.values] == ["12.5"]


def test_times_without_a_zone_in_utc_and_names_of_the_maker() -> None:
    (local,) = book(b"P.98(0260105120000)(0100)()(0)\r\n", Quirks(status_bits=(("phase L1 down", 8),)))
    assert local.time == datetime(2026, 1, 5, 12) and local.text == "phase L1 down"
    (utc,) = book(b"P.98(2260105120000)()()(0)\r\n")
    assert utc.time == datetime(2026, 1, 5, 12, tzinfo=UTC) and (utc.code, utc.text) == (None, "")


def test_words_of_a_status() -> None:
    assert describe_status(0xA1) == "power down, clock set, fatal error"
    assert describe_status(0) == ""


def test_event_logs_over_dlms() -> None:
    rows = [
        axdr.structure(
            axdr.octets(DateTime.from_datetime(datetime(2026, 1, 5, hour, tzinfo=UTC)).to_octets()),
            axdr.u8(code),
            axdr.u32(1000 + hour),
        )
        for hour, code in ((1, 1), (2, 2), (3, 200))
    ]
    captures = (
        CaptureObject(8, "0.0.1.0.0.255", 2),
        CaptureObject(1, "0.0.96.11.0.255", 2),
        CaptureObject(3, "1.0.1.8.0.255", 2),
    )
    profile = Profile.from_axdr(axdr.encode(axdr.array(*rows)), captures)
    events = events_of_profile(profile, LOG)
    assert [(event.code, event.text) for event in events] == [(1, "power down"), (2, "power up"), (200, "")]
    assert [event.time for event in events] == [datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (1, 2, 3)]
    assert [str(event.values[0].value) for event in events] == ["1001", "1002", "1003"]
    assert all(len(event.values) == 1 for event in events)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5])
def test_a_float_is_no_event_code(value: float) -> None:
    profile = Profile.from_axdr(
        axdr.encode(axdr.array(axdr.structure(axdr.f64(value)))), [CaptureObject(1, "0.0.96.11.0.255", 2)]
    )
    (event,) = events_of_profile(profile, LOG)
    assert event.code is None
    assert str(event.values[0].value).lower() == str(value).replace("inf", "infinity")


def test_event_codes_of_several_types() -> None:
    rows = axdr.array(*(axdr.structure(code, axdr.u8(9)) for code in (axdr.u8(1), axdr.enum(2), axdr.null())))
    captures = [CaptureObject(1, "0.0.96.11.0.255", 2), CaptureObject(1, "0.0.96.15.0.255", 2)]
    events = events_of_profile(Profile.from_axdr(axdr.encode(rows), captures), LOG)
    assert [event.code for event in events] == [1, 2, 2]
    assert all(str(event.values[0].value) == "9" for event in events)


def test_order_and_names() -> None:
    early = Event(time=datetime(2026, 1, 1), log=LOG)
    late = Event(time=datetime(2026, 1, 2, tzinfo=UTC), log=LOG)
    never = Event(time=None, log=LOG)
    assert in_order([never, late, early]) == [early, late, never]
    assert is_event_log(Obis("0.1.99.98.4.255")) and not is_event_log(Obis("1.0.99.1.0.255"))
    assert late.model_dump(mode="json")["log"] == "0.0.99.98.0.255"
