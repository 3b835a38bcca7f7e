"""The pages are true: their Python runs, their links lead somewhere, their tables name all there is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import metersdk
from metersdk import errors, meter
from metersdk.cli import app, stopping
from metersdk.dialog.causes import HINTS, Cause

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FIELD_GUIDE = DOCS / "field-guide.md"
CODE = Path(metersdk.__file__).parent
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NOT_RUN = "<!-- not run -->"

_FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
# Who makes a finding: the class itself, and the short words of the rooms for it.
_MAKERS = {"Finding", "once", "note", "_note", "_once", "_find", "_finding", "_stop"}
_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-?")


def snippets(page: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each Python snippet of a page that is to be run."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        if not text[: found.start()].rstrip().endswith(NOT_RUN):
            yield text.count("\n", 0, found.start()) + 1, found[1]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if next(snippets(page), None)], ids=name_of)
def test_python_of_a_page_runs_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for line, text in snippets(page):
        exec(compile("\n" * line + text, str(page), "exec"), names)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_snippets_that_are_not_run_are_python_all_the_same(page: Path) -> None:
    for found in _FENCE.finditer(page.read_text("utf-8")):
        ast.parse(found[1])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


def codes_in(path: Path) -> Iterator[str]:
    """The codes of the findings that a file makes; what is only known when it runs ends in a hyphen."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and "code" in {
            each.id for each in ast.walk(node) if isinstance(each, ast.Name)
        }:
            # One of two, chosen before the finding is made.
            texts = {str(each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
            yield from (text for text in texts if "-" in text and _CODE.fullmatch(text))
            continue
        if not isinstance(node, ast.Call) or not node.args:
            continue
        maker = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if isinstance(first, ast.JoinedStr):
            first = first.values[0]
        if maker in _MAKERS and isinstance(first, ast.Constant) and _CODE.fullmatch(str(first.value)):
            yield str(first.value)


def test_every_finding_is_in_the_table_of_the_errors_page() -> None:
    from metersdk.apdu.profile_buffer import _FLAG_FINDINGS

    rooms = ("frame", "apdu", "model", "dialog")
    made = {code for room in rooms for path in (CODE / room).rglob("*.py") for code in codes_in(path)}
    made |= {code for _, code, _ in _FLAG_FINDINGS}
    assert len(made) > 60
    table = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE))
    assert [code for code in sorted(made) if not any(_same(code, each) for each in table)] == []
    assert [each for each in sorted(table) if not any(_same(code, each) for code in made)] == []


def test_every_cause_and_its_hint_is_in_the_field_guide() -> None:
    rows = _rows(FIELD_GUIDE, r"`([a-z0-9-]+)` \| [^|]+ \| (.+)")
    told = {code: hint.replace("`", "") for code, hint in rows}
    assert told == {str(cause): HINTS[cause].replace("`", "") for cause in Cause}
    # One truth: what the line suffers from is told there, what was tolerated on the errors page.
    assert not set(told) & set(
        re.findall(r"^\| `([a-z0-9-]+)` \|", (DOCS / "errors.md").read_text("utf-8"), re.MULTILINE)
    )


def test_every_exit_code_is_in_the_field_guide_and_on_the_page_of_the_command_line() -> None:
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MeterError))
    codes = {0, app.USAGE, app.CANNOT_OPEN, *stopping.CODES, *(kind.exit_code for kind in kinds)}
    for page in (FIELD_GUIDE, DOCS / "cli.md"):
        assert {int(code) for code, _ in _rows(page, r"(\d+) \| (.+)")} == codes


def test_every_picture_is_taken_by_the_script_and_shown_on_a_page() -> None:
    taken = re.findall(r'^    "([a-z-]+)": Picture\(', (DOCS / "pictures.py").read_text("utf-8"), re.MULTILINE)
    assert sorted(taken) == sorted(path.stem for path in (DOCS / "pictures").glob("*.svg"))
    shown = re.findall(r"\]\(pictures/([a-z-]+)\.svg\)", FIELD_GUIDE.read_text("utf-8"))
    assert sorted(shown) == sorted(taken)


def _rows(page: Path, pattern: str) -> list[tuple[str, str]]:
    return re.findall(rf"^\| {pattern} \|$", page.read_text("utf-8"), re.MULTILINE)


def _same(code: str, listed: str) -> bool:
    return code == listed or (code.endswith("-") and listed.startswith(code))


def test_every_error_and_its_exit_code_is_on_the_errors_page() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.MeterError):
            assert re.search(rf"^\| `{name}` \| {kind.exit_code} \|", page, re.MULTILINE), name


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(page.read_text("utf-8") for page in [DOCS / "reference.md", *(DOCS / "reference").glob("*.md")])
    missing = [name for name in metersdk.__all__ if not re.search(rf"auto\w+::.*\b{name}$", pages, re.MULTILINE)]
    assert missing == []


def test_every_class_that_a_meter_gives_or_takes_is_in_the_reference() -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    named = set()
    for door in (meter.Meter, meter.Programming):
        for member in vars(door).values():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function) and not function.__name__.startswith("_"):
                named |= set(re.findall(r"[A-Z]\w+", " ".join(map(str, inspect.get_annotations(function).values()))))
    ours = {name for name in named if getattr(getattr(meter, name, None), "__module__", "").startswith("metersdk")}
    assert len(ours) > 10
    assert [name for name in sorted(ours) if not re.search(rf"auto\w+::.*\b{name}$", pages, re.MULTILINE)] == []


def test_every_switch_of_a_meter_is_on_the_supported_page() -> None:
    page = (DOCS / "supported.md").read_text("utf-8")
    assert [name for name in metersdk.Quirks.__slots__ if f"`{name}`" not in page] == []


def test_every_table_of_c1219_is_on_the_supported_page_with_what_it_rests_on() -> None:
    from metersdk.model.c1219.registry import STANDARD, needs

    rows = re.findall(
        r"^\| (\d+) \| ([A-Z_]+) \| ([\d, –]+) \| (\w+) \|$", (DOCS / "supported.md").read_text("utf-8"), re.MULTILINE
    )
    assert rows == [
        (str(number), model.NAME, ", ".join(map(str, needs(number))) or "–", str(model.CERTAINTY))
        for number, model in STANDARD.items()
    ]


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = set()
    for page in PAGES[1:]:
        for toctree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            for line in toctree.splitlines():
                if line and not line.startswith(":"):
                    listed |= set(page.parent.glob(f"{line}.md"))
    assert [name_of(page) for page in PAGES[1:] if page not in listed and page != DOCS / "index.md"] == []


def test_no_hint_names_a_way_of_python_alone() -> None:
    """Who types commands has no ``Timing`` and no ``Quirks``: each hint names an option, too."""
    alone = []
    for path in sorted((CODE / "dialog").rglob("*.py")) + sorted((CODE / "model").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "``" not in node.value:
                text = node.value
                if re.search(r"\bQuirks\(\w+=|\bTiming[.(]\w", text) and "--" not in text:
                    alone.append(f"{path.name}: {text}")
    assert alone == []
