"""Vendor data: files of one's own, who wins, what a wrong file is told, and what a session makes of a family."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from importlib import metadata, resources
from pathlib import Path
from types import SimpleNamespace

import pytest

import metersdk
from metersdk import Quirks
from metersdk.effects import State
from metersdk.errors import LocalProtocolError
from metersdk.frame.iec62056_21 import to_line
from metersdk.simulator.image import Image
from metersdk.vendor import book
from metersdk.vendor.family import parse_family

FACT = '[[facts]]\nwhat = "w"\nsure = "one report"\nsource = "s"\n'
SLOW = "switches = { max_baud = 300 }\n"
OWN = f"""title = "A meter of ours"
[[match]]
manufacturer = "MSK"
model = "METERSDK"
{FACT}switches = {{ max_baud = 300 }}
[[vectors]]
kind = "identification"
line = '/MSK5\\2METERSDK-R1'
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of the user's, the only one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("METERSDK_VENDORS", str(own))
    return own


def test_every_switch_is_read_by_the_code_that_speaks() -> None:
    room = Path(metersdk.__file__).parent
    texts = (
        path.read_text("utf-8")
        for path in room.rglob("*.py")
        if path.relative_to(room).parts[0] not in ("vendor", "cli") and path.name != "quirks.py"
    )
    code = "".join(texts)
    unread = [field.name for field in fields(Quirks) if not re.search(rf"(quirks|family)\.{field.name}\b", code)]
    assert unread == []


# files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("title = ", "no TOML", ""),
        ('title = "T"\n', "facts: Field required", ""),
        ("title = 1\ncolour = 1\n", "unknown key colour", "known: title, speaks"),
        (f'title = "T"\ncolour = 1\n{FACT}', "unknown key colour", "known: title, speaks"),
        (f'title = "T"\n{FACT}shade = 1\n', "facts 1: unknown key shade", "known: what, sure, source, switches"),
        (
            f'title = "T"\n{FACT}switches = {{ wakeup = true }}\n',
            "facts 1: switches: unknown key wakeup",
            "did you mean wake_up? known: protocol",
        ),
        (f'title = "T"\n{FACT}switches = {{ wake_up = 1 }}\n', "wake_up: Input should be a valid boolean", ""),
        (f'title = "T"\n{FACT}switches = {{ mode = "F" }}\n', "mode: Input should be", ""),
        (f'title = "T"\n{FACT}switches = {{ family = "x" }}\n', "unknown key family", ""),
        (
            f'title = "T"\n{FACT}switches = {{ max_baud = 300 }}\n{FACT}switches = {{ max_baud = 600 }}\n',
            "set twice",
            "",
        ),
        (
            f'title = "T"\n{FACT}[[vectors]]\nkind = "poem"\n',
            "vectors 1: kind = 'poem' is none",
            "known: identification, sign-on",
        ),
        (f'title = "T"\n{FACT}[[vectors]]\nkind = "signon"\n', "vectors 1: kind = 'signon'", "did you mean sign-on?"),
        (f'title = "T"\n{FACT}[[vectors]]\nline = "x"\n', "vectors 1: kind: Field required", "known: identification"),
        (
            f'title = "T"\n{FACT}[[vectors]]\nkind = "sign-on"\nmode = "C"\nbaud = 300\nsteps = [{{ nul = 1 }}]\n',
            "vectors 1: steps 1: unknown key nul",
            "did you mean nuls?",
        ),
        (f'title = "T"\n{FACT}switches = {{ quiet_before = -1 }}\n', "switches: quiet_before: -1 is less than 0", ""),
        (f'title = "T"\n{FACT}switches = {{ quiet_before = inf }}\n', "quiet_before: Input should be a finite", ""),
        (f'title = "T"\n{FACT}switches = {{ initial_baud = 0 }}\n', "initial_baud: 0 is not more than 0", ""),
        (f'title = "T"\n{FACT}{FACT}switches = {{ guard = "a" }}\n', "facts 2: switches: guard: Input", ""),
        (
            f'title = "T"\n{FACT}[[vectors]]\nkind = "data"\nlin = "x"\n',
            "vectors 1: unknown key lin",
            "known: kind, line, sets",
        ),
        (f'title = "T"\n[[match]]\nmanufacturer = "LG"\n{FACT}', "match 1: manufacturer: ", "three letters or digits"),
        (f'title = "T"\n[[match]]\nmanufacturer = "LGZ"\nmodel = "(("\n{FACT}', "no regular expression", ""),
        (f'title = "T"\n[[match]]\nmanufacturer = "LGZ"\nmodel = "[[a]b]"\n{FACT}', "no regular expression", ""),
        ("a = " + "[" * 5000, "no TOML", ""),
    ],
)
def test_a_wrong_file_is_told_where_it_is_wrong(text: str, message: str, hint: str) -> None:
    with pytest.raises(LocalProtocolError) as told:
        parse_family(text, "a-meter", "shelf/a-meter.toml")
    assert told.value.message.startswith("shelf/a-meter.toml: ")
    assert message in told.value.message
    assert hint in told.value.hint


