"""Take the pictures of the field guide: what the command line really shows on a terminal of 100 columns, as SVG.

python docs/pictures.py              write docs/pictures/*.svg
python docs/pictures.py NAME...      these only

Each command runs as a process of its own on a pseudo terminal, most of them against simulated meters on another one, at
real speed and with faults. The clock of these meters stands still, so that the same numbers come each time. `ports` and
`doctor` look at a computer made of files in a folder, the one of the tests: it has probes that this computer has not.
Two things are changed: the number of a pseudo terminal, and the lines that a progress bar wrote and erased.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "pictures"
COLUMNS = 100
# The summer solstice, when a roof of solar cells has something to show.
STANDING = "[clock]\nfixed = 2026-06-21T16:00:00Z\n"
TARGET = "@"
STEADY = "/dev/pts/4"
PROMPT = "\x1b[1;32m$\x1b[0m"

_PTY = re.compile(r"/dev/pts/\d+")
# What rich writes besides text: colours are kept, the cursor is moved, anything else is of no effect on a picture.
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r\n|\r|\n)")

# rich draws the line breaks, too.
_BREAK = re.compile(r"<text [^>]*>\n</text>")

THEME = TerminalTheme(
    (24, 26, 31),
    (216, 220, 226),
    [
        *[(40, 44, 52), (224, 108, 117), (126, 196, 120), (222, 184, 106)],
        *[(97, 175, 239), (198, 120, 221), (86, 192, 204), (216, 220, 226)],
    ],
    [
        *[(92, 99, 112), (240, 128, 136), (152, 212, 146), (238, 204, 130)],
        *[(130, 196, 250), (214, 150, 234), (120, 210, 220), (255, 255, 255)],
    ],
)
# rich's own format without the fonts that it fetches from the net.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Picture:
    """One picture: commands, one below the other, and what they are run against.

    Attributes:
        commands: arguments of ``metersdk``; ``@`` is the target.
        meter: arguments of ``metersdk simulate``; none without a meter.
        computer: the command looks at the computer in a folder.
        echo: ask for the exit code, too.
    """

    commands: Sequence[Sequence[str]]
    meter: Sequence[str] = ()
    computer: bool = False
    echo: bool = False


PICTURES = {
    "ports": Picture([["ports"]], computer=True),
    "doctor": Picture([["doctor", "/dev/ttyUSB0"]], computer=True),
    "identify": Picture([["identify", TARGET]], ["--image", "household.toml"]),
    "profile": Picture([["profile", TARGET, "--last", "1d", "--chart"]], ["--image", "household.toml"]),
    "misaligned": Picture(
        [["readout", TARGET]],
        ["--image", "household.toml", "--listen", "pty?mode=C", "--fault", "bit-flip=0.002"],
        echo=True,
    ),
    "sun": Picture([["doctor", "--live", TARGET]], ["--image", "household.toml", "--fault", "noise=30"], echo=True),
    "asleep": Picture([["doctor", "--live", TARGET]], ["--image", "household.toml", "--fault", "sleep"]),
    "listen": Picture(
        [["listen", TARGET, "--count", "1"]],
        ["--image", "household.toml", "--listen", "pty?speech=sml"],
    ),
    "exposure": Picture([["exposure", TARGET]], ["--image", "household.toml"]),
}


def take(name: str, folder: Path) -> str:
    """The picture of this name, as SVG."""
    picture = PICTURES[name]
    screen: list[str] = []
    with _target(picture, folder) as target:
        for command in picture.commands:
            words = [target if word == TARGET else word for word in command]
            screen.append(_PTY.sub(STEADY, f"{PROMPT} \x1b[1mmetersdk {' '.join(words)}\x1b[0m"))
            output, code = on_terminal(_program(picture, folder) + words, folder)
            screen.extend(lines_of(output))
            if picture.echo:
                screen += [f"{PROMPT} \x1b[1mecho $?\x1b[0m", str(code)]
    # The last line would lose what hangs below it.
    return drawn("\n".join([*screen, ""]), f"picture-{name}")


def _program(picture: Picture, folder: Path) -> list[str]:
    if picture.computer:
        return [sys.executable, str(Path(__file__).resolve()), "--computer", str(folder / "computer")]
    return [sys.executable, "-m", "metersdk"]


@contextmanager
def _target(picture: Picture, folder: Path) -> Iterator[str]:
    """A simulated meter while the picture is taken."""
    if not picture.meter:
        yield ""
        return
    command = [sys.executable, "-m", "metersdk", "simulate", *picture.meter]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder, env=_environment(folder)
    ) as meter:
        assert meter.stdout is not None
        try:
            # Without what the line of the simulator tells about its meter: that is for the reader to find out.
            yield meter.stdout.readline().strip().partition("?")[0]
        finally:
            meter.terminate()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of this computer's user: no state of earlier sessions, no language."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "METERSDK_IMPL")}
    own = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    return {**kept, **own, "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def on_terminal(command: Sequence[str], folder: Path) -> tuple[str, int]:
    """Run a command on a pseudo terminal; what it wrote there, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    os.close(theirs)
    written = bytearray()
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:
        # A terminal that nobody has open any more.
        pass
    os.close(ours)
    return written.decode(), process.wait()


