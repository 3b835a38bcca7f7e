"""What the commands say: data on stdout, all else on stderr; for people or, with --json and --jsonl, for programs."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import Literal, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from metersdk.effects import Progress as Step
from metersdk.effects import Push, State
from metersdk.errors import Finding, LocalProtocolError, MeterError

Mode: TypeAlias = Literal["text", "json", "jsonl"]

SCHEMA_VERSION = 1
# Findings of one kind that are worth a line each; a noisy line makes thousands.
_SHOWN_FINDINGS = 5
# What an error may have been caused by: the likeliest, and what may be behind it.
_SHOWN_CAUSES = 2
_BAR_NAMES = {"sign-on": "signing on", "speed": "changing speed", "hand-over": "HDLC"}
# The first column is not wrapped where it holds names up to this length; what is longer is a sentence.
_NAME = 40
# Longer words may be broken anywhere: patterns, hexadecimal digits.
_WORD = 12
# Blanks between two columns of a lined table.
_BETWEEN = 3
# A pipe has no width: nothing is cut there.
_PIPE_WIDTH = 10_000


class Output:
    """One command's voice.

    Args:
        command: its name, told in JSON.
        mode: ``text``; ``json``, one document at the end; ``jsonl``, one line for each thing as it comes.
        verbose: 1 tells the steps of the dialog, too.
    """

    def __init__(self, command: str, mode: Mode = "text", verbose: int = 0) -> None:
        self.command = command
        self.mode: Mode = mode
        self.verbose = verbose
        self.data = console(sys.stdout)
        self.notes = console(sys.stderr)
        self.findings: list[Finding] = []
        self._kinds: Counter[str] = Counter()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @property
    def is_text(self) -> bool:
        """For people."""
        return self.mode == "text"

    def refuse_json(self, option: str) -> None:
        """``option`` writes something else on stdout.

        Raises:
            LocalProtocolError: JSON was asked for, too.
        """
        if not self.is_text:
            raise LocalProtocolError(f"{option}, --json and --jsonl exclude one another")

    # data -------------------------------------------------------------------------------------------------------

    def document(self, **content: object) -> None:
        """The one JSON document of this command, findings included."""
        found = [asdict(finding) for finding in self.findings]
        self._json(sys.stdout, {"command": self.command, **content, "findings": found})

    def record(self, kind: str, /, **content: object) -> None:
        """One line of JSON."""
        self._json(sys.stdout, {"type": kind, **content})

    def one(self, target: str, kind: str, content: dict[str, object], **more: dict[str, object]) -> None:
        """The one result of a command, and what came with it, as JSON: one document, or a line for each."""
        contents = {kind: content, **more}
        if self.mode == "json":
            self.document(target=target, **contents)
            return
        for name, each in contents.items():
            self.record(name, **each)

    def records(self, kind: str, plural: str, rows: Iterable[dict[str, object]], **more: object) -> None:
        """``rows`` as JSON: a document with the list ``plural``, or a line for each."""
        if self.mode == "json":
            self.document(**more, **{plural: list(rows)})
            return
        for row in rows:
            self.record(kind, **row)

    def show(self, thing: RenderableType) -> None:
        """Something for people; without trailing blanks where nobody looks at a screen."""
        if self._bar is not None:
            # It is on stderr, and knows nothing of lines that stdout puts in its place.
            self._bar.stop()
        if self.data.is_terminal:
            self.data.print(thing)
            return
        with self.data.capture() as captured:
            self.data.print(thing)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    # notes ------------------------------------------------------------------------------------------------------

    def say(self, text: str, style: str = "") -> None:
        """A remark, on stderr."""
        if self.is_text:
            self.notes.print(Text(text, style=style))
        else:
            self._json(sys.stderr, {"note": text})

    def warn(self, text: str) -> None:
        """A remark that should be heeded."""
        self.say(f"warning: {text}", "yellow")

    def hear(self, event: object) -> None:
        """What a dialog tells while it goes on; the ``progress`` of ``connect``."""
        match event:
            case Finding():
                self.finding(event)
            case Step():
                self._step(event)
            case State():
                self._state(event)
            case Push() if self.verbose:
                self.say(f"a push of {len(event.apdu)} octets came in between", "dim")

    def finding(self, finding: Finding) -> None:
        """Something tolerated; told once, and a kind of which there are many only a few times."""
        if finding in self.findings:
            return
        self.findings.append(finding)
        self._kinds[finding.code] += 1
        if not self.is_text:
            self._json(sys.stderr, {"finding": asdict(finding)})
        elif self.verbose or self._kinds[finding.code] <= _SHOWN_FINDINGS:
            line = Text("note: ", style="yellow").append(finding.text, style="default")
            if finding.hint:
                line.append(f" ({finding.hint})", style="dim")
            self.notes.print(line)
        elif self._kinds[finding.code] == _SHOWN_FINDINGS + 1:
            self.say(f"more of this kind ({finding.code}) are not shown; -v shows them", "dim")

    def _state(self, state: State) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=_BAR_NAMES.get(state.name, state.name))
        if not self.verbose:
            return
        if self.is_text:
            self.notes.print(Text(f"  {state.name}: ", style="cyan").append(state.text, style="default"))
        else:
            self._json(sys.stderr, {"state": state.name, "text": state.text})

    # progress ---------------------------------------------------------------------------------------------------

    @contextmanager
    def progress(self) -> Iterator[None]:
        """A bar on stderr while something long goes on, if a person looks at it."""
        if not (self.is_text and self.notes.is_terminal):
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self.notes, transient=True) as self._bar:
            # A sign-on at 300 Bd takes a while, one that fails a minute: something must be seen to go on.
            self._task = self._bar.add_task("connecting", total=None)
            try:
                yield
            finally:
                self._bar = self._task = None

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner on stderr while something goes on that tells nothing of itself, if a person looks at it."""
        if not (self.is_text and self.notes.is_terminal):
            yield
            return
        with self.notes.status(Text(text, style="dim")):
            yield

    def _step(self, step: Step) -> None:
        if self._bar is None or self._task is None:
            return
        # What is counted changes, and a total that is not known takes none away: rich keeps it.
        self._bar.tasks[0].total = step.total
        self._bar.update(self._task, description=step.unit, completed=step.done)

    @staticmethod
    def _json(file: object, content: dict[str, object]) -> None:
        file.write(json.dumps({"schema_version": SCHEMA_VERSION, **content}, ensure_ascii=False) + "\n")  # type: ignore[attr-defined]