def test_a_name_is_plain() -> None:
    with pytest.raises(LocalProtocolError, match="no name of a family"):
        parse_family(f'title = "T"\n{FACT}', "A Meter", "A Meter.toml")


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(LocalProtocolError, match="no such file"):
        book.choose(folder / "nowhere.toml")
    (folder / "odd.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(LocalProtocolError, match=r"odd\.toml: octet 9 is no UTF-8"):
        book.load()


# who wins ---------------------------------------------------------------------------------------------------------


def test_the_users_file_comes_before_the_built_in_one_of_its_name(folder: Path, tmp_path: Path) -> None:
    assert book.load().family("iskra-mt171").quirks.max_baud is None
    second = tmp_path / "config" / "metersdk" / "vendors"
    second.mkdir(parents=True)
    for where, baud in ((second, 1200), (folder, 300)):
        text = f'title = "Ours"\n{FACT}switches = {{ max_baud = {baud} }}\n'
        (where / "iskra-mt171.toml").write_text(text)
        assert book.load().family("iskra-mt171").quirks == Quirks(family="iskra-mt171", max_baud=baud)


def test_the_longest_agreement_wins_then_the_users_own(folder: Path) -> None:
    line = "/ISk5MT174-0001"
    (folder / "iskra.toml").write_text(f'title = "Any"\n[[match]]\nmanufacturer = "ISK"\n{FACT}')
    found = book.load().match(line)
    assert found is not None and found.name == "iskra-mt171"
    (folder / "ours.toml").write_text(f'title = "Ours"\n[[match]]\nmanufacturer = "ISK"\nmodel = "MT174"\n{FACT}')
    found = book.load().match(line)
    assert found is not None and found.name == "ours"
    (folder / "theirs.toml").write_text(f'title = "Theirs"\n[[match]]\nmanufacturer = "ISK"\nmodel = "MT..."\n{FACT}')
    with pytest.raises(LocalProtocolError, match=r"claimed by .*ours\.toml and .*theirs\.toml"):
        book.load().match(line)


def test_nobody_claims_what_nobody_knows() -> None:
    assert book.load().match("/XYZ5nothing") is None
    assert book.load().match("no identification") is None
    assert book.load().quirks("/XYZ5nothing") is None


def test_a_plug_in_brings_families(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "our_meters"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "our-meter.toml").write_text(f'title = "Ours"\n{FACT}')
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = metadata.EntryPoint("our-meters", "our_meters", book.GROUP)
    monkeypatch.setattr(book, "metadata", SimpleNamespace(entry_points=lambda group: [entry]))
    book._load.cache_clear()
    assert book.load().family("our-meter").file == "our_meters:our-meter.toml"
    book._load.cache_clear()
    missing = metadata.EntryPoint("x", "no_such_meters", book.GROUP)
    monkeypatch.setattr(book, "metadata", SimpleNamespace(entry_points=lambda group: [missing]))
    with pytest.raises(LocalProtocolError, match="plug-in no_such_meters"):
        book.load()
    book._load.cache_clear()


def test_vendor_data_lie_inside_the_package() -> None:
    """As resources of a package, so that a wheel holds them (pyproject.toml: package-data)."""
    assert resources.files(book.BUILT_IN).joinpath("iskra-mt171.toml").is_file()
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert '"**/*.toml"' in text


# choice -----------------------------------------------------------------------------------------------------------


def test_what_a_user_may_choose(folder: Path) -> None:
    assert book.choose(None) is None
    mine = Quirks(max_baud=300)
    assert book.choose(mine) is mine
    by_name = book.choose("landis-gyr-uh50")
    assert by_name is not None and by_name.request_start == "/#" and by_name.family == "landis-gyr-uh50"
    (folder.parent / "elsewhere.toml").write_text(OWN)
    by_path = book.choose(folder.parent / "elsewhere.toml")
    assert by_path == Quirks(family="elsewhere", max_baud=300)
    with pytest.raises(LocalProtocolError, match="no vendor data called 'nobody'") as told:
        book.choose("nobody")
    assert "landis-gyr-uh50" in told.value.hint
    with pytest.raises(LocalProtocolError, match="speaks mbus"):
        book.choose("itron-ultralite")


def test_the_family_is_found_by_the_identification(folder: Path) -> None:
    with metersdk.connect("sim://residential?mode=C") as meter:
        assert meter.identity.family is None and meter.identity.baud == 9600
    (folder / "ours.toml").write_text(OWN)
    events: list[object] = []
    with metersdk.connect("sim://residential?mode=C", progress=events.append) as meter:
        assert meter.identity.family == "ours" and meter.identity.baud == 300
    assert State("family", "ours") in events


def test_an_explicit_choice_comes_first(folder: Path) -> None:
    (folder / "ours.toml").write_text(OWN)
    with metersdk.connect("sim://residential?mode=C", vendor=Quirks()) as meter:
        assert meter.identity.family is None and meter.identity.baud == 9600
    with metersdk.connect("sim://residential?mode=C", vendor="iskra-mt382") as meter:
        assert meter.identity.family == "iskra-mt382" and meter.identity.baud == 9600


def image(tmp_path: Path, identification: str) -> str:
    text = resources.files("metersdk.simulator").joinpath("images/residential.toml").read_text("utf-8")
    file = tmp_path / "meter.toml"
    file.write_text(text.replace(r"MSK5\2METERSDK-R1", identification))
    assert Image.load(file)
    return f"sim://{file}"


def test_a_mode_of_the_family_is_taken_unless_another_was_asked_for(tmp_path: Path) -> None:
    target = image(tmp_path, r"AUX5\2SX330")
    with metersdk.connect(target) as meter:
        assert (meter.identity.family, meter.identity.protocol) == ("aux-sx330", "iec62056-21:C")
        assert meter.readout().proved
    with metersdk.connect(f"{target}?mode=E") as meter:
        assert meter.identity.protocol == "dlms:hdlc"


def test_a_family_that_is_asked_in_its_own_way_says_so(tmp_path: Path) -> None:
    with metersdk.connect(image(tmp_path, "LUGCUH50")) as meter:
        assert meter.identity.family == "landis-gyr-uh50" and meter.identity.protocol == "iec62056-21:B"
        meter.readout()
    hint = next(finding.hint for finding in meter.findings if finding.code == "family-request")
    assert "vendor='landis-gyr-uh50'" in hint


def test_an_identification_does_not_lower_the_protection(folder: Path) -> None:
    """Anybody on the line can send one: what takes unprotected answers is chosen by the user alone."""
    (folder / "ours.toml").write_text(OWN.replace("max_baud = 300", "allow_plaintext = true"))
    with metersdk.connect("sim://residential") as meter:
        assert meter.identity.family == "ours"
        assert meter._session._association.settings.allow_plaintext is False  # type: ignore[attr-defined]
    with metersdk.connect("sim://residential", vendor="ours") as meter:
        assert meter._session._association.settings.allow_plaintext is True  # type: ignore[attr-defined]


def test_a_wrong_file_of_the_user_is_told_before_anything_is_sent(folder: Path) -> None:
    (folder / "ours.toml").write_text("title = 1\n")
    with pytest.raises(LocalProtocolError, match=r"ours\.toml"):
        metersdk.connect("sim://residential")
    # Who speaks DLMS at once needs no vendor data.
    with metersdk.connect("sim://residential?framing=wrapper") as meter:
        assert meter.identity.family is None


def test_folders_of_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERSDK_VENDORS", "")
    monkeypatch.setenv("APPDATA", "roaming")
    monkeypatch.setattr(sys, "platform", "win32")
    assert book.own_folders() == (Path("roaming/metersdk/vendors"),)


def test_a_list_instead_of_the_readout(tmp_path: Path) -> None:
    with metersdk.connect(image(tmp_path, r"EMH5\@01LZQJL") + "?list=2", trace=tmp_path / "trace.jsonl") as meter:
        assert meter.identity.family == "emh-lzqj"
        assert "family-request" not in {finding.code for finding in meter.findings}
    sent = (tmp_path / "trace.jsonl").read_text()
    assert to_line(b"/2!\r\n").hex() in sent
    with pytest.raises(LocalProtocolError, match="no list of this meter"):
        metersdk.connect("sim://residential?list=9", vendor="emh-lzqj")
    with pytest.raises(LocalProtocolError, match="no list of this meter"):
        metersdk.connect("sim://residential?list=x")
