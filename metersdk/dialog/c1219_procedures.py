"""Procedures of ANSI C12.19: asked for through table 7, answered in table 8; and which of them may be asked for.

Nothing that changes the meter is carried out unless the caller says so, and what loses data, restarts the meter or
changes its mode must be named: a number is mistyped easily. The names and numbers are those of the standard; those from
12 on are from memory, to be checked against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from metersdk.apdu.psem import Response
from metersdk.dialog.c1219_connection import C1219Connection
from metersdk.dialog.psem import Psem
from metersdk.effects import Dialog, Emit, Hide, Now, Sleep
from metersdk.errors import ActionError, DecodeError, LocalProtocolError, NoAnswer, PsemError
from metersdk.model.c1219.formats import Order

INITIATE, RESPONSE = 7, 8
# Seconds until a procedure is done, and from one look at table 8 to the next.
_PATIENCE: Final = 20.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
_NUMBER, _MANUFACTURER = 0x7FF, 0x800
_LAST: Final = 2039
_HEAD: Final = 4
# Log in carries a password.
_LOG_IN: Final = 18


class Rule(Enum):
    """What a procedure asks of its caller."""

    FREE = "changes nothing that matters"
    WRITE = "write=True"
    NAMED = "write=True, and its name"


class Result(IntEnum):
    """RESULT_CODE of table 8."""

    COMPLETED = 0
    ACCEPTED = 1
    INVALID_PARAMETER = 2
    CONFLICT = 3
    TIMING = 4
    NOT_AUTHORISED = 5
    UNRECOGNISED = 6


_MEANING = {
    Result.INVALID_PARAMETER: "a parameter is invalid",
    Result.CONFLICT: "it conflicts with the set-up of the meter",
    Result.TIMING: "it cannot be carried out at this moment",
    Result.NOT_AUTHORISED: "this user may not have it carried out",
    Result.UNRECOGNISED: "the meter does not know it",
}


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure."""

    number: int
    name: str
    rule: Rule
    manufacturer: bool = False

    def __str__(self) -> str:
        kind = "manufacturer procedure" if self.manufacturer else "procedure"
        return f"{kind} {self.number}" + (f" ({self.name})" if self.name else "")


_F, _W, _N = Rule.FREE, Rule.WRITE, Rule.NAMED
STANDARD: Final = tuple(
    Procedure(number, name, rule)
    for number, name, rule in (
        (0, "cold-start", _N),
        (1, "warm-start", _N),
        (2, "save-configuration", _N),
        (3, "clear-data", _N),
        (4, "reset-list-pointers", _N),
        (5, "update-last-read", _W),
        (6, "change-mode", _N),
        (7, "clear-standard-status", _N),
        (8, "clear-manufacturer-status", _N),
        (9, "remote-reset", _W),
        (10, "set-date-time", _W),
        (11, "execute-diagnostics", _F),
        (12, "activate-all-pending", _N),
        (13, "activate-pending", _N),
        (14, "clear-all-pending", _N),
        (15, "clear-pending", _N),
        (16, "start-load-profile", _N),
        (17, "stop-load-profile", _N),
        (_LOG_IN, "log-in", _W),
        (19, "log-out", _F),
    )
)
_BY_NUMBER = {procedure.number: procedure for procedure in STANDARD}
_BY_NAME = {procedure.name: procedure for procedure in STANDARD}
SET_DATE_TIME: Final = _BY_NUMBER[10]


def allowed(wanted: int | str, *, manufacturer: bool, write: bool) -> Procedure:
    """The procedure that is meant, if it may be carried out.

    Raises:
        LocalProtocolError: it is not known, or the caller has not said what it takes; nothing was sent.
    """
    found = _found(wanted, manufacturer)
    if found.rule is not Rule.FREE and not write:
        raise LocalProtocolError(f"{found} changes the meter", hint="say write=True (--write)")
    if found.rule is Rule.NAMED and not isinstance(wanted, str):
        raise LocalProtocolError(
            f"{found} loses data, restarts the meter or changes its mode: a number is not enough",
            hint=f"name it: procedure({found.name!r}, ..., write=True)",
        )
    return found


