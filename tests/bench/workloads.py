"""The comparisons: what is done, against whom, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import data
from sides import (
    CRCMOD,
    DLMS_COSEM,
    FASTCRC,
    FIND_AND_FASTCRC,
    GURUX,
    OURS,
    PWITAB,
    PYDLMS,
    PYSML,
    TWIN,
    Meter,
    Pythons,
    Side,
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    noise: int = 1 << 20
    dump: int = 64 << 20
    slice: int = 1 << 20
    rows: int = 100_000
    apdus: int = 1000
    files: int = 200
    periods: int = 40
    days: int = 60
    read: int = 10_000
    rounds: int = 5
    span: float = 0.3
    """Seconds a side works in a round at least, where one time is shorter."""


FULL = Sizes()
QUICK = Sizes(dump=16 << 20, slice=1 << 18, rows=20_000, read=2_000, rounds=3, span=0.1)
SMOKE = Sizes(
    noise=1 << 12,
    dump=1 << 16,
    slice=1 << 15,
    rows=200,
    apdus=4,
    files=3,
    periods=8,
    days=2,
    read=50,
    rounds=1,
    span=0.0,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a workload: its task, how much work one time is, and what it must answer (only these keys)."""

    side: Side
    task: str
    parameters: dict[str, Any]
    work: float
    answer: Any
    target: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """``unit`` is what is done in a second: or, by ``measure``, octets of memory or seconds of CPU it takes."""

    name: str
    title: str
    unit: str
    ours: Entry
    peers: tuple[Entry, ...]
    measure: Literal["time", "memory"] = "time"


NAMES = (
    *("crc-128", "crc-1k", "crc-1m", "scan", "profile", "profile-null", "memory", "memory-null", "gcm"),
    *("load-profile", "read-wrapper", "read-hdlc", "sml", "readout", "readout-values"),
)


