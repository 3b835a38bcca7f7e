"""Result codes of the xDLMS services, their names, and what a technician can do about them (IEC 62056-5-3)."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class _Result(IntEnum):
    """An enumerated octet; unassigned values keep their number: ``DataAccessResult(77)`` is a value, not an error."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNASSIGNED_{value}"
        member._value_ = value
        return member

    @property
    def describe(self) -> str:
        """The name as the Green Book spells it, with the number: ``"object-undefined (4)"``."""
        return f"{self.name.lower().replace('_', '-')} ({int(self)})"


class DataAccessResult(_Result):
    """Data-Access-Result of GET, SET, READ, WRITE and ACCESS."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250

    @property
    def hint(self) -> str:
        """The next thing to try."""
        return _HINTS.get(int(self), "")


class ActionResult(_Result):
    """Action-Result of ACTION."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250

    @property
    def hint(self) -> str:
        """The next thing to try."""
        return _HINTS.get(int(self), "") if self < 14 else ""


_HINTS = {
    1: "the meter reports a fault of its hardware; read its error register",
    2: "the meter is busy; try again in some seconds",
    3: "this client has no right to it: use an association with more rights (another client address, LLS or HLS)",
    4: "the meter has no such object; look it up in the object list of this association",
    9: "the OBIS code exists with another class; look it up in the object list",
    11: "the object exists and cannot be used now, or not by this client",
    12: "the value has another type than the attribute; read it first and write the same type back",
    13: "outside the access rights or the selective access this client may use",
    14: "the meter lost its place in a long transfer; repeat the whole request",
    15: "the meter gave up a long transfer; repeat it, with a smaller range",
    16: "the meter sees no long transfer to continue; repeat the whole request",
    17: "the meter gave up a long transfer; repeat it",
    18: "the meter sees no long transfer to continue; repeat the whole request",
    19: "the block numbers are out of step; repeat the whole request",
}

STATE_ERRORS = {1: "service-not-allowed", 2: "service-unknown"}
SERVICE_ERRORS = {
    1: "operation-not-possible",
    2: "service-not-supported",
    3: "other-reason",
    4: "pdu-too-long",
    5: "deciphering-error",
    6: "invocation-counter-error",
}
SERVICE_ERROR_HINTS = {
    1: "the association does not allow this now: associate first, or with more rights",
    2: "the meter does not know this service in this association; propose fewer conformance bits",
    4: "the request is longer than the meter takes: read fewer things at once",
    5: "check encryption key, authentication key, system title and security mode",
    6: "go on with an invocation counter above the one the meter names",
}

CONFIRMED_SERVICES = {1: "initiate", 5: "read", 6: "write"}
CONFIRMED_ERRORS = {
    0: "application-reference",
    1: "hardware-resource",
    2: "vde-state-error",
    3: "service",
    4: "definition",
    5: "access",
    6: "initiate",
    7: "load-data-set",
    8: "change-scope",
    9: "task",
    10: "other",
}
INITIATE_ERRORS = {
    0: "other",
    1: "dlms-version-too-low",
    2: "incompatible-conformance",
    3: "pdu-size-too-short",
    4: "refused-by-the-vde-handler",
}


def describe_exception(state: int, service: int, invocation_counter: int | None = None) -> str:
    """One line for an ExceptionResponse."""
    text = f"{STATE_ERRORS.get(state, f'state {state}')}, {SERVICE_ERRORS.get(service, f'service {service}')}"
    return text if invocation_counter is None else f"{text}, invocation counter {invocation_counter}"


def describe_confirmed(service: int, error: int, value: int) -> str:
    """One line for a ConfirmedServiceError."""
    detail = INITIATE_ERRORS.get(value, str(value)) if error == 6 else str(value)
    name = CONFIRMED_SERVICES.get(service, f"service {service}")
    return f"{name}: {CONFIRMED_ERRORS.get(error, f'error {error}')}, {detail}"
