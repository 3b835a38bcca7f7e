"""listen: what a meter sends by itself, telegram by telegram."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from metersdk.cli.options import Connection
from metersdk.cli.reading import show_readings
from metersdk.model.telegram import Telegram


def listen(connection: Connection, count: int | None) -> None:
    out = connection.out
    if connection.protocol == "auto":
        connection = replace(connection, protocol="push")
    if count is None and out.mode == "json":
        count = 1
    told: list[dict[str, object]] = []
    with connection.open() as meter:
        for number, telegram in enumerate(meter.telegrams(count)):
            if out.is_text:
                if number == 0:
                    out.say(str(telegram.identity), "bold")
                when = telegram.time or (f"second {telegram.sec_index}" if telegram.sec_index is not None else "")
                out.show(Text(f"telegram {number + 1}  {when}".rstrip(), style="cyan"))
                show_readings(out, telegram.readings)
            elif out.mode == "jsonl":
                out.record("telegram", **_content(telegram))
            else:
                told.append(_content(telegram))
    if out.mode == "json":
        out.document(target=connection.name, telegrams=told)


def _content(telegram: Telegram) -> dict[str, object]:
    identity = telegram.identity
    return {
        "protocol": telegram.protocol,
        "manufacturer": identity.manufacturer,
        "serial_number": identity.serial_number,
        "baud": identity.baud,
        "time": None if telegram.time is None else str(telegram.time),
        "sec_index": telegram.sec_index,
        "proved": telegram.proved,
        "readings": [reading.model_dump(mode="json") for reading in telegram.readings],
    }
