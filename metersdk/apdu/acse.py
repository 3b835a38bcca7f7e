"""ACSE: AARQ, AARE, RLRQ, RLRE, and the xDLMS Initiate units they carry (Green Book 9.3.2, 9.4.2, 11).

Every unit is a frozen dataclass with ``encode()``; ``decode_aarq`` and its sisters read one from octets. What an AARQ
or an InitiateRequest holds may be a password or a key: errors about those two carry no octets.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Authentication(IntEnum):
    """Authentication mechanism, the last arc of 2.16.756.5.8.2."""

    NONE = 0
    LOW = 1
    HIGH = 2
    HIGH_MD5 = 3
    HIGH_SHA1 = 4
    HIGH_GMAC = 5
    HIGH_SHA256 = 6
    HIGH_ECDSA = 7

    @property
    def is_high(self) -> bool:
        """True where passes 3 and 4 follow the AARE."""
        return self >= Authentication.HIGH


class ApplicationContext(IntEnum):
    """Application context, the last arc of 2.16.756.5.8.1."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4

    @property
    def is_ciphered(self) -> bool:
        """True where xDLMS APDUs are protected."""
        return self >= ApplicationContext.LN_CIPHERED


class Conformance(IntFlag):
    """The conformance block: 24 bits, bit 0 of the standard first (0x800000). Green Book 9.4.6.1."""

    NONE = 0
    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE0_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE0_GET = 1 << 13
    BLOCK_TRANSFER_GET = 1 << 12
    BLOCK_TRANSFER_SET = 1 << 11
    BLOCK_TRANSFER_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


# What the client can serve, and nothing else: a meter may answer in any form it was offered.
CLIENT_CONFORMANCE = (
    Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_SET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)