@dataclass
class Stage:
    """Makes the workloads; what they are given is made when first needed and kept for all."""

    folder: Path
    sizes: Sizes
    pythons: Pythons
    meters: list[Meter] = field(default_factory=list)

    def close(self) -> None:
        for meter in self.meters:
            meter.close()

    def workload(self, name: str) -> Workload:
        kind, _, variant = name.partition("-")
        if kind == "crc":
            return self._crc(name, {"128": 128, "1k": 1024, "1m": self.sizes.noise}[variant])
        if kind == "read":
            return self._read(name, variant)
        if kind in ("profile", "memory"):
            return self._profile(name, kind, bool(variant))
        if kind == "sml":
            return self._sml()
        if kind == "load":
            return self._load_profile()
        if kind == "readout":
            return self._readout(name, "taken" if variant else "readout")
        return self._scan() if kind == "scan" else self._gcm()

    @cached_property
    def _noise(self) -> data.Given:
        return data.noise(self.folder, self.sizes.noise)

    @cached_property
    def _profiles(self) -> tuple[data.Given, data.Given]:
        rows = self.sizes.rows
        return data.profile(self.folder, rows, compressed=False), data.profile(self.folder, rows, compressed=True)

    @cached_property
    def _ports(self) -> dict[str, int]:
        meter = Meter(self.pythons.python(PYDLMS), self.sizes.read, data.CAPTURES, self.folder / "meter.log")
        self.meters.append(meter)
        return meter.ports

    def _crc(self, name: str, size: int) -> Workload:
        given = {"path": str(self._noise.path), "size": size}
        answer = data.crc16(self._noise.path.read_bytes()[:size])
        target = 1.0 if name == "crc-1m" else None
        words = {128: "128 B", 1024: "1 KiB", 1 << 20: "1 MiB"}.get(size, f"{size} B")
        return Workload(
            name,
            f"CRC-16/X.25 of {words}",
            "B/s",
            Entry(OURS, "crc", given, size, answer),
            (Entry(FASTCRC, "crc", given, size, answer, target), Entry(CRCMOD, "crc", given, size, answer)),
        )

    def _scan(self) -> Workload:
        given = data.dump(self.folder, self.sizes.dump)
        octets, part = given.path.read_bytes(), self.sizes.slice
        all_of_it = data.found(given.answer, len(octets), octets)
        some = data.found(given.answer, part, octets)
        whole = {"path": str(given.path), "size": len(octets)}
        return Workload(
            "scan",
            f"HDLC scan, {len(octets) >> 20} MiB, {all_of_it['frames']} good frames",
            "frames/s",
            Entry(OURS, "scan", whole, all_of_it["frames"], all_of_it),
            (
                Entry(FIND_AND_FASTCRC, "scan", whole, all_of_it["frames"], all_of_it, 12),
                Entry(
                    GURUX,
                    "scan",
                    {**whole, "size": part},
                    some["frames"],
                    {"frames": some["frames"]},
                    3500,
                    f"on {part >> 10} KiB of it",
                ),
            ),
        )

    def _profile(self, name: str, kind: str, compressed: bool) -> Workload:
        given = self._profiles[compressed]
        parameters = {"path": str(given.path), "captures": data.CAPTURES, "period": data.PERIOD}
        rows, kept = self.sizes.rows, ("rows", "missing", "status", "registers")
        # Peers leave null-data as it is: no more is asked of them then than the number of rows.
        asked = {"rows": rows} if compressed else {key: given.answer[key] for key in kept}
        form = "null-compressed" if compressed else "plain"
        entries = [
            Entry(DLMS_COSEM, "profile", parameters, rows, asked),
            Entry(GURUX, "profile" if compressed else "profile_filled", parameters, rows, asked),
        ]
        targets = (6, 6) if kind == "memory" else (450, 450) if compressed else (600, 1000)
        notes = ("nulls not filled", "nulls not filled") if compressed else ("", "values filled")
        peers = tuple(
            Entry(entry.side, entry.task, parameters, rows, asked, target, note)
            for entry, target, note in zip(entries, targets, notes, strict=True)
        )
        ours = Entry(OURS, "profile", parameters, rows, given.answer)
        if kind == "memory":
            return Workload(name, f"memory for {rows} profile rows, {form}", "B", ours, peers, "memory")
        return Workload(name, f"profile of {rows} rows x 6, {form}", "rows/s", ours, peers)

    def _load_profile(self) -> Workload:
        given = data.blocks(self.folder, self.sizes.days)
        parameters = {"path": str(given.path), "layout": data.BLOCKS, "last": 40}
        rows = given.answer["rows"]
        return Workload(
            "load-profile",
            f"C12.19 load profile of {rows} intervals x 2",
            "rows/s",
            Entry(OURS, "blocks", parameters, rows, given.answer),
            (Entry(TWIN, "blocks", {**parameters, "twin": True}, rows, given.answer, 20),),
        )

    def _gcm(self) -> Workload:
        count = self.sizes.apdus
        given = data.apdus(self.folder, 128, count)
        parameters = {"path": str(given.path)}
        return Workload(
            "gcm",
            "AES-128-GCM, 128 B APDU deciphered",
            "APDU/s",
            Entry(OURS, "gcm", parameters, count, given.answer),
            (Entry(DLMS_COSEM, "gcm", parameters, count, given.answer, 3),),
        )

    def _sml(self) -> Workload:
        given = data.sml_files(self.folder, self.sizes.files)
        parameters = {"path": str(given.path)}
        octets = len(given.path.read_text()) // 2 // self.sizes.files
        return Workload(
            "sml",
            f"SML file of {octets} B to readings, both CRCs",
            "files/s",
            Entry(OURS, "sml", parameters, self.sizes.files, given.answer),
            (Entry(PYSML, "sml", parameters, self.sizes.files, given.answer, 6),),
        )

    def _readout(self, name: str, task: str) -> Workload:
        given = data.readout(self.folder, self.sizes.periods)
        parameters = {"path": str(given.path)}
        values, octets = given.answer["values"], given.path.stat().st_size
        taken = "" if task == "readout" else ", and address, text and unit of each value taken"
        return Workload(
            name,
            f"readout of {octets >> 10} KiB to data sets{taken}",
            "values/s",
            Entry(OURS, task, parameters, values, given.answer),
            (Entry(PWITAB, task, parameters, values, given.answer, None if taken else 10),),
        )

    def _read(self, name: str, framing: str) -> Workload:
        rows, answer = self.sizes.read, data.read_answer(self.sizes.read)
        parameters = {"port": self._ports[framing], "framing": framing, "obis": data.PROFILE}
        asked = {key: answer[key] for key in ("rows", "status", "registers")}
        over = "HDLC, 128 B a frame" if framing == "hdlc" else "wrapper"
        return Workload(
            name,
            f"client CPU, {rows} x 6 profile over TCP, {over}",
            "rows/CPU s",
            Entry(OURS, "read", parameters, rows, answer),
            (Entry(PYDLMS, "read", parameters, rows, asked, 6 if framing == "hdlc" else 3),),
        )
