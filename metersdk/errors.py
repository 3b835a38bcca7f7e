"""Everything metersdk raises, and the findings it reports without raising.

::

    MeterError
    ├── LocalProtocolError         you called it wrong; nothing was sent            exit 2
    ├── PortError                  the port could not be opened or used             exit 3
    │   ├── PortNotFound           no such device, host or file
    │   ├── PortDenied             no permission
    │   ├── PortBusy               somebody else has it open                        exit 9
    │   └── PortClosed             unplugged, or the peer closed the connection     exit 4
    ├── NoAnswer                   silence, or too slow, until the time was up      exit 4
    ├── RemoteProtocolError        the meter sent what its protocol does not allow  exit 5
    │   ├── FrameError             bytes <-> frame
    │   │   └── ChecksumError      BCC, HCS, FCS or CRC wrong after all retries
    │   ├── LinkError              HDLC: DM, FRMR, numbers out of step
    │   ├── DecodeError            frame payload <-> values
    │   └── LimitExceeded          an answer without end, or larger than the bound
    ├── SecurityError              tag wrong, counter replayed, plaintext answer    exit 6
    ├── AssociationRefused         AARE rejected, or pass 3/4 failed                exit 6
    │   └── AuthenticationFailed   the password or the key is wrong
    ├── ServiceError               the meter understood, and refused                exit 7
    │   ├── DataAccessError        a data-access-result other than success
    │   ├── ActionError            an action-result other than success
    │   ├── ExceptionResponse      D8: service not allowed, not supported, ...
    │   ├── ConfirmedServiceError  0E
    │   ├── MeterReportedError     IEC 62056-21: (ERROR), (ERnn), NAK, SOH B0
    │   └── PsemError              ANSI C12: any response code but ok
    └── PartialResult              something came home, not everything              exit 8

``Cancel`` is no error: the drivers throw it into a dialog once, so that it can say good-bye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

# Bytes kept on an error for the report: enough to see a frame head and the place, never a whole dump.
KEPT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """Something tolerated, and worth knowing: where, what, and what to do.

    ``code`` is stable and machine-readable (``"rlre-length"``, ``"parity"``); ``offset`` counts octets in the data of
    ``layer`` (``"line" "frame" "link" "apdu" "association" "data"``), -1 where no place can be named.
    """

    code: str
    text: str
    layer: str
    offset: int = -1
    hint: str = ""


class MeterError(Exception):
    """Base of all errors of metersdk.

    Args:
        message: what happened, in one sentence.
        layer: the room that saw it: ``port line frame link apdu association data``.
        offset: octet in ``data`` where it was seen, -1 if none.
        data: the octets concerned; at most ``KEPT_BYTES`` around ``offset`` are kept, from ``data_start`` on.
        state: state of the machine that saw it.
        retryable: True if the same call may succeed when repeated.
        hint: the next thing a technician should try.

    ``findings`` are the causes that the line's own record gives, the likeliest first (``metersdk.dialog.causes``);
    empty where the error is not of the line's making, or the line was not watched.
    """

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        layer: str = "",
        offset: int = -1,
        data: bytes = b"",
        state: str = "",
        retryable: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.layer = layer
        self.offset = offset
        start = max(0, min(offset - KEPT_BYTES // 2, len(data) - KEPT_BYTES)) if offset >= 0 else 0
        self.data = bytes(data[start : start + KEPT_BYTES])
        self.data_start = start
        self.state = state
        self.retryable = retryable
        self.hint = hint or self.default_hint
        self.findings: tuple[Finding, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        # What is given by keyword is not among `args`: an error comes home whole from another process, too.
        return _again, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        where = "".join(
            (
                f" [{self.layer}" if self.layer else "",
                f", octet {self.offset}" if self.layer and self.offset >= 0 else "",
                f", state {self.state}" if self.layer and self.state else "",
                "]" if self.layer else "",
            )
        )
        return self.message + where


def _again(kind: type[MeterError], args: tuple[object, ...], state: dict[str, object]) -> MeterError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class LocalProtocolError(MeterError):
    """You called it wrong; nothing was sent."""

    exit_code = 2


class PortError(MeterError):
    """The port could not be opened or used."""

    exit_code = 3


class PortNotFound(PortError):
    """No such device, host or file."""

    default_hint = "check the name; an unplugged probe has no device node (`metersdk ports` lists those there are)"


class PortDenied(PortError):
    """The device exists, and this user may not open it."""

    default_hint = "join the group that owns the device (often dialout) and log in again"


class PortBusy(PortError):
    """Another program holds the port."""

    exit_code = 9
    default_hint = "close the other program; ModemManager also opens new serial ports for some seconds"


class PortClosed(PortError):
    """The probe was unplugged, or the peer closed the connection."""

    exit_code = 4
    default_hint = "check the cable; a meter that allows one session only closes a second one"


class NoAnswer(MeterError):
    """The peer was silent, or too slow, until the time was up."""

    exit_code = 4
    default_hint = "check the position of the probe, the address, and that the meter is awake"


class RemoteProtocolError(MeterError):
    """The meter sent what its protocol does not allow."""

    exit_code = 5


class FrameError(RemoteProtocolError):
    """The octets do not form a frame."""


class ChecksumError(FrameError):
    """BCC, HCS, FCS or CRC is wrong, after all retries."""

    default_hint = "align the probe, shade it from sunlight and lamps, and try a lower speed"


class LinkError(RemoteProtocolError):
    """The data link was refused or lost: DM, FRMR, numbers out of step."""


class DecodeError(RemoteProtocolError):
    """The payload of a good frame cannot be decoded."""


class LimitExceeded(RemoteProtocolError):
    """An answer without end, or larger than the bound for it."""


class SecurityError(MeterError):
    """A tag is wrong, a counter was replayed, or an answer came unprotected."""

    exit_code = 6
    default_hint = "check encryption key, authentication key and system title"


class AssociationRefused(MeterError):
    """The meter refused the association."""

    exit_code = 6
    default_hint = "check client address, server address and security settings"


class AuthenticationFailed(AssociationRefused):
    """The password or the key is wrong. Never retried: meters lock after a few tries."""

    default_hint = "check the password or key; do not retry blindly, many meters lock"


class ServiceError(MeterError):
    """The meter understood the request, and refused it."""

    exit_code = 7


class DataAccessError(ServiceError):
    """A data-access-result other than success; ``result`` is its number."""

    def __init__(self, message: str, *, result: int, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.result = result


class ActionError(ServiceError):
    """An action-result other than success; ``result`` is its number."""

    def __init__(self, message: str, *, result: int, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.result = result


class ExceptionResponse(ServiceError):
    """The server answered D8; ``state_error`` and ``service_error`` are its octets, ``invocation_counter`` its hint."""

    def __init__(
        self,
        message: str,
        *,
        state_error: int,
        service_error: int,
        invocation_counter: int | None = None,
        **more: object,
    ) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.state_error = state_error
        self.service_error = service_error
        self.invocation_counter = invocation_counter


class ConfirmedServiceError(ServiceError):
    """The server answered 0E; ``service``, ``error`` and ``value`` are its three octets."""

    def __init__(self, message: str, *, service: int, error: int, value: int, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.service = service
        self.error = error
        self.value = value


class MeterReportedError(ServiceError):
    """IEC 62056-21: an error message, NAK, or SOH B0 where data was asked for; ``code`` is the text it gave."""

    def __init__(self, message: str, *, code: str = "", **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.code = code

    @property
    def number(self) -> int | None:
        """The number at the end of ``code``: 14 of ``ERR14``; None where there is none."""
        digits = self.code[len(self.code.rstrip("0123456789")) :]
        return int(digits) if self.code.startswith("ER") and 0 < len(digits) < 10 else None


class PsemError(ServiceError):
    """ANSI C12.18, C12.21, C12.22: a response code other than ok; ``response`` is its number."""

    def __init__(self, message: str, *, response: int, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.response = response


class PartialResult(MeterError):
    """Something came home, not everything; ``result`` is what did."""

    exit_code = 8

    def __init__(self, message: str, *, result: object = None, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]
        self.result = result


class Cancel(BaseException):
    """Thrown into a dialog once when its caller gives up: say good-bye under a short deadline, then return."""
