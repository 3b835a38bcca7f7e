"""COSEM objects: one table for decoding, encoding and the object list (Blue Book part 2)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data, array, boolean, enum, i8, null, octets, structure, u8, u16, u32, visible
from metersdk.errors import DecodeError, LocalProtocolError, MeterError
from metersdk.model.column import CaptureObject
from metersdk.model.cosem.access import AssociationLN, PolicyBits, SecurityPolicy
from metersdk.model.cosem.base import Access, CosemObject
from metersdk.model.cosem.measurement import DataObject, ProfileGeneric, Register
from metersdk.model.cosem.registry import CLASS_NAMES, class_name, make_object, model_for
from metersdk.model.cosem.setup import Baud
from metersdk.model.cosem.timing import Clock
from metersdk.model.cosem.view import ObjectView, encode_object_list, parse_object_list
from metersdk.model.obis import Obis
from metersdk.model.profile import SortMethod
from metersdk.model.quantity import Unit

LN_CONTEXT = bytes.fromhex("60857405080101")
CLOCK_CAPTURE = "020412000809060000010000FF0F02120000"

# class, version, attribute, Data in hex: what a meter sends, and what encoding must give back.
ATTRIBUTES = [
    (1, 0, 2, "090C07E90715010C1E0000FF8880"),
    (3, 0, 2, "0600BC614E"),
    (3, 0, 3, "02020FFF161E"),
    (4, 0, 4, "1108"),
    (4, 0, 5, "090C07E90715010C1E0000FF8880"),
    (5, 0, 2, "0600000001"),
    (5, 0, 4, "02020F00161B"),
    (5, 0, 8, "0600000384"),
    (5, 0, 9, "120001"),
    (7, 1, 3, "0101" + CLOCK_CAPTURE),
    (7, 1, 4, "0600000384"),
    (7, 1, 5, "1601"),
    (7, 1, 6, CLOCK_CAPTURE),
    (7, 1, 7, "0600002710"),
    (8, 0, 2, "090C07E90715010C1E0000FF8880"),
    (8, 0, 3, "10FFC4"),
    (8, 0, 4, "1180"),
    (8, 0, 5, "090CFFFF03FE0702000000003C00"),
    (8, 0, 7, "0F3C"),
    (8, 0, 8, "0301"),
    (8, 0, 9, "1601"),
    (15, 1, 3, "02020F10120001"),
    (15, 1, 4, "020711021110" + "1202F4" + "1105110811011101"),
    (15, 1, 5, "0206" + "0418007E1F" + "120400" + "120400" + "1106" + "0F00" + "0900"),
    (15, 1, 8, "1602"),
    (15, 1, 9, "090600002B0000FF"),
    (15, 2, 10, "0101020211010903616263"),
    (17, 0, 2, "0101 0202 120001 0908 4142434445464748"),
    (19, 1, 2, "1600"),
    (19, 1, 4, "1605"),
    (19, 1, 6, "0904 31323334"),
    (23, 1, 3, "1107"),
    (23, 1, 9, "120011"),
    (41, 0, 2, "120FDB"),
    (64, 0, 2, "1603"),
    (64, 1, 2, "160C"),
    (64, 0, 5, "0908 4D4D4D0000BC614E"),
    (70, 0, 2, "0301"),
    (70, 0, 3, "1601"),
]


@pytest.mark.parametrize(("class_id", "version", "attribute", "raw"), ATTRIBUTES)
def test_attributes_decode_and_encode(class_id: int, version: int, attribute: int, raw: str) -> None:
    item = make_object(class_id, version, "0.0.1.0.0.255")
    sent = bytes.fromhex(raw)
    item.update(attribute, axdr.decode_all(sent))
    assert item.others == {}
    assert axdr.encode(item.encode(attribute)) == sent
    assert json.loads(item.model_dump_json())["class_id"] == class_id


@pytest.mark.parametrize(("class_id", "version", "attribute", "raw"), ATTRIBUTES)
def test_null_data_means_nothing_there(class_id: int, version: int, attribute: int, raw: str) -> None:
    item = make_object(class_id, version, "0.0.1.0.0.255")
    item.update(attribute, null())
    assert item.encode(attribute) == null()


def test_every_table_names_fields_of_its_model() -> None:
    for class_id in range(256):
        for version in range(4):
            model = model_for(class_id, version)
            for row in model.table(version).values():
                assert row.name in model.model_fields or hasattr(model, row.name), (model, row.name)
            assert 1 in model.table(version)


def test_a_register_reads_scaled() -> None:
    register = make_object(3, 0, "1.8.0")
    assert isinstance(register, Register)
    assert register.reading().value is None
    register.update(2, u32(12345678))
    assert register.reading().value == Decimal(12345678)
    register.update(3, structure(i8(-3), enum(30)))
    reading = register.reading()
    assert (reading.value, reading.unit, reading.raw) == (Decimal("12345.678"), Unit.WH, 12345678)
    register.update(2, axdr.f32(230.10000610351562))
    register.update(3, structure(i8(0), enum(35)))
    assert str(register.reading().value) == "230.1"


def test_extended_and_demand_registers_tell_time_and_status() -> None:
    for class_id, value, status, when in ((4, 2, 4, 5), (5, 3, 5, 6)):
        register = make_object(class_id, 0, "1.6.0")
        register.update(value, u32(42))
        register.update(status, u8(8))
        register.update(when, octets(bytes.fromhex("07E90715010C1E0000FF8880")))
        reading = register.reading()  # type: ignore[attr-defined]
        assert (reading.value, reading.status, str(reading.time)) == (Decimal(42), 8, "2025-07-21T12:30:00+02:00")


def test_data_shows_printable_octets_as_text() -> None:
    item = make_object(1, 0, "0.0.42.0.0.255")
    assert isinstance(item, DataObject)
    item.update(2, octets(b"MSK0000012345678"))
    assert (item.reading().value, item.reading().raw) == ("MSK0000012345678", b"MSK0000012345678")
    item.update(2, octets(b"\x00\x01"))
    assert item.reading().value == b"\x00\x01"
    item.update(2, structure(u8(1), array(visible("a"))))
    assert item.reading().value == (Decimal(1), ("a",))


def test_profile_and_clock() -> None:
    profile = make_object(7, 1, "1.0.99.1.0.255")
    assert isinstance(profile, ProfileGeneric)
    capture = structure(u16(8), octets(Obis("0.0.1.0.0.255").octets), i8(2), u16(0))
    profile.update(3, array(capture))
    profile.update(5, enum(2))
    assert profile.capture_objects == (CaptureObject(8, "0.0.1.0.0.255", 2),)
    assert profile.sort_method is SortMethod.LIFO
    profile.update(5, enum(9))
    assert profile.sort_method == 9
    clock = make_object(8, 0, "0.0.1.0.0.255")
    assert isinstance(clock, Clock)
    assert clock.datetime() is None
    clock.update(2, axdr.date_time(bytes.fromhex("07E90715010C1E0000FF8880")))
    assert str(clock.datetime()) == "2025-07-21 12:30:00+02:00"
    clock.update(4, u8(0xFF))
    assert clock.clock_status is None


def test_lenient_types_of_real_meters() -> None:
    port = make_object(19, 1, "0.0.20.0.0.255")
    port.update(4, u8(5))
    assert port.proposed_baud.rate == 9600  # type: ignore[attr-defined]
    assert [baud.rate for baud in Baud] == [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
    clock = make_object(8, 0, "0.0.1.0.0.255")
    clock.update(8, u8(1))
    assert clock.daylight_savings_enabled is True  # type: ignore[attr-defined]


def test_the_security_policy_means_what_its_version_says() -> None:
    old, new = make_object(64, 0, "0.0.43.0.0.255"), make_object(64, 1, "0.0.43.0.0.255")
    old.update(2, enum(3))
    new.update(2, enum(0x0C))
    assert old.security_policy is SecurityPolicy.AUTHENTICATED_ENCRYPTED  # type: ignore[attr-defined]
    assert new.security_policy == PolicyBits.AUTHENTICATED_REQUEST | PolicyBits.ENCRYPTED_REQUEST  # type: ignore[attr-defined]
    assert 6 not in old.attributes
    assert 6 in new.attributes


def test_association_names_come_in_two_forms_and_the_secret_is_not_kept() -> None:
    item = make_object(15, 1, "0.0.40.0.0.255")
    assert isinstance(item, AssociationLN)
    item.update(4, octets(LN_CONTEXT))
    assert item.application_context_name == LN_CONTEXT
    item.update(4, octets(b"\x06\x07" + LN_CONTEXT))
    assert item.application_context_name == LN_CONTEXT
    item.update(4, item.encode(4))
    assert item.application_context_name == LN_CONTEXT
    with pytest.raises(DecodeError):
        item.update(4, structure(*[u8(n) for n in (2, 16, 200, 5, 8, 1, 1)]))
    item.update(7, octets(b"12345678"))
    assert "12345678" not in repr(item) + item.model_dump_json() + str(item.others)
    assert item.encode(7) == null()
    port = make_object(19, 1, "0.0.20.0.0.255")
    for number in (7, 8, 9):
        port.update(number, octets(b"12345678"))
        assert port.encode(number) == null()
    assert "12345678" not in repr(port) + port.model_dump_json() + str(port.others)


def test_unknown_attributes_and_classes_are_kept() -> None:
    item = make_object(9000, 3, "0.0.200.0.0.255")
    assert type(item) is CosemObject
    item.update(2, structure(u8(1), octets(b"x")))
    assert item.encode(2) == structure(u8(1), octets(b"x"))
    register = make_object(3, 0, "1.8.0")
    register.update(77, u8(1))
    assert register.encode(77) == u8(1)
    with pytest.raises(LocalProtocolError):
        register.encode(78)
    with pytest.raises(LocalProtocolError):
        register.attribute_number("nonsense")
    assert model_for(3, 9) is CosemObject
    assert (class_name(3), class_name(62), class_name(9000)) == ("Register", CLASS_NAMES[62], "class 9000")


def test_an_object_that_calls_itself_otherwise() -> None:
    item = make_object(3, 0, "1.8.0")
    item.update(1, octets(Obis("1.8.0").octets))
    assert item.encode(1) == octets(Obis("1.8.0").octets)
    with pytest.raises(DecodeError):
        item.update(1, octets(Obis("2.8.0").octets))


@pytest.mark.parametrize(
    ("class_id", "attribute", "data"),
    [
        (3, 3, structure(i8(0))),
        (3, 3, u8(1)),
        (3, 3, structure(u16(500), enum(30))),
        (3, 3, structure(i8(0), u16(256))),
        (7, 3, array(structure(u16(8), octets(b"short"), i8(2), u16(0)))),
        (7, 4, visible("900")),
        (8, 2, octets(bytes(11))),
        (8, 8, visible("yes")),
        (15, 5, structure()),
        (17, 2, array(u8(1))),
    ],
)
def test_wrong_shapes_are_typed_errors(class_id: int, attribute: int, data: Data) -> None:
    with pytest.raises(DecodeError) as caught:
        make_object(class_id, model_for(class_id).model_fields["version"].default, "1.8.0").update(attribute, data)
    assert caught.value.layer == "data"


# --- object list ---


def listed(version: int, mode: Data, method: Data, selectors: Data | None = None) -> Data:
    def row(class_id: int, number: int, code: str) -> Data:
        right = structure(i8(2), mode, selectors or null())
        return structure(
            u16(class_id),
            u8(number),
            octets(Obis(code).octets),
            structure(array(right), array(structure(i8(1), method))),
        )

    return array(row(15, version, "0.0.40.0.0.255"), row(3, 0, "1.8.0"))


@pytest.mark.parametrize(
    ("version", "mode", "access"),
    [
        (1, 0, Access.NONE),
        (1, 1, Access.READ),
        (2, 3, Access.READ | Access.WRITE),
        (0, 4, Access.READ | Access.AUTHENTICATED_REQUEST),
        (0, 6, Access.READ | Access.WRITE | Access.AUTHENTICATED_REQUEST),
        (3, 0x0D, Access.READ | Access.AUTHENTICATED_REQUEST | Access.ENCRYPTED_REQUEST),
        (3, 4, Access.AUTHENTICATED_REQUEST),
    ],
)
def test_access_modes_depend_on_the_version_in_the_list(version: int, mode: int, access: Access) -> None:
    objects = parse_object_list(listed(version, enum(mode), enum(1), array(i8(1), i8(2))))
    register = objects[1]
    assert register.attribute_access == {2: access}
    assert register.method_access == {1: Access.INVOKE}
    assert register.selectors == {2: (1, 2)}
    assert isinstance(register, Register)
    assert encode_object_list(objects, version) == listed(version, enum(mode), _method(version), array(i8(1), i8(2)))


def _method(version: int) -> Data:
    return boolean(True) if version == 0 else enum(1)


def test_method_rights_as_boolean() -> None:
    assert parse_object_list(listed(0, enum(1), boolean(True)))[1].method_access == {1: Access.INVOKE}
    assert parse_object_list(listed(0, enum(1), boolean(False)))[1].method_access == {1: Access.NONE}


@pytest.mark.parametrize(
    "bad",
    [
        u8(1),
        array(u8(1)),
        array(structure(u16(3), u8(0), octets(b"short"), structure(array(), array()))),
        array(structure(u32(70000), u8(0), octets(bytes(6)), structure(array(), array()))),
        array(structure(u16(3), u16(300), octets(bytes(6)), structure(array(), array()))),
        array(structure(u16(3), u8(0), octets(bytes(6)), structure(array()))),
        array(structure(u16(3), u8(0), octets(bytes(6)), structure(array(structure(i8(1), enum(9), null())), array()))),
        array(structure(u16(3), u8(0), octets(bytes(6)), structure(array(structure(i8(1), enum(1), u8(1))), array()))),
    ],
)
def test_a_broken_object_list_is_a_typed_error(bad: Data) -> None:
    with pytest.raises(DecodeError):
        parse_object_list(bad)


leaves = st.one_of(
    st.integers(-128, 127).map(i8),
    st.integers(0, 65535).map(u16),
    st.integers(0, 255).map(enum),
    st.binary(max_size=7).map(octets),
    st.just(null()),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: structure(*items))
        | st.lists(inner, max_size=5).map(lambda items: array(*items))
    ),
    max_leaves=30,
)


@settings(max_examples=200)
@given(trees, st.sampled_from([(c, v, a) for c, v, a, _ in ATTRIBUTES]))
def test_any_data_is_taken_or_refused_with_a_typed_error(data: Data, where: tuple[int, int, int]) -> None:
    item = make_object(where[0], where[1], "1.8.0")
    for take in (
        lambda: item.update(where[2], data),
        lambda: parse_object_list(array(data)),
        lambda: parse_object_list(data),
    ):
        try:
            take()
        except MeterError as error:
            assert isinstance(error, DecodeError)


def test_object_view() -> None:
    view = ObjectView.from_data(listed(1, enum(1), enum(1)))
    assert len(view) == 2
    assert view["1-0:1.8.0*255"] is view[Obis("1.8.0")]
    assert "1.8.0" in view
    assert "2.8.0" not in view
    assert 5 not in view
    assert list(view) == [Obis("0.0.40.0.0.255"), Obis("1.8.0")]
    assert [item.logical_name for item in view.of_class(3)] == [Obis("1.8.0")]
    assert view.find("1.8.0", 3) is view["1.8.0"]
    assert view.find("1.8.0", 4) is None
    assert view.get(Obis("2.8.0")) is None
    with pytest.raises(KeyError):
        view["2.8.0"]
    assert repr(view) == "ObjectView(2 objects)"
