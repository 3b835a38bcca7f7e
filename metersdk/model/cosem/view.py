"""The object list of an association, and the objects of a meter by their OBIS codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from metersdk.apdu.axdr import Data, Tag
from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.cosem.base import Access, CosemObject
from metersdk.model.cosem.kinds import OBIS, int_of, items_of
from metersdk.model.cosem.registry import make_object
from metersdk.model.obis import Obis

ASSOCIATION_LN = 15
CURRENT_ASSOCIATION = Obis("0.0.40.0.0.255")

# Association LN version 0 to 2, access mode: an enumeration. Version 3 sends the bit map of Access itself.
_ATTRIBUTE_MODES = (
    Access.NONE,
    Access.READ,
    Access.WRITE,
    Access.READ | Access.WRITE,
    Access.READ | Access.AUTHENTICATED_REQUEST,
    Access.WRITE | Access.AUTHENTICATED_REQUEST,
    Access.READ | Access.WRITE | Access.AUTHENTICATED_REQUEST,
)
_METHOD_MODES = (Access.NONE, Access.INVOKE, Access.INVOKE | Access.AUTHENTICATED_REQUEST)


def parse_object_list(data: Data) -> list[CosemObject]:
    """The objects of attribute 2 of an association LN, each of its own model, with access rights.

    What an access mode means depends on the version of the association object, which the list itself tells in its
    entry for 0.0.40.0.0.255; version 0 to 2 is assumed where that entry is missing.

    Raises:
        DecodeError: not an array of object list elements (Blue Book 4.4.4).
    """
    rows = [items_of(row, "an object list element", 4) for row in items_of(data, "an object list")]
    heads = [(int_of(row[0]), int_of(row[1]), OBIS.decode(row[2])) for row in rows]
    bit_map = any(
        class_id == ASSOCIATION_LN and version >= 3 and code == CURRENT_ASSOCIATION for class_id, version, code in heads
    )
    objects = []
    for (class_id, version, code), row in zip(heads, rows, strict=True):
        if not (0 <= class_id <= 0xFFFF and 0 <= version <= 0xFF):
            raise DecodeError(f"{code}: no class {class_id} version {version} can be", layer="data")
        item = make_object(class_id, version, code)
        attributes, methods, *_ = items_of(row[3], "access rights", 2)
        for right in items_of(attributes, "attribute rights"):
            number_, mode, selectors = items_of(right, "an attribute right", 3)[:3]
            number = int_of(number_)
            item.attribute_access[number] = _access(mode, _ATTRIBUTE_MODES, bit_map)
            if selectors.tag is not Tag.NULL_DATA:
                item.selectors[number] = tuple(int_of(each) for each in items_of(selectors, "selectors"))
        for right in items_of(methods, "method rights"):
            number_, mode = items_of(right, "a method right", 2)[:2]
            item.method_access[int_of(number_)] = _access(mode, _METHOD_MODES, bit_map)
        objects.append(item)
    return objects


def encode_object_list(objects: Iterable[CosemObject], version: int = 1) -> Data:
    """The object list that an association of ``version`` shows: the counterpart of :func:`parse_object_list`."""
    return Data(Tag.ARRAY, tuple(_row(item, version) for item in objects))


def _access(mode: Data, modes: tuple[Access, ...], bit_map: bool) -> Access:
    # Version 0 sends method rights as boolean.
    number = int(mode.value) if isinstance(mode.value, bool) else int_of(mode, "an access mode")
    if bit_map and 0 <= number <= 0xFF:
        return Access(number)
    if 0 <= number < len(modes):
        return modes[number]
    raise DecodeError(f"no access mode {number} is defined", layer="data")


def _mode(access: Access, modes: tuple[Access, ...], version: int) -> Data:
    if version >= 3:
        return Data(Tag.ENUM, access.value)
    if access not in modes:
        raise LocalProtocolError(f"{access} has no access mode in association version {version}", layer="data")
    if version == 0 and modes is _METHOD_MODES:
        return Data(Tag.BOOLEAN, access is not Access.NONE)
    return Data(Tag.ENUM, modes.index(access))


def _row(item: CosemObject, version: int) -> Data:
    attributes = []
    for number, access in sorted(item.attribute_access.items()):
        offered = item.selectors.get(number)
        selectors = (
            Data(Tag.ARRAY, tuple(Data(Tag.INTEGER, selector) for selector in offered))
            if offered
            else Data(Tag.NULL_DATA)
        )
        mode = _mode(access, _ATTRIBUTE_MODES, version)
        attributes.append(Data(Tag.STRUCTURE, (Data(Tag.INTEGER, number), mode, selectors)))
    methods = [
        Data(Tag.STRUCTURE, (Data(Tag.INTEGER, number), _mode(access, _METHOD_MODES, version)))
        for number, access in sorted(item.method_access.items())
    ]
    rights = Data(Tag.STRUCTURE, (Data(Tag.ARRAY, tuple(attributes)), Data(Tag.ARRAY, tuple(methods))))
    head = (Data(Tag.LONG_UNSIGNED, item.class_id), Data(Tag.UNSIGNED, item.version), OBIS.encode(item.logical_name))
    return Data(Tag.STRUCTURE, (*head, rights))


class ObjectView(Mapping[Obis, CosemObject]):
    """The objects of a meter by OBIS code, in the order of its object list.

    ``view["1.0.1.8.0.255"]`` takes a code in any spelling and raises ``KeyError`` where there is none. Where one code
    stands for objects of several classes, the first is given; ``find(code, class_id)`` names the other.
    """

    def __init__(self, objects: Iterable[CosemObject] = ()) -> None:
        self.all = tuple(objects)
        self._by_obis: dict[Obis, CosemObject] = {}
        for item in self.all:
            self._by_obis.setdefault(item.logical_name, item)

    @classmethod
    def from_data(cls, object_list: Data) -> ObjectView:
        """From attribute 2 of the current association. Raises DecodeError."""
        return cls(parse_object_list(object_list))

    def __getitem__(self, code: Obis | str | bytes) -> CosemObject:
        return self._by_obis[Obis.parse(code)]

    def __contains__(self, code: object) -> bool:
        return isinstance(code, (Obis, str, bytes)) and Obis.parse(code) in self._by_obis

    def __iter__(self) -> Iterator[Obis]:
        return iter(self._by_obis)

    def __len__(self) -> int:
        return len(self._by_obis)

    def of_class(self, class_id: int) -> list[CosemObject]:
        """All objects of a class, in the meter's order: ``view.of_class(7)`` are its profiles."""
        return [item for item in self.all if item.class_id == class_id]

    def find(self, code: Obis | str | bytes, class_id: int | None = None) -> CosemObject | None:
        """The object with this code, of this class if one is given; ``None`` where there is none."""
        wanted = Obis.parse(code)
        return next(
            (item for item in self.all if item.logical_name == wanted and class_id in (None, item.class_id)), None
        )

    def __repr__(self) -> str:
        return f"ObjectView({len(self.all)} objects)"