def lines_of(output: str) -> list[str]:
    """What stays on the screen when all is written: lines with their colours, trailing blanks cut."""
    lines, row, at = [""], 0, 0
    for found in _CONTROL.finditer(output):
        lines[row] += output[at : found.start()]
        at = found.end()
        numbers, letter, end = found.groups()
        if end == "\r\n" or end == "\n":
            row += 1
            lines.extend([""] * (row + 1 - len(lines)))
        elif letter == "m":
            lines[row] += found[0]
        elif letter == "A":
            row -= int(numbers or 1)
        elif letter == "K":
            lines[row] = ""
    lines[row] += output[at:]
    text = _PTY.sub(STEADY, "\n".join(line.rstrip() for line in lines))
    return text.rstrip().split("\n")


def drawn(screen: str, unique_id: str) -> str:
    """A screen as SVG; lines that are too long go on in the next, as a terminal does it."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    for line in Text.from_ansi(screen).split("\n", allow_blank=True):
        line.rstrip()
        for piece in line.divide(range(COLUMNS, len(line), COLUMNS)) if len(line) > COLUMNS else [line]:
            console.print(piece, no_wrap=True, overflow="ignore", crop=False)
    svg = console.export_svg(title="metersdk", theme=THEME, code_format=FORMAT, unique_id=unique_id)
    return _BREAK.sub("", svg)


# the computer in a folder -------------------------------------------------------------------------------------------


def on_computer(folder: str, words: list[str]) -> int:
    """Run a command line on a computer with two probes, the lamp of a cellar over one of them."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    import metersdk.port.host.system as module
    from host_rig import FakeLine, FakeSystem

    system = FakeSystem(Path(folder))
    system.file("/etc/passwd", "anna:x:1000:1000::/home/anna:/bin/sh\n")
    system.file("/etc/group", "dialout:x:20:anna\n")
    system.probe(serial="A50285BI")
    held = system.probe(1, ids=("10c4", "ea60"), driver="cp210x", serial="0001", latency=None)
    system.process(812, "picocom", held, opened=held)
    # A pulse each half wave of the mains: it is light, and a UART takes it for a start bit and zeros.
    system.line = FakeLine(script=[(0.01 * number, b"\0") for number in range(1, 301)])
    module.System = lambda *args: system  # type: ignore[assignment, misc]
    from metersdk.cli.app import run

    return run(words)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--computer"]:
        return on_computer(arguments[1], arguments[2:])
    HERE.mkdir(exist_ok=True)
    names = arguments or list(PICTURES)
    image = (ROOT / "metersdk/simulator/images/residential.toml").read_text("utf-8")

    def taken(name: str) -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "household.toml").write_text(image.replace("[clock]\n", STANDING, 1), "utf-8")
            return name, take(name, folder)

    with ThreadPoolExecutor(len(names)) as crowd:
        for name, svg in crowd.map(taken, names):
            (HERE / f"{name}.svg").write_text(svg, "utf-8")
            print(f"docs/pictures/{name}.svg: {len(svg) // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