def console(file: object) -> Console:
    """A rich console for stdout or stderr; plain, and of any width, where it is no terminal."""
    made = Console(file=file, highlight=False, emoji=False, markup=False)  # type: ignore[arg-type]
    if not made.is_terminal:
        made = Console(
            file=file,  # type: ignore[arg-type]
            highlight=False,
            emoji=False,
            markup=False,
            no_color=True,
            width=_PIPE_WIDTH,
        )
    return made


def grid(out: Console, heads: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Sequence[int] = ()) -> Table:
    """A table: lined on a terminal, blanks between its columns elsewhere. ``right``: columns of numbers.

    On a terminal so narrow that words would be broken, the fields of a row stand below each other.
    """
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    lined = out.is_terminal
    least = [max(map(_longest_word, column)) for column in zip(map(Text, heads), *cells, strict=True)]
    name = max((cell.cell_len for cell, *_ in cells), default=0)
    if is_name := name <= _NAME:
        least[0] = max(least[0], name)
    if lined and sum(least) + _BETWEEN * len(least) > out.width:
        return _stacked(heads, cells)
    table = Table(box=box.SIMPLE_HEAD if lined else None, header_style="bold", pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(
            head,
            justify="right" if number in right else "left",
            style="cyan" if number == 0 else None,
            overflow="fold",
            no_wrap=number == 0 and is_name,
        )
    for row in cells:
        table.add_row(*row)
    return table


def _longest_word(text: Text) -> int:
    return min(max((cell_len(word) for word in text.plain.split()), default=0), _WORD)


def _stacked(heads: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    for row in rows:
        for head, cell in zip(heads, row, strict=True):
            if cell:
                table.add_row(head.replace("\n", ", "), cell)
        table.add_row()
    return table


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values below each other; what is None or empty is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, "", ()):
            table.add_row(name, Text(str(value)))
    return table


def program() -> str:
    """What to type to run this program again."""
    name = Path(sys.argv[0])
    if name.name == "__main__.py":
        return "python -m metersdk"
    return os.path.relpath(name) if name.name == "metersdk" and which("metersdk") is None else "metersdk"


def describe(error: MeterError) -> dict[str, object]:
    """An error for programs."""
    return {
        "class": type(error).__name__,
        "message": error.message,
        "layer": error.layer,
        "state": error.state,
        "offset": error.offset,
        "retryable": error.retryable,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "causes": [asdict(finding) for finding in error.findings],
    }


def report(message: str, hint: str, details: dict[str, object], mode: Mode) -> None:
    """An error, on stderr: what happened, and what to do about it."""
    if mode != "text":
        text = json.dumps({"schema_version": SCHEMA_VERSION, "error": details}, ensure_ascii=False)
        sys.stderr.write(text + "\n")
        return
    notes = console(sys.stderr)
    notes.print(Text().append("error: ", style="bold red").append(message), soft_wrap=True)
    for cause in _causes(details):
        notes.print(Text().append(f"{cause['code']}: ", style="yellow").append(cause["text"]), soft_wrap=True)
    if hint:
        notes.print(Text().append("hint: ", style="bold").append(hint), soft_wrap=True)


def _causes(details: dict[str, object]) -> list[dict[str, str]]:
    """What the line suffers from, as far as an error says it; the hint is that of the first."""
    causes = details.get("causes")
    return causes[:_SHOWN_CAUSES] if isinstance(causes, list) else []
