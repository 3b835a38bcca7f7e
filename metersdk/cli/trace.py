"""trace: what went over the line, layer by layer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from metersdk.cli.dissect import Dissector, Event
from metersdk.cli.layer import Layer
from metersdk.cli.output import Output, describe
from metersdk.cli.secrets import KeyFile, read_private
from metersdk.cli.units import Kind, Unit, session, split
from metersdk.errors import LocalProtocolError
from metersdk.port.trace import read_trace

FINDING = 1
_HEADER = b'{"metersdk_trace"'
_STYLES = {"frame": "cyan", "message": "cyan", "ciphering": "magenta", "apdu": "green", "data": "yellow"}
_ARROWS = {"tx": "──▶", "rx": "◀──", "": "   "}
_ROUGH_ARROWS = {"tx": "-->", "rx": "<--", "": "   "}
KINDS = (Kind.HDLC, Kind.WRAPPER, Kind.TEXT, Kind.C1218, Kind.C1222, Kind.APDU, Kind.DATA)


def trace(out: Output, source: tuple[str, ...], kind: str | None, key_file: str | None, everything: bool) -> int:
    keys = KeyFile(key_file).keys if key_file is not None else None
    dissector = Dissector(keys, None if everything else 8)
    units = _units(source, None if kind is None else Kind(kind))
    if out.mode == "json":
        events = [dissector.take_apart(unit) for unit in units]
        out.document(events=[_described(event) for event in events])
        return FINDING if any(map(_failed, events)) else 0
    failed = False
    for unit in units:
        event = dissector.take_apart(unit)
        failed = failed or _failed(event)
        if out.is_text:
            _show(out, event)
        else:
            out.record("event", **_described(event))
    return FINDING if failed else 0


def _units(source: tuple[str, ...], kind: Kind | None) -> Iterator[Unit]:
    if len(source) == 1 and _is_file(source[0]):
        content = read_private(source[0])
        if content.startswith(_HEADER):
            return session(read_trace(source[0]))
        return split(_octets(content, source[0]), kind)
    if source and source != ("-",):
        text = "".join(source)
        try:
            return split(bytes.fromhex(text.removeprefix("0x").replace(":", "")), kind)
        except ValueError:
            what = source[0] if len(source) == 1 else "this"
            raise LocalProtocolError(f"{what!r:.60} is neither a file nor hexadecimal") from None
    return split(_octets(sys.stdin.buffer.read(), "stdin"), kind)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        # Octets in hexadecimal make a name that is too long.
        return False


def _octets(content: bytes, name: str) -> bytes:
    """Hexadecimal text if it is that, else the octets themselves."""
    if not content.strip():
        raise LocalProtocolError(f"{name} is empty")
    try:
        return bytes.fromhex(content.decode("ascii"))
    except ValueError:
        return content


def _failed(event: Event) -> bool:
    return event.problem is not None or event.unit.kind is Kind.NOISE


def _described(event: Event) -> dict[str, object]:
    unit = event.unit
    content: dict[str, object] = {"time": unit.time, "direction": unit.direction or None, "kind": str(unit.kind)}
    if unit.text:
        content["text"] = unit.text
    elif not unit.masked:
        content["hex"] = None if any(layer.secret for layer in event.layers) else unit.octets.hex()
    content["layers"] = [
        {"layer": layer.kind, "name": layer.name, "text": layer.text, **layer.content} for layer in event.layers
    ]
    return {**content, "error": describe(event.problem) if event.problem is not None else None}


def _show(out: Output, event: Event) -> None:
    for line in _lines(event, _ARROWS if (sys.stdout.encoding or "").lower().startswith("utf") else _ROUGH_ARROWS):
        if out.data.is_terminal:
            out.data.print(line, soft_wrap=True)
        else:
            sys.stdout.write(f"{line.plain.rstrip()}\n")


def _lines(event: Event, arrows: dict[str, str]) -> Iterator[Text]:
    """The first layer beside time and arrow, the others below it, each deeper than the one before."""
    unit = event.unit
    clock = "" if unit.time is None else f"{unit.time:9.3f} "
    margin = " " * (len(clock) + 5)
    head = (
        Text()
        .append(clock, style="dim")
        .append(f"{arrows[unit.direction]}  ", style="bold" if unit.direction == "tx" else "blue")
    )
    if unit.kind in (Kind.LINE, Kind.NOTE):
        yield (
            Text()
            .append(clock, style="dim")
            .append(f"···  {unit.text}" if arrows is _ARROWS else f"...  {unit.text}", "dim")
        )
        return
    if unit.kind is Kind.NOISE:
        shown = unit.octets[:24].hex(" ") + (" ..." if len(unit.octets) > 24 else "")
        yield head.append(f"noise, {len(unit.octets)} octets: {shown}", style="red")
        return
    for depth, layer in enumerate(event.layers):
        start = head if not depth else Text(margin + "  " * depth)
        yield start.append_text(_line(layer))
        for deeper, text in layer.details:
            yield Text(margin + "  " * (depth + deeper)).append(text, style="dim" if layer.kind != "data" else "")
    if event.problem is not None:
        start = head if not event.layers else Text(margin + "  " * len(event.layers))
        yield start.append(_problem(event), style="red")


def _line(layer: Layer) -> Text:
    return Text(layer.name, style=_STYLES.get(layer.kind, "")).append(f"  {layer.text}" if layer.text else "", style="")


def _problem(event: Event) -> str:
    error = event.problem
    if error is None:
        return ""
    place = f", octet {error.offset}" if error.offset >= 0 else ""
    octets = f": {event.unit.octets[:24].hex(' ')}" if not event.layers and not event.unit.masked else ""
    return f"{error.message}{place}{octets}" + (f"  (hint: {error.hint})" if error.hint else "")
