"""Which attributes and methods of COSEM objects carry a password (Blue Book part 2, 4.4.4 and 4.7.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from metersdk.apdu.axdr import Data, Tag, decode_length, encode

# By class: the LLS secret of an association; the passwords of the optical port.
SECRET_ATTRIBUTES: Final[Mapping[int, frozenset[int]]] = {15: frozenset((7,)), 19: frozenset((7, 8, 9))}
# change_HLS_secret. Security setup transfers its keys wrapped.
SECRET_METHODS: Final[Mapping[int, frozenset[int]]] = {15: frozenset((2,))}

_STRINGS: Final = frozenset((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING))


def is_secret_attribute(class_id: int, attribute: int) -> bool:
    """Whether the attribute is a password."""
    return attribute in SECRET_ATTRIBUTES.get(class_id, ())


def is_secret_method(class_id: int, method: int) -> bool:
    """Whether the method takes a password."""
    return method in SECRET_METHODS.get(class_id, ())


def octets_in(data: Data) -> Iterator[bytes]:
    """The octets of all strings in ``data`` as they travel."""
    if isinstance(data.value, tuple):
        for part in data.value:
            yield from octets_in(part)
    elif data.tag in _STRINGS:
        raw = encode(data)
        yield raw[decode_length(raw, 1)[1] :]
