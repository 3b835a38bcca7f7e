"""What one session teaches the next: the moment to change the speed, the speeds that hold, the length of frames.

``Adaptation.plan`` puts what is remembered into a plan, ``learn`` takes down what a session showed. What the caller
sets himself is never touched, and only the speed a meter offers, or 300 Bd, is ever acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Protocol

from metersdk.dialog.c1219_settings import BAUD as C1218_BAUD
from metersdk.dialog.c1219_settings import C1219Settings
from metersdk.dialog.causes import Cause
from metersdk.dialog.evidence import Evidence
from metersdk.dialog.facts import Answer, Facts, Kind
from metersdk.dialog.opening import Plan
from metersdk.dialog.psem import STANDARD_BAUDS
from metersdk.effects import State
from metersdk.errors import Finding
from metersdk.frame.buffer import FrameCounts
from metersdk.frame.iec62056_21 import (
    INITIAL_BAUD,
    Identification,
    find_identification,
    from_line,
    high_octets,
    line_format,
)
from metersdk.model.quirks import Quirks

PROBES, METERS = "probes", "meters"

# Seconds of a switch margin, by what it is learned to be, and its steps.
_LEAST, _MOST = 0.004, 0.18
_LATER, _MISSED = 0.04, 0.02
_EARLIER = 0.5
# Sessions in a row that suffered before a speed is left, and sessions at 300 Bd before it is tried again.
_BAD_IN_A_ROW = 2
_REST = 4
# Lengths of an HDLC information field, and windows to go with them.
_LENGTHS = (2030, 512, 128, 64, 32)
_WINDOWS = (7, 7, 4, 2, 1)
# The share of damaged frames that shortens them, the frames it takes to say so, and clean sessions that lengthen them.
_DAMAGED = 0.05
_FRAMES = 10
_CLEAN_SESSIONS = 3
# The serial number or device address of a data message: C.1.0, C.1, 0.0.0 or 0.0, in full or not.
_SERIAL = re.compile(rb"(?:^|[\x02\n])(?:\d-\d+:)?(?:C\.1|0\.0)(?:\.0)?(?:[*&]255)?\(([^()*\r\n]{1,32})\)")
# The first octet of a packet of C12.18; what a session without its speed tells; sessions before it is offered again.
_C1218 = b"\xee"
_NOT_CARRIED = "psem-defaults"
_C1218_REST = 20
# What a lower speed may mend.
_OF_THE_SPEED = frozenset(
    {
        Cause.MISALIGNED,
        Cause.PARITY,
        Cause.FLIPPED_PAIR,
        Cause.LOST_OCTETS,
        Cause.BAUD_SLOWER,
        Cause.BAUD_FASTER,
        Cause.BROKEN_OFF,
    }
)


class Store(Protocol):
    """Where entries are kept: by section and key. It never raises."""

    def get(self, section: str, key: str) -> dict[str, object]: ...
    def put(self, section: str, key: str, values: Mapping[str, object]) -> None: ...


class Adaptation:
    """What is remembered of one probe and the meters it meets.

    Args:
        store: where it is kept.
        probe: a name of the probe that stays.
        place: the name of the store, for who wants to forget.

    Attributes:
        told: what was changed for it, to be shown; a lower speed than the meter offers is a finding.
        best_baud: the highest speed that held with this meter, None before it said who it is.
    """

    def __init__(self, store: Store, probe: str, place: str = "") -> None:
        self._store = store
        self._probe = probe
        self._place = place
        self._address = ""
        self.told: list[State | Finding] = []
        self.best_baud: int | None = None
        self._length_is_set = False

    def plan(self, plan: Plan) -> Plan:
        """``plan`` with what is remembered; explicit settings win."""
        self._address = plan.sign_on.address
        self._length_is_set = plan.hdlc.max_info_rx != _LENGTHS[0]
        probe = self._store.get(PROBES, self._probe)
        timing = plan.sign_on.timing
        if plan.timing.switch_margin is None:
            normal, fast = _margin(probe, "switch_margin"), _margin(probe, "switch_margin_fast")
            if normal is not None:
                timing = replace(timing, switch_margin=(normal, timing.switch_margin[1]))
                self._tell(f"speed changed {1000 * normal:.0f} ms after the acknowledgement")
            if fast is not None:
                timing = replace(timing, switch_margin_fast=(fast, timing.switch_margin_fast[1]))
        families = self._families(plan.sign_on.families, plan.quirks)
        return replace(
            plan, sign_on=replace(plan.sign_on, timing=timing, families=families), c1219=self._ansi(plan.c1219, probe)
        )

    def _ansi(self, settings: C1219Settings, probe: Mapping[str, object]) -> C1219Settings:
        """What is offered to an ANSI meter: no speed that this probe did not carry, for some sessions."""
        highest, rest = probe.get("c1218_baud"), _whole(probe, "c1218_rest")
        if settings.max_baud is not None or not rest:
            return settings
        if not isinstance(highest, int) or highest not in STANDARD_BAUDS:
            return settings
        self._tell(f"ANSI C12.18 at {highest} Bd at most, for {rest} more sessions")
        return replace(settings, max_baud=highest)

    def _families(
        self, known: Callable[[str], Quirks | None] | None, given: Quirks
    ) -> Callable[[str], Quirks | None] | None:
        def family(identification: str) -> Quirks | None:
            found = known(identification) if known is not None else None
            changes = self._changes(identification)
            return found if not changes else replace(found or given, **changes)  # type: ignore[arg-type]

        return family

    def _changes(self, identification: str) -> dict[str, int]:
        meter = self._store.get(METERS, self._key(identification))
        self.best_baud = _best(meter)
        changes: dict[str, int] = {}
        rest = _whole(meter, "rest")
        if rest:
            changes["max_baud"] = INITIAL_BAUD
            self._say_so(rest)
        length = _whole(meter, "information")
        if length in _LENGTHS[1:] and not self._length_is_set:
            changes["hdlc_information"] = length
            changes["hdlc_window"] = _WINDOWS[_LENGTHS.index(length)]
            self._tell(f"HDLC frames of {length} octets")
        return changes

    def _key(self, identification: str) -> str:
        return _meter_key(identification, self._address, self._probe)

    def _tell(self, text: str) -> None:
        state = State("remembered", text)
        if state not in self.told:
            self.told.append(state)

    def _say_so(self, rest: int) -> None:
        text = f"at {INITIAL_BAUD} Bd for {rest} more sessions: earlier ones suffered at the speed this meter offers"
        forget = f"to forget it: metersdk line forget, or remove {self._place}; " if self._place else ""
        found = Finding("remembered-speed", text, "line", -1, f"{forget}memory=False (--no-memory) leaves it out once")
        if found not in self.told:
            self.told.append(found)

    def learn(
        self,
        evidence: Evidence,
        counts: FrameCounts,
        findings: tuple[Finding, ...],
        tolerated: Collection[str] = (),
    ) -> None:
        """Take down what a session showed; ``tolerated`` are the codes of what its protocols told."""
        self._learn_ansi(evidence, tolerated)
        facts = Facts(evidence)
        causes = {finding.code for finding in findings}
        said = _identification(facts)
        selects = [answer for answer in facts.of(Kind.SELECT) if answer.first_switch is not None]
        if selects:
            self._learn_margin(selects, causes, said, facts.evidence.error is None)
        if said is not None:
            self._learn_meter(said, selects, causes, facts, counts)

    def _learn_ansi(self, evidence: Evidence, tolerated: Collection[str]) -> None:
        """The highest speed that a head carries, where a session of C12.18 did not stand after Negotiate."""
        probe = self._store.get(PROBES, self._probe)
        rest = _whole(probe, "c1218_rest")
        speeds = [turn.baud for turn in evidence.turns if turn.sent[:1] == _C1218]
        if _NOT_CARRIED in tolerated and speeds and max(speeds) > C1218_BAUD:
            below = [baud for baud in STANDARD_BAUDS if C1218_BAUD <= baud < max(speeds)]
            probe["c1218_baud"], probe["c1218_rest"] = max(below), _C1218_REST
        elif rest and speeds:
            probe["c1218_rest"] = rest - 1
        else:
            return
        self._store.put(PROBES, self._probe, probe)

    def _learn_margin(
        self, selects: list[Answer], causes: set[str], said: Identification | None, succeeded: bool
    ) -> None:
        used, last = _used(selects[0]), _used(selects[-1])
        if Cause.SWITCH_LATE in causes:
            learned = used * _EARLIER
        elif Cause.SWITCH_EARLY in causes or Cause.FALL_BACK in causes:
            learned = used + (_LATER if Cause.SWITCH_EARLY in causes else _MISSED)
            if len(selects) > 1 and succeeded and last > used:
                # The second try, which switches later, has succeeded.
                learned = last
        else:
            return
        key = "switch_margin_fast" if said is not None and said.is_fast else "switch_margin"
        probe = self._store.get(PROBES, self._probe)
        probe[key] = round(min(_MOST, max(_LEAST, learned)), 4)
        self._store.put(PROBES, self._probe, probe)

    def _learn_meter(
        self, said: Identification, selects: list[Answer], causes: set[str], facts: Facts, counts: FrameCounts
    ) -> None:
        key = self._key(said.raw.decode("latin-1"))
        meter = self._store.get(METERS, key)
        before = dict(meter)
        serial = _serial(facts)
        if serial is not None:
            if meter.get("serial", serial) != serial:
                # Another meter of the same model: what was learned of the first does not hold for it.
                meter = {}
            meter["serial"] = serial
        if selects:
            assert selects[0].first_switch is not None
            speed = selects[0].first_switch[1]
            good, bad = _speed(meter, speed)
            if causes & _OF_THE_SPEED:
                bad += 1
            elif not causes and facts.evidence.error is None:
                good, bad = good + 1, 0
            meter[str(speed)] = [min(good, 999), bad]
            if bad >= _BAD_IN_A_ROW:
                meter["rest"] = _REST
                meter[str(speed)] = [good, 0]
        elif _whole(meter, "rest"):
            meter["rest"] = _whole(meter, "rest") - 1
        _learn_length(meter, counts)
        self.best_baud = _best(meter)
        if meter != before:
            self._store.put(METERS, key, meter)


def entries_of(
    sections: Mapping[str, Mapping[str, object]], probe: str, address: str = ""
) -> tuple[tuple[str, str], ...]:
    """What is kept of a probe, and of the meters it met: section and key of each. With an ``address``: of the meters
    that were asked by it."""
    ending = _meter_key("", address, probe)
    meters = (key for key in sections.get(METERS, ()) if key.endswith(ending))
    return (*((PROBES, key) for key in sections.get(PROBES, ()) if key == probe), *((METERS, key) for key in meters))


def _meter_key(identification: str, address: str, probe: str) -> str:
    """An identification names a model; the address that was asked for names the meter; else its probe does."""
    return f"{identification} {address or probe}"


def _used(select: Answer) -> float:
    """The margin of one change of speed."""
    assert select.first_switch is not None
    return max(_LEAST, select.first_switch[0] - select.turn.line_end)


def _learn_length(meter: dict[str, object], counts: FrameCounts) -> None:
    """Shorter frames where many are damaged, longer ones again after clean sessions."""
    frames = counts.good + counts.bad
    length = _whole(meter, "information")
    at = _LENGTHS.index(length) if length in _LENGTHS else 0
    if frames >= _FRAMES and counts.bad > _DAMAGED * frames:
        # A meter's own default is 128: what is longer is rarely what was agreed on.
        meter["information"] = _LENGTHS[min(max(at + 1, 2 if not at else 0), len(_LENGTHS) - 1)]
        meter["clean"] = 0
    elif at and frames and not counts.bad:
        clean = _whole(meter, "clean") + 1
        meter["clean"] = clean
        if clean >= _CLEAN_SESSIONS:
            meter["information"], meter["clean"] = _LENGTHS[at - 1], 0


def _identification(facts: Facts) -> Identification | None:
    """What the meter said of itself: undamaged as far as parity tells, and twice or in a session that succeeded."""
    said: list[Identification] = []
    for answer in facts.identified:
        text, odd = from_line(answer.octets)
        found = find_identification(text)
        if found is None:
            continue
        identification, start, end = found
        form = line_format(len(text), len(odd), high_octets(answer.octets))
        has_parity = facts.evidence.parity == "software" and form == "7E1"
        if has_parity and any(start <= at < end for at in odd):
            continue
        if facts.evidence.error is None or any(each.raw == identification.raw for each in said):
            return identification
        said.append(identification)
    return None


def _serial(facts: Facts) -> str | None:
    """The serial number that a proven data message told."""
    for block in facts.blocks:
        if block.proved and (found := _SERIAL.search(block.text)):
            return found[1].decode("latin-1").strip()
    return None


def _margin(values: Mapping[str, object], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) and _LEAST <= value <= _MOST else None


def _whole(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and 0 <= value <= 10_000 else 0


def _speed(values: Mapping[str, object], speed: int) -> tuple[int, int]:
    match values.get(str(speed)):
        case [int() as good, int() as bad] if good >= 0 and bad >= 0:
            return good, bad
    return 0, 0


def _best(values: Mapping[str, object]) -> int | None:
    """The highest speed that held the last time it was used."""
    speeds = {int(key): _speed(values, int(key)) for key in values if key.isdecimal() and len(key) < 8}
    return max((speed for speed, (good, bad) in speeds.items() if good and not bad), default=None)
