"""One layer of a unit that was taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind (``frame apdu ciphering data message``), its name, one line about it, and its details.

    ``details`` are (depth, text) for people, ``content`` is the same for programs. ``secret``: the octets of its unit
    may hold a password, masked or not, and are not shown.
    """

    kind: str
    name: str
    text: str = ""
    details: tuple[tuple[int, str], ...] = ()
    content: dict[str, object] = field(default_factory=dict)
    secret: bool = False
