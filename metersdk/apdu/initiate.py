"""The xDLMS Initiate units and the conformance block (Green Book 9.4.2, 9.4.6.1): what client and server agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import TypeVar

from metersdk.apdu import ber
from metersdk.apdu.cipher import Secret
from metersdk.errors import DecodeError


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

    def to_octets(self) -> bytes:
        """``5F 1F 04 00`` and the 24 bits: APPLICATION 31, a BIT STRING without unused bits (encoded in BER)."""
        return _CONFORMANCE_HEAD + int(self).to_bytes(3, "big")


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

_CONFORMANCE_HEAD = bytes.fromhex("5F1F0400")
# Some meters of the first years write the tag in one octet.
_CONFORMANCE_OLD_HEAD = bytes.fromhex("5F0400")
DLMS_VERSION = 6
VAA_LN = 0x0007


R = TypeVar("R")


def quietly(read: Callable[[], R]) -> R:
    """What ``read`` gives; its errors lose their octets, which may be a password or a key."""
    try:
        return read()
    except DecodeError as error:
        message, offset = error.message, error.offset
    # Raised outside of the handler: the first error, octets and all, must not live on as __context__.
    raise DecodeError(message, layer="apdu", offset=offset)


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """What the client proposes; ``max_pdu`` is the largest APDU it takes, in octets, 0 = no limit."""

    conformance: Conformance = CLIENT_CONFORMANCE
    max_pdu: int = 65535
    dedicated_key: Secret | None = None
    response_allowed: bool = True
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def encode(self) -> bytes:
        """The plain unit, tag 01."""
        key = b"\x00" if self.dedicated_key is None else b"\x01" + ber.encode(0, bytes(self.dedicated_key))[1:]
        # response-allowed is BOOLEAN DEFAULT TRUE: 00 says "the default".
        allowed = b"\x00" if self.response_allowed else b"\x01\x00"
        head = b"\x01" + key + allowed + _encode_quality(self.quality_of_service) + bytes((self.version,))
        return head + self.conformance.to_octets() + self.max_pdu.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """What the server grants; ``max_pdu`` is the largest APDU the server takes, in octets, 0 = no limit."""

    conformance: Conformance
    max_pdu: int
    vaa: int = VAA_LN
    quality_of_service: int | None = None
    version: int = DLMS_VERSION

    def encode(self) -> bytes:
        """The plain unit, tag 08."""
        head = b"\x08" + _encode_quality(self.quality_of_service) + bytes((self.version,))
        return head + self.conformance.to_octets() + self.max_pdu.to_bytes(2, "big") + self.vaa.to_bytes(2, "big")


def _encode_quality(quality: int | None) -> bytes:
    return b"\x00" if quality is None else b"\x01" + (quality & 0xFF).to_bytes(1, "big")


class _Octets:
    """A cursor over a short A-XDR unit; reading past the end is a ``DecodeError``. ``quiet`` keeps octets out of it."""

    def __init__(self, raw: bytes, name: str, quiet: bool) -> None:
        self.raw, self.name, self.at = raw, name, 0
        self.shown = b"" if quiet else raw

    def take(self, size: int) -> bytes:
        if size > len(self.raw) - self.at:
            raise self.error("is cut off")
        self.at += size
        return self.raw[self.at - size : self.at]

    def octet(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def optional_quality(self) -> int | None:
        return int.from_bytes(self.take(1), "big", signed=True) if self.flag() else None

    def flag(self) -> bool:
        value = self.octet()
        if value > 1:
            self.at -= 1
            raise self.error(f"has {value:02X} where a presence flag (00 or 01) belongs")
        return value == 1

    def conformance(self) -> Conformance:
        for head in (_CONFORMANCE_HEAD, _CONFORMANCE_OLD_HEAD):
            if self.raw.startswith(head, self.at):
                self.at += len(head)
                return Conformance(int.from_bytes(self.take(3), "big"))
        raise self.error("has no conformance block (5F 1F 04 00)")

    def expect_tag(self, tag: int) -> None:
        if self.octet() != tag:
            self.at = 0
            raise self.error(f"does not begin with {tag:02X}")

    def expect_end(self) -> None:
        if self.at != len(self.raw):
            raise self.error(f"is followed by {len(self.raw) - self.at} octets")

    def error(self, what: str) -> DecodeError:
        return DecodeError(f"{self.name} {what}", layer="apdu", offset=self.at, data=self.shown)


def decode_initiate_request(raw: bytes) -> InitiateRequest:
    """A plain InitiateRequest. Its octets may hold a dedicated key and never go into an error."""
    octets = _Octets(raw, "InitiateRequest", quiet=True)
    octets.expect_tag(0x01)
    key = None
    if octets.flag():
        length, octets.at = quietly(lambda: ber.read_length(raw, octets.at, len(raw)))
        key = Secret(octets.take(length))
    # DEFAULT TRUE: the flag says whether a value follows.
    allowed = octets.octet() != 0 if octets.flag() else True
    quality = octets.optional_quality()
    version = octets.octet()
    request = InitiateRequest(octets.conformance(), octets.u16(), key, allowed, quality, version)
    octets.expect_end()
    return request


def decode_initiate_response(raw: bytes) -> InitiateResponse:
    """A plain InitiateResponse."""
    octets = _Octets(raw, "InitiateResponse", quiet=False)
    octets.expect_tag(0x08)
    quality = octets.optional_quality()
    version = octets.octet()
    conformance = octets.conformance()
    response = InitiateResponse(conformance, octets.u16(), octets.u16(), quality, version)
    octets.expect_end()
    return response
