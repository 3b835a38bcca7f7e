"""identify, readout, read, registers, clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rich.text import Text

from metersdk.cli.data_sets import fields
from metersdk.cli.options import Connection
from metersdk.cli.output import Output, describe, grid, pairs
from metersdk.dialog.iec62056_21_readout import Readout
from metersdk.errors import DecodeError, LocalProtocolError, MeterError, ServiceError
from metersdk.model.clock import DateTime
from metersdk.model.obis import Obis
from metersdk.model.reading import Reading, plain
from metersdk.model.span import moment

FINDING, PARTIAL = 1, 8


def identify(connection: Connection, line_report: bool) -> None:
    out = connection.out
    with connection.open() as meter:
        identity = meter.identity
    line = meter.line if line_report else None
    if not out.is_text:
        more = {} if line is None else {"line": line.as_dict()}
        out.one(connection.name, "identity", identity.model_dump(mode="json"), **more)
        return
    out.show(
        pairs(
            (
                ("Manufacturer", identity.manufacturer),
                ("Model", identity.model),
                ("Serial number", identity.serial_number),
                ("Logical device name", identity.logical_device_name),
                ("System title", identity.system_title),
                ("Device id", identity.device_id),
                ("Hardware", identity.hardware),
                ("Firmware", identity.firmware),
                ("Identification", identity.identification),
                ("Vendor data", identity.family),
                ("Protocols offered", ", ".join(identity.protocols)),
                ("Spoken", identity.protocol),
                ("Speed", f"{identity.baud} Bd" if identity.baud else None),
                ("Line", line),
                *((finding.code, f"{finding.text}: {finding.hint}") for finding in (line.findings if line else ())),
            )
        )
    )


def readout(connection: Connection, raw: bool, strict: bool) -> None:
    out = connection.out
    if raw:
        out.refuse_json("--raw")
    if connection.protocol == "auto":
        connection = _spoken(connection)
    with connection.open() as meter:
        home = meter.readout(strict=strict)
    if raw:
        sys.stdout.write(home.text.decode("latin-1"))
    elif out.is_text:
        rows = [[each.address, " ".join(f"({value})" for value in each.values)] for each in home.data_sets]
        out.show(grid(out.data, ("Address", "Values"), rows))
    else:
        out.records("data_set", "data_sets", map(fields, home.data_sets), target=connection.name, **_proof(home))
    if home.proved is None and out.is_text:
        out.say("note: this data message carried no check character", "yellow")


def _spoken(connection: Connection) -> Connection:
    """A readout is asked for: no hand-over to DLMS."""
    return replace(connection, protocol="iec62056-21")


def _proof(home: Readout) -> dict[str, object]:
    said = home.identification
    return {
        "identification": said.raw.decode("latin-1") if said else None,
        "proved": home.proved,
        "complete": home.complete,
        "tail": home.tail,
        "baud": home.baud,
    }


def read(connection: Connection, codes: tuple[Obis, ...]) -> int:
    out = connection.out
    readings: list[Reading] = []
    refused: list[tuple[Obis, MeterError]] = []
    with connection.open() as meter:
        for code in codes:
            try:
                readings.append(meter.read(code))
            except (ServiceError, LocalProtocolError, DecodeError) as error:
                refused.append((code, error))
                continue
            if out.mode == "jsonl":
                out.record("reading", **readings[-1].model_dump(mode="json"))
    if refused and not readings and len(refused) == 1:
        raise refused[0][1]
    if out.mode == "jsonl":
        for code, why in refused:
            out.record("refused", obis=str(code), error=describe(why))
    elif out.mode == "json":
        out.document(
            target=connection.name,
            readings=[reading.model_dump(mode="json") for reading in readings],
            refused=[{"obis": str(code), "error": describe(why)} for code, why in refused],
        )
    else:
        show_readings(out, readings)
        for code, why in refused:
            line = Text().append("refused: ", style="bold red").append(f"{code}: {why.message}")
            out.notes.print(line.append(f" ({why.hint})" if why.hint else "", style="dim"), soft_wrap=True)
    if refused:
        return PARTIAL if readings else refused[0][1].exit_code
    return 0


def registers(connection: Connection) -> None:
    out = connection.out
    with connection.open() as meter:
        readings = meter.registers()
    if out.is_text:
        show_readings(out, readings)
        out.say(f"{len(readings)} registers", "dim")
    else:
        rows = (reading.model_dump(mode="json") for reading in readings)
        out.records("reading", "readings", rows, target=connection.name)


def show_readings(out: Output, readings: Sequence[Reading]) -> None:
    """A table of readings; nothing if there are none."""
    if not readings:
        return
    timed = any(reading.time is not None for reading in readings)
    rows = [
        [
            str(reading.obis),
            reading.name,
            text_of(reading.value),
            reading.unit.symbol if reading.unit is not None else "",
            *([time_of(reading.time)] if timed else []),
        ]
        for reading in readings
    ]
    heads = ("OBIS", "Name", "Value", "Unit", *(("Time",) if timed else ()))
    out.show(grid(out.data, heads, rows, right=(2,)))


def time_of(time: datetime | DateTime | None) -> str:
    """A time for people: without seconds that are none."""
    if time is None:
        return ""
    if isinstance(time, datetime):
        return time.isoformat(sep=" ", timespec="seconds" if time.second else "minutes")
    return str(time).replace("T", " ").removesuffix(":*").replace(":*+", "+").replace(":*-", "-")


def text_of(value: object) -> str:
    """A value for people: octets in hex, with their text where they are one."""
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        shown = f' "{text}"' if value.isascii() and text.isprintable() and value else ""
        return (value.hex() or "(empty)") + shown
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(text_of, value))}]"
    return "" if value is None else str(plain(value))


def clock(connection: Connection, new: str | None, max_drift: float | None) -> int:
    out = connection.out
    target = None if new in (None, "now") else moment(new)
    if target is not None and target.tzinfo is None:
        target = target.astimezone()
    with connection.open() as meter:
        if new is not None:
            meter.set_clock(target)
        stamp = meter.clock
        computer = datetime.now().astimezone()
    drift = _drift(stamp, computer)
    off = max_drift is not None and (drift is None or abs(drift) > max_drift)
    if out.is_text:
        status = stamp.status
        said = (
            None if status is None else ", ".join(flag.name.lower().replace("_", " ") for flag in status if flag.name)
        )
        out.show(
            pairs(
                (
                    ("Meter", stamp),
                    ("Computer", computer.isoformat(timespec="milliseconds")),
                    ("Difference", None if drift is None else f"{round(drift, 1) + 0.0:+.1f} s"),
                    ("Status", said or ("ok" if status is not None else "not told")),
                )
            )
        )
        if off:
            out.warn(f"the clock is off by more than {max_drift:g} s")
    else:
        known = drift is not None and stamp.deviation is not None
        content: dict[str, object] = {
            "clock": str(stamp),
            "utc": stamp.to_datetime().astimezone(UTC).isoformat() if known else None,
            "computer": computer.isoformat(),
            "drift_seconds": drift,
            "status": None if stamp.status is None else int(stamp.status),
            "set": new is not None,
        }
        out.one(connection.name, "clock", content)
    return FINDING if off else 0


def _drift(stamp: DateTime, computer: datetime) -> float | None:
    """Seconds the meter is ahead; a clock without a zone counts as this computer's local time."""
    try:
        shown = stamp.to_datetime()
    except DecodeError:
        return None
    # Adding 0.0 makes -0.0 an ordinary zero.
    return round((shown.astimezone() - computer).total_seconds(), 2) + 0.0
