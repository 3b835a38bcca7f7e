"""All families there are: built in, of plug-ins, and the user's own; looked up by name or by an identification.

Of several files with one name one counts, looked for in this order: the folders in ``METERSDK_VENDORS``;
``metersdk/vendors`` in the user's configuration; plug-ins (entry points of the group ``metersdk.vendors``, each a
package that holds TOML files); what is built in. Nothing is read before it is asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from types import MappingProxyType

from metersdk.errors import LocalProtocolError
from metersdk.model.quirks import Quirks
from metersdk.vendor.family import Family, parse_family

VARIABLE = "METERSDK_VENDORS"
GROUP = "metersdk.vendors"
BUILT_IN = "metersdk.vendor.families"
_OWN, _PLUG_IN, _BUILT_IN = 2, 1, 0


@dataclass(frozen=True, slots=True)
class Book:
    """The families by name, and where each came from: 2 the user, 1 a plug-in, 0 built in."""

    families: Mapping[str, Family]
    ranks: Mapping[str, int]

    def family(self, name: str) -> Family:
        """The family of this name.

        Raises:
            LocalProtocolError: there is none; the hint names those there are.
        """
        try:
            return self.families[name]
        except KeyError:
            hint = f"known: {', '.join(sorted(self.families))}; or the path of a .toml file"
            raise LocalProtocolError(f"there are no vendor data called {name!r}", hint=hint) from None

    def match(self, identification: str) -> Family | None:
        """The family of an identification line, ``/`` included: that with the most characters in agreement.

        Raises:
            LocalProtocolError: two of them agree as well as each other; the user's own comes before others.
        """
        line = identification.strip("\r\n")
        return self._best(repr(line), lambda family: family.length(line))

    def match_table_1(self, manufacturer: str, model: str) -> Family | None:
        """The family of an ANSI meter by its table 1, in the same way."""
        name = f"table 1 with {manufacturer!r}, {model!r}"
        return self._best(name, lambda family: family.of_table_1(manufacturer, model)[0])

    def _best(self, what: str, length_in: Callable[[Family], int]) -> Family | None:
        found = [
            (length, self.ranks[name], name)
            for name, each in self.families.items()
            if (length := length_in(each)) and each.said.supported
        ]
        if not found:
            return None
        best = max(found)[:2]
        names = [name for *rank, name in found if tuple(rank) == best]
        if len(names) > 1:
            files = " and ".join(self.families[name].file for name in sorted(names))
            raise LocalProtocolError(f"{what} is claimed by {files}", hint="make one expression longer, or say vendor=")
        return self.families[names[0]]

    def ansi_quirks(self, manufacturer: str, model: str) -> tuple[Quirks, str] | None:
        """The switches for an ANSI meter with this table 1, and how sure the match is; None: the standard holds."""
        family = self.match_table_1(manufacturer, model)
        return (family.quirks, family.of_table_1(manufacturer, model)[1]) if family else None

    def quirks(self, identification: str) -> Quirks | None:
        """The switches for a meter with this identification; None: the standard holds."""
        family = self.match(identification)
        return family.quirks if family else None


def choose(vendor: str | os.PathLike[str] | Quirks | None) -> Quirks | None:
    """The switches for what a user chose: a name, the path of a TOML file, or the switches themselves.

    Raises:
        LocalProtocolError: no such family or file, a file that is not well formed, or a family not supported.
    """
    if vendor is None or isinstance(vendor, Quirks):
        return vendor
    text = os.fspath(vendor)
    family = read_file(Path(text)) if text.endswith(".toml") or os.sep in text else load().family(text)
    if not family.said.supported:
        raise LocalProtocolError(
            f"{family.said.title} cannot be read yet: it speaks {family.said.speaks}", hint=family.said.facts[0].what
        )
    return family.quirks


def read_file(path: Path) -> Family:
    """A family from a file of the user.

    Raises:
        LocalProtocolError: it cannot be read, or is not well formed.
    """
    try:
        return parse_family(path.read_text("utf-8"), path.stem, str(path))
    except FileNotFoundError:
        raise LocalProtocolError(f"{path}: no such file", hint="check the name of the file") from None
    except UnicodeDecodeError as error:
        raise LocalProtocolError(
            f"{path}: octet {error.start} is no UTF-8", layer="data", hint="save the file as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise LocalProtocolError(f"{path} cannot be read: {why}", hint="the path of a .toml file") from None


def own_folders() -> tuple[Path, ...]:
    """Where the user's own files are looked for, best first."""
    told = [Path(part).expanduser() for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    if sys.platform == "win32":
        home = Path(os.environ.get("APPDATA") or "~/AppData/Roaming")
    else:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return (*told, home.expanduser() / "metersdk" / "vendors")


def load() -> Book:
    """All families. Files of the user are read again when they have changed.

    Raises:
        LocalProtocolError: a file that is not well formed.
    """
    return _load(tuple(_stamped(own_folders())))


def _stamped(folders: tuple[Path, ...]) -> Iterator[tuple[str, int]]:
    """The user's files, those that count most last, each with its time of change."""
    for folder in reversed(folders):
        try:
            files = sorted(folder.glob("*.toml"))
            yield from ((str(file), file.stat().st_mtime_ns) for file in files)
        except OSError:
            continue


@lru_cache(maxsize=4)
def _load(own: tuple[tuple[str, int], ...]) -> Book:
    families: dict[str, Family] = {}
    ranks: dict[str, int] = {}
    sources = [(family, _BUILT_IN) for family in _of_package(BUILT_IN)]
    for entry in metadata.entry_points(group=GROUP):
        sources += [(family, _PLUG_IN) for family in _of_package(entry.module)]
    sources += [(read_file(Path(file)), _OWN) for file, _ in own]
    for family, rank in sources:
        families[family.name], ranks[family.name] = family, rank
    return Book(MappingProxyType(families), MappingProxyType(ranks))


def _of_package(package: str) -> list[Family]:
    try:
        files = [file for file in resources.files(package).iterdir() if file.name.endswith(".toml")]
    except (ImportError, OSError) as error:
        raise LocalProtocolError(
            f"the plug-in {package} cannot be read: {error}",
            layer="data",
            hint=f"install anew, or remove, what has it as entry point of {GROUP}",
        ) from None
    return [
        parse_family(file.read_text("utf-8"), file.name.removesuffix(".toml"), f"{package}:{file.name}")
        for file in sorted(files, key=lambda file: file.name)
    ]
