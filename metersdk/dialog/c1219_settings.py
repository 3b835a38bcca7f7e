"""How a meter of ANSI C12 is logged on to, and what is offered to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from metersdk.apdu.keys import Secret
from metersdk.dialog.c1219_family import FamilyOf
from metersdk.dialog.psem import SignOn
from metersdk.errors import LocalProtocolError
from metersdk.model.quirks import Quirks

# Packets of 1024 octets cost one part in a hundred; longer ones little less, and more where they must be repeated.
PACKET_SIZE, PACKETS = 1024, 255
BAUD = 9600
USER_ID, USER = 1, "metersdk"
_USER_SIZE = 10
_LEAST_PACKET, _MOST_PACKET = 16, 8192


@dataclass(frozen=True, slots=True)
class C1219Settings:
    """One client of a meter.

    Attributes:
        user_id: what the meter writes down in its logs as who it was, 0 to 65535.
        user: the same as text, at most 10 characters of ASCII.
        password: for the service Security; None: what everybody may read.
        key: for the authentication of C12.21, 8 octets (DES) or 16 (AES); it comes before the password.
        key_id: the number under which the meter knows the key, 0 to 255.
        packet_size: octets of a packet at most, as offered in Negotiate.
        packets: packets in a row at most.
        baud: speed of the line before Negotiate.
        max_baud: no higher speed is offered; None: the highest that both can.
        families: knows the family of a meter by its table 1; None: the one that was named holds, or none.
    """

    user_id: int = USER_ID
    user: str = USER
    password: Secret | None = None
    key: Secret | None = None
    key_id: int = 0
    packet_size: int = PACKET_SIZE
    packets: int = PACKETS
    baud: int = BAUD
    max_baud: int | None = None
    families: FamilyOf | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.user_id <= 0xFFFF:
            raise LocalProtocolError(f"user_id={self.user_id}: 0 to 65535")
        if not 0 <= self.key_id <= 0xFF:
            raise LocalProtocolError(f"key_id={self.key_id}: 0 to 255")
        if not (self.user.isascii() and len(self.user) <= _USER_SIZE):
            raise LocalProtocolError(f"user={self.user!r:.40}: at most {_USER_SIZE} characters of ASCII")
        if not (_LEAST_PACKET <= self.packet_size <= _MOST_PACKET and 1 <= self.packets <= PACKETS):
            raise LocalProtocolError(
                f"{self.packets} packets of {self.packet_size} octets cannot be asked for",
                hint=f"packet_size {_LEAST_PACKET} to {_MOST_PACKET}, packets 1 to {PACKETS}",
            )

    def sign_on(self, quirks: Quirks) -> SignOn:
        """Who logs on, and how, to a meter of that family; its names serve where the caller has said none."""
        return SignOn(
            user_id=self.user_id if quirks.psem_user_id is None or self.user_id != USER_ID else quirks.psem_user_id,
            user=quirks.psem_user or self.user if self.user == USER else self.user,
            password=self.password,
            padding=quirks.psem_padding,
            key=self.key,
            key_id=self.key_id,
            packet_size=min(self.packet_size, quirks.psem_packet_size or self.packet_size),
            packets=self.packets,
            negotiate=quirks.psem_negotiate,
        )
