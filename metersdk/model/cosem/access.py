"""Access control and management (Blue Book part 2, 4.4): association LN, SAP assignment, security setup."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from metersdk.apdu.axdr import Data, Tag
from metersdk.model.cosem.base import Attribute, CosemObject, DataField, Method
from metersdk.model.cosem.kinds import (
    ANY,
    BITS,
    INTEGER,
    LONG_UNSIGNED,
    OBIS,
    OCTETS,
    SEQUENCES,
    TEXT,
    UNSIGNED,
    Kind,
    array_of,
    bytes_of,
    choice,
    int_of,
    items_of,
    mismatch,
    structure_of,
)
from metersdk.model.fields import HexBytes, ObisField

# joint-iso-ccitt(2) country(16) country-name(756) identified-organisation(5) DLMS-UA(8)
_DLMS_UA = bytes((0x60, 0x85, 0x74, 0x05, 0x08))


class AssociationStatus(IntEnum):
    """Attribute 8 of the association."""

    NON_ASSOCIATED = 0
    ASSOCIATION_PENDING = 1
    ASSOCIATED = 2


class Partners(BaseModel):
    """The two ends of the association: client SAP and logical device address."""

    model_config = ConfigDict(frozen=True)

    client_sap: int
    server_sap: int


class XdlmsContext(BaseModel):
    """What was negotiated: conformance as 24 bits, PDU sizes, DLMS version."""

    model_config = ConfigDict(frozen=True)

    conformance: str
    max_receive_pdu_size: int
    max_send_pdu_size: int
    dlms_version_number: int
    quality_of_service: int = 0
    cyphering_info: HexBytes = b""


class User(BaseModel):
    """An entry of the user list."""

    model_config = ConfigDict(frozen=True)

    user_id: int
    user_name: str


def _object_identifier(data: Data) -> bytes:
    # Either the encoded identifier in 7 octets, or its seven arcs in a structure, the third being 756.
    if data.tag in SEQUENCES:
        arcs = [int_of(arc) for arc in items_of(data, "an object identifier", 7)]
        if arcs[:5] != [2, 16, 756, 5, 8] or not all(0 <= arc < 128 for arc in arcs[5:7]):
            raise mismatch("an object identifier of the DLMS UA", data)
        return _DLMS_UA + bytes(arcs[5:7])
    octets = bytes_of(data, "an object identifier")
    # 06 07 in front occurs: the full BER form.
    return octets[2:] if octets[:2] == b"\x06\x07" else octets


def _object_identifier_data(octets: bytes) -> Data:
    if octets[:5] != _DLMS_UA or len(octets) != 7:
        return Data(Tag.OCTET_STRING, octets)
    arcs = [(Tag.UNSIGNED, 2), (Tag.UNSIGNED, 16), (Tag.LONG_UNSIGNED, 756)]
    arcs += [(Tag.UNSIGNED, arc) for arc in (5, 8, octets[5], octets[6])]
    return Data(Tag.STRUCTURE, tuple(Data(tag, arc) for tag, arc in arcs))


OBJECT_IDENTIFIER: Kind[bytes] = Kind("structure", _object_identifier, _object_identifier_data)
USER = structure_of(User, (("user_id", UNSIGNED), ("user_name", TEXT)))


class AssociationLN(CosemObject):
    """Association LN (class 15). ``object_list`` stays ``Data``: ``parse_object_list`` makes objects of it."""

    CLASS_NAME: ClassVar[str] = "Association LN"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "object_list", ANY),
        Attribute(
            3,
            "associated_partners_id",
            structure_of(Partners, (("client_sap", INTEGER), ("server_sap", LONG_UNSIGNED))),
        ),
        Attribute(4, "application_context_name", OBJECT_IDENTIFIER),
        Attribute(
            5,
            "xdlms_context_info",
            structure_of(
                XdlmsContext,
                (
                    ("conformance", BITS),
                    ("max_receive_pdu_size", LONG_UNSIGNED),
                    ("max_send_pdu_size", LONG_UNSIGNED),
                    ("dlms_version_number", UNSIGNED),
                    ("quality_of_service", INTEGER),
                    ("cyphering_info", OCTETS),
                ),
            ),
        ),
        Attribute(6, "authentication_mechanism_name", OBJECT_IDENTIFIER),
        Attribute(7, "secret", ANY),
        Attribute(8, "association_status", choice(AssociationStatus)),
        Attribute(9, "security_setup_reference", OBIS, since=1),
        Attribute(10, "user_list", array_of(USER), since=2),
        Attribute(11, "current_user", USER, since=2),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (
        Method(1, "reply_to_HLS_authentication"),
        Method(2, "change_HLS_secret"),
        Method(3, "add_object"),
        Method(4, "remove_object"),
        Method(5, "add_user", since=2),
        Method(6, "remove_user", since=2),
    )

    class_id: int = 15
    version: int = 1
    object_list: DataField | None = None
    associated_partners_id: Partners | None = None
    application_context_name: HexBytes | None = None
    xdlms_context_info: XdlmsContext | None = None
    authentication_mechanism_name: HexBytes | None = None
    association_status: AssociationStatus | int | None = None
    security_setup_reference: ObisField | None = None
    user_list: tuple[User, ...] | None = None
    current_user: User | None = None

    # The LLS secret is an attribute. It is write-only in sound meters, and what others tell is not kept.
    @property
    def secret(self) -> None:
        return None

    @secret.setter
    def secret(self, value: object) -> None:
        return None


class Sap(BaseModel):
    """One logical device of the physical device."""

    model_config = ConfigDict(frozen=True)

    sap: int
    logical_device_name: str


class SapAssignment(CosemObject):
    """SAP assignment (class 17): the logical devices of this meter."""

    CLASS_NAME: ClassVar[str] = "SAP assignment"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(
            2,
            "sap_assignment_list",
            array_of(structure_of(Sap, (("sap", LONG_UNSIGNED), ("logical_device_name", TEXT)))),
        ),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (Method(1, "connect_logical_device"),)

    class_id: int = 17
    sap_assignment_list: tuple[Sap, ...] | None = None


class SecurityPolicy(IntEnum):
    """Attribute 2 of security setup version 0."""

    NOTHING = 0
    AUTHENTICATED = 1
    ENCRYPTED = 2
    AUTHENTICATED_ENCRYPTED = 3


class PolicyBits(IntFlag):
    """Attribute 2 of security setup version 1. The same numbers mean other things in version 0."""

    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80


class SecuritySuite(IntEnum):
    """AES-GCM-128; the same with P-256 and SHA-256; AES-GCM-256 with P-384 and SHA-384."""

    SUITE_0 = 0
    SUITE_1 = 1
    SUITE_2 = 2


class SecuritySetup(CosemObject):
    """Security setup (class 64): policy, suite, system titles, and from version 1 certificates."""

    CLASS_NAME: ClassVar[str] = "Security setup"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "security_policy", choice(SecurityPolicy), until=0),
        Attribute(2, "security_policy", choice(PolicyBits), since=1),
        Attribute(3, "security_suite", choice(SecuritySuite)),
        Attribute(4, "client_system_title", OCTETS),
        Attribute(5, "server_system_title", OCTETS),
        Attribute(6, "certificates", ANY, since=1),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (
        Method(1, "security_activate"),
        Method(2, "key_transfer"),
        Method(3, "key_agreement", since=1),
        Method(4, "generate_key_pair", since=1),
        Method(5, "generate_certificate_request", since=1),
        Method(6, "import_certificate", since=1),
        Method(7, "export_certificate", since=1),
        Method(8, "remove_certificate", since=1),
    )

    class_id: int = 64
    security_policy: SecurityPolicy | PolicyBits | int | None = None
    security_suite: SecuritySuite | int | None = None
    client_system_title: HexBytes | None = None
    server_system_title: HexBytes | None = None
    certificates: DataField | None = None
