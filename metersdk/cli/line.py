"""line: what earlier sessions taught about probes and meters; shown, and forgotten."""

from __future__ import annotations

from metersdk.cli.output import Output, grid
from metersdk.cli.speech import ask
from metersdk.dialog.adapting import METERS, entries_of
from metersdk.errors import PortError
from metersdk.port.memory import VARIABLE, MemoryFile, default_path, probe_of
from metersdk.port.target import parse_address

_Entry = tuple[str, str]


def show(out: Output, target: str | None) -> None:
    memory = _memory(out)
    sections = {} if memory is None else memory.sections()
    found = _chosen(sections, target)
    rows: list[dict[str, object]] = [
        {"kind": _kind(section), "name": key, "values": sections[section][key]} for section, key in found
    ]
    if not out.is_text:
        out.records("entry", "entries", rows, file=None if memory is None else str(memory.path))
        return
    if rows:
        told = [(_kind(section), key, _words(sections[section][key])) for section, key in found]
        out.show(grid(out.data, ("Of", "Name", "Remembered"), told))
    else:
        out.say("nothing is remembered", "dim")
    if memory is not None:
        out.say(f"kept in {memory.path}", "dim")


def forget(out: Output, target: str | None, yes: bool) -> None:
    memory = _memory(out)
    sections = {} if memory is None else memory.sections()
    found = _chosen(sections, target)
    if memory is not None and not memory.is_ours:
        raise PortError(f"{memory.path} was not written by metersdk, and is left as it is", layer="port")
    if found and memory is not None:
        names = ", ".join(f"{_kind(section)} {key}" for section, key in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        ask(f"Forget {names}{more}?", yes)
        if target is None:
            memory.forget()
        else:
            for section, key in found:
                memory.put(section, key, {})
        left = memory.sections()
        if any(key in left.get(section, {}) for section, key in found):
            raise PortError(f"{memory.path} cannot be written", layer="port", hint="check its owner and its rights")
    if not out.is_text:
        out.records("forgotten", "forgotten", [{"kind": _kind(section), "name": key} for section, key in found])
    else:
        out.say(f"{len(found)} entries forgotten" if found else "nothing was remembered")


def _memory(out: Output) -> MemoryFile | None:
    path = default_path()
    if path is None:
        out.say(f"{VARIABLE} is empty: nothing is remembered", "dim")
    return None if path is None else MemoryFile(path)


def _chosen(sections: dict[str, dict[str, dict[str, object]]], target: str | None) -> list[_Entry]:
    """Section and key of what is meant."""
    if target is None:
        return [(section, key) for section, entries in sections.items() for key in entries]
    address = parse_address(target)
    return list(entries_of(sections, probe_of(address), str(address.options.get("address", ""))))


def _kind(section: str) -> str:
    return "meter" if section == METERS else section.removesuffix("s")


def _words(values: dict[str, object]) -> str:
    """An entry as a person reads it."""
    told = []
    for name, value in values.items():
        match name, value:
            case (("switch_margin" | "switch_margin_fast"), float() | int()):
                fast = " (fast meters)" if name.endswith("fast") else ""
                told.append(f"speed changed {1000 * value:.0f} ms after the acknowledgement{fast}")
            case "serial", _:
                told.append(f"serial number {value}")
            case "rest", int() if value:
                told.append(f"300 Bd for {value} more sessions")
            case "c1218_baud", int() if values.get("c1218_rest"):
                told.append(f"ANSI C12.18 at {value} Bd at most for {values['c1218_rest']} more sessions")
            case "information", int():
                told.append(f"HDLC frames of {value} octets")
            case _, [int() as good, int() as bad] if name.isdecimal():
                told.append(f"{name} Bd: {good} good sessions" + (f", the last {bad} bad" if bad else ""))
    return "; ".join(told)
