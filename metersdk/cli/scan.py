"""scan: find and prove every frame of a capture."""

from __future__ import annotations

import mmap
import sys
from collections import Counter
from pathlib import Path

from metersdk.cli.output import Output, grid, pairs
from metersdk.cli.secrets import read_private
from metersdk.errors import LocalProtocolError
from metersdk.frame.table import Capture, FrameRecord, FrameTable
from metersdk.frame.table import scan as scan_frames

FINDING = 1
_ON_SCREEN = 50
_RECORDING = b'{"metersdk_trace"'


def scan(out: Output, file: str, kind: str, is_hex: bool, everything: bool) -> int:
    capture = _capture(file, is_hex)
    if capture[: len(_RECORDING)] == _RECORDING:
        raise LocalProtocolError(
            f"{file} is a recorded session, which is text", hint=f"metersdk trace {file} shows and checks its frames"
        )
    table = scan_frames(capture, kind)
    if out.mode == "jsonl":
        for frame in table:
            out.record("frame", **_row(frame))
        out.record("end", frames=len(table), good=table.good, octets=len(capture))
    elif out.mode == "json":
        out.document(
            file=file,
            kind=kind,
            octets=len(capture),
            frames=len(table),
            good=table.good,
            reasons=_reasons(table),
            rows=[_row(frame) for frame in table],
        )
    else:
        _show(out, table, kind, len(capture), everything)
    return 0 if len(table) and table.good == len(table) else FINDING


def _capture(file: str, is_hex: bool) -> Capture:
    if file == "-":
        octets = sys.stdin.buffer.read()
    elif is_hex or not Path(file).is_file() or not Path(file).stat().st_size:
        octets = read_private(file)
    else:
        with open(file, "rb") as opened:
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    if not is_hex:
        return octets
    try:
        return bytes.fromhex(octets.decode("ascii"))
    except ValueError:
        raise LocalProtocolError(f"{file} is not hexadecimal text", layer="frame") from None


def _row(frame: FrameRecord) -> dict[str, object]:
    return {"offset": frame.offset, "length": frame.length, "ok": frame.ok, "reason": frame.reason.name.lower()}


def _reasons(table: FrameTable) -> dict[str, int]:
    return dict(Counter(frame.reason.name.lower() for frame in table))


def _show(out: Output, table: FrameTable, kind: str, octets: int, everything: bool) -> None:
    bad = len(table) - table.good
    out.show(
        pairs((("Octets", f"{octets}"), ("Frames", f"{len(table)}"), ("Good", f"{table.good}"), ("Bad", f"{bad}")))
    )
    listed = [frame for frame in table if everything or not frame.ok]
    if not len(table):
        out.warn(f"no frame of {kind}: is it hexadecimal text (--hex), a record of something else (metersdk trace)?")
    if not listed:
        return
    shown = listed if everything else listed[:_ON_SCREEN]
    rows = [
        [str(frame.offset), str(frame.length), "good" if frame.ok else frame.reason.name.lower()] for frame in shown
    ]
    out.show(grid(out.data, ("Offset", "Length", "Verdict"), rows, right=(0, 1)))
    if len(shown) < len(listed):
        out.say(f"{len(listed) - len(shown)} more damaged frames; --all lists every frame", "yellow")
