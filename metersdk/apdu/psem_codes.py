"""Codes of PSEM: services, responses, speeds, and the numbers of tables (ANSI C12.18, C12.21, C12.22)."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

# Request codes are not below, response codes are.
FIRST_REQUEST = 0x20


class Service(IntEnum):
    """Request codes; those that count their indices or speeds stand here with the first of their codes.

    ``service_of(code)`` finds the service of any code.
    """

    IDENTIFY = 0x20
    TERMINATE = 0x21
    DISCONNECT = 0x22
    DEREGISTER = 0x24
    RESOLVE = 0x25
    TRACE = 0x26
    REGISTER = 0x27
    READ = 0x30
    READ_INDEX = 0x31
    READ_DEFAULT = 0x3E
    READ_OFFSET = 0x3F
    WRITE = 0x40
    WRITE_INDEX = 0x41
    WRITE_DEFAULT = 0x4E
    WRITE_OFFSET = 0x4F
    LOGON = 0x50
    SECURITY = 0x51
    LOGOFF = 0x52
    AUTHENTICATE = 0x53
    NEGOTIATE = 0x60
    WAIT = 0x70
    TIMING_SETUP = 0x71

    @property
    def describe(self) -> str:
        """Name and code: ``"read-offset (3F)"``."""
        return f"{self.name.lower().replace('_', '-')} ({int(self):02X})"


# Indices of a partial read or write, speeds of a Negotiate, at most: what the codes leave room for.
MAX_INDICES, MAX_BAUDS = 9, 11
_COUNTED = {
    **dict.fromkeys(range(0x32, 0x31 + MAX_INDICES), Service.READ_INDEX),
    **dict.fromkeys(range(0x42, 0x41 + MAX_INDICES), Service.WRITE_INDEX),
    **dict.fromkeys(range(0x61, 0x60 + MAX_BAUDS + 1), Service.NEGOTIATE),
}


def service_of(code: int) -> Service | None:
    """The service a request code belongs to; None for a code that is not assigned."""
    if code in _COUNTED:
        return _COUNTED[code]
    try:
        return Service(code)
    except ValueError:
        return None


class Response(IntEnum):
    """Response codes; an unassigned value keeps its number. From ``SME`` on they are those of C12.22."""

    OK = 0x00
    ERR = 0x01
    SNS = 0x02
    ISC = 0x03
    ONP = 0x04
    IAR = 0x05
    BSY = 0x06
    DNR = 0x07
    DLK = 0x08
    RNO = 0x09
    ISSS = 0x0A
    SME = 0x0B
    UAT = 0x0C
    NETT = 0x0D
    NETR = 0x0E
    RQTL = 0x0F
    RSTL = 0x10
    SGNP = 0x11
    SGERR = 0x12

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNASSIGNED_{value:02X}"
        member._value_ = value
        return member

    @property
    def describe(self) -> str:
        """What the code means, with its abbreviation: ``"inappropriate action requested (iar)"``."""
        text = _MEANING.get(int(self))
        return f"{text} ({self.name.lower()})" if text else f"response code {int(self):02X}"

    @property
    def hint(self) -> str:
        """The next thing to try."""
        return _HINTS.get(int(self), "")

    @property
    def retryable(self) -> bool:
        """Busy and data not ready pass by themselves; nothing else does."""
        return self in (Response.BSY, Response.DNR)


_MEANING = {
    0x00: "acknowledged",
    0x01: "error",
    0x02: "service not supported",
    0x03: "insufficient security clearance",
    0x04: "operation not possible",
    0x05: "inappropriate action requested",
    0x06: "device busy",
    0x07: "data not ready",
    0x08: "data locked",
    0x09: "renegotiate request",
    0x0A: "invalid service sequence state",
    0x0B: "security mechanism error",
    0x0C: "unknown application title",
    0x0D: "network time-out",
    0x0E: "network not reachable",
    0x0F: "request too large",
    0x10: "response too large",
    0x11: "segmentation not possible",
    0x12: "segmentation error",
}
_HINTS = {
    0x01: "the meter gives no reason: check password, table number and the octets written",
    0x02: "the meter does not know this service: do without it, or read the whole table",
    0x03: "give a password (password=, --password-from), or one of a higher level: table 44 says what wants which",
    0x04: "the table may not exist, or be larger than one answer: see table 0, read it by offset",
    0x05: "this part of the table cannot be reached so: see DATA_ACCESS of table 0, read it whole or by offset",
    0x06: "try again in some seconds",
    0x07: "try again in some seconds; a procedure may still be at work",
    0x08: "the data are locked by the meter: try again later",
    0x09: "sign on again",
    0x0A: "the meter is in another state than was thought: sign on again",
    0x0B: "give keys (keys=, --key-file); check key, key number and security mode",
    0x0C: "check the called ApTitle",
    0x0D: "the node did not answer the relay in time: try again",
    0x0E: "the relay knows no way to this node: check the called ApTitle",
    0x0F: "write in smaller parts",
    0x10: "read in smaller parts",
    0x11: "read in smaller parts",
    0x12: "try again",
}

# Baud code -> speed. 0 means externally defined; from 0B on the codes are those of one maker.
BAUD_CODES = {
    0x01: 300,
    0x02: 600,
    0x03: 1200,
    0x04: 2400,
    0x05: 4800,
    0x06: 9600,
    0x07: 14400,
    0x08: 19200,
    0x09: 28800,
    0x0A: 57600,
    0x0B: 38400,
    0x0C: 115200,
    0x0D: 128000,
    0x0E: 256000,
}
CODES_OF_BAUDS = {baud: code for code, baud in BAUD_CODES.items()}
STANDARD_BAUD_CODES = frozenset(range(0x01, 0x0B))

# Added to the number of a standard table.
MANUFACTURER, PENDING = 2048, 4096
LAST_TABLE = 0xFFFF
_NUMBER = 0x7FF

STANDARDS = {0: "ANSI C12.18", 2: "ANSI C12.21", 3: "ANSI C12.22"}


def table_name(table: int) -> str:
    """``"ST 23"``, ``"MT 5"`` for 2053, ``"pending ST 3"`` for 4099."""
    kind = "MT" if table & MANUFACTURER else "ST"
    pending = "pending " if table & PENDING else ""
    user = "user-defined " if table >> 13 else ""
    return f"{user}{pending}{kind} {table & _NUMBER}"