def _found(wanted: int | str, manufacturer: bool) -> Procedure:
    if isinstance(wanted, str):
        if wanted not in _BY_NAME or manufacturer:
            raise LocalProtocolError(f"{wanted!r:.40} is no procedure", hint=f"known: {', '.join(_BY_NAME)}")
        return _BY_NAME[wanted]
    if not 0 <= wanted <= _LAST:
        raise LocalProtocolError(f"procedure {wanted}: 0 to {_LAST}")
    if manufacturer:
        return Procedure(wanted, "", Rule.WRITE, manufacturer=True)
    return _BY_NUMBER.get(wanted, Procedure(wanted, "", Rule.WRITE))


class ProcedureDesk:
    """Carries procedures out, one after the other."""

    def __init__(self, connection: C1219Connection) -> None:
        self._connection = connection
        self._sequence: int | None = None

    def carry_out(self, procedure: Procedure, parameters: bytes, order: Order) -> Dialog[bytes]:
        """Write table 7 once, and wait for the answer in table 8 -> its data.

        Raises:
            PsemError: the meter refuses the tables.
            ActionError: it refuses the procedure; ``result`` is its result code.
            NoAnswer: it is not done in time. It may be, later.
        """
        if procedure.number == _LOG_IN and parameters and not procedure.manufacturer:
            yield Emit(Hide(parameters))
        sequence = (yield from self._last_sequence(order)) + 1 & 0xFF
        self._sequence = sequence
        head = (procedure.number | procedure.manufacturer * _MANUFACTURER).to_bytes(2, order) + bytes((sequence,))
        yield from self._connection.ask_once(lambda psem: psem.write(INITIATE, head + parameters, allow=True))
        now: float = yield Now()
        deadline, pause = now + _PATIENCE, _FIRST_PAUSE
        said = "the meter tells nothing of it"
        while True:
            answer = yield from self._response()
            if answer is not None and _is_answer(answer, head, order):
                result = answer[_HEAD - 1]
                if result == Result.COMPLETED:
                    return answer[_HEAD:]
                if result != Result.ACCEPTED:
                    raise _refusal(procedure, result, answer)
                said = "the meter has accepted it, and is still at it"
            now = yield Now()
            if now + pause > deadline:
                raise NoAnswer(
                    f"{procedure} is not done after {_PATIENCE:g} s: {said}",
                    layer="data",
                    state="procedure",
                    hint=f"look at table {RESPONSE} later; do not ask for it again before",
                )
            yield Sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _last_sequence(self, order: Order) -> Dialog[int]:
        """The number of the last procedure: an old answer must not be taken for the new one."""
        if self._sequence is None:
            answer = yield from self._response()
            return answer[2] if answer is not None and len(answer) >= _HEAD else 0
        return self._sequence

    def _response(self) -> Dialog[bytes | None]:
        try:
            return (yield from self._connection.keep_asking(_table_8))
        except PsemError as error:
            # A meter without an answer yet says that its data are not ready, or that there is nothing.
            if error.response not in (Response.DNR, Response.BSY, Response.ONP, Response.IAR):
                raise
            return None


def _table_8(psem: Psem) -> Dialog[bytes]:
    return psem.read(RESPONSE)


def _is_answer(answer: bytes, head: bytes, order: Order) -> bool:
    """Whether table 8 speaks of this procedure: number, whose it is, and sequence; not the selector."""
    if len(answer) < _HEAD:
        raise DecodeError(
            f"table {RESPONSE} has {len(answer)} octets; an answer has {_HEAD} at least", layer="data", data=answer
        )
    mask = _NUMBER | _MANUFACTURER
    asked, answered = (int.from_bytes(each[:2], order) & mask for each in (head, answer))
    return asked == answered and answer[2] == head[2]


def _refusal(procedure: Procedure, result: int, answer: bytes) -> ActionError:
    known = {int(each): text for each, text in _MEANING.items()}
    return ActionError(
        f"{procedure}: {known.get(result, f'result code {result}')}",
        result=result,
        layer="data",
        state="procedure",
        data=answer,
        hint="log on with a password of a higher level" if result == Result.NOT_AUTHORISED else "",
    )
