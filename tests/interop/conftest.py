"""Independent stacks as peers: each in a venv of its own under ``.peers/``, each in its own process.

The scripts of the DLMS peers lie beside the repository, or where METERSDK_PEERS says: their libraries are under the
GPL. All are installed apart, run apart, and never imported here. What cannot be had is skipped with the reason; under
``CI`` it fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn

import pytest

from metersdk.dialog.hearing import Hearing
from metersdk.dialog.opening import open_session
from metersdk.dialog.timing import Timing
from metersdk.meter import Meter, plan_for
from metersdk.model.profile import Profile
from metersdk.port.address import open_port, parse_address
from metersdk.port.drive import run
from metersdk.simulator.server import Simulator

ROOT = Path(__file__).resolve().parents[2]
VENVS = ROOT / ".peers"
SCRIPTS = Path(os.environ.get("METERSDK_PEERS", ROOT.parent / "shared" / "peers"))
IMAGE = Path(__file__).with_name("peers.toml")
HERE = Path(__file__).parent
REQUIREMENTS = {
    "gurux": "gurux-dlms==1.0.203",
    "pydlms": "pydlms-client[all]==0.1.0",
    "termineter": "termineter==1.0.6",
}
# Their scripts are part of the tests.
OURS = ("termineter",)
# Seconds: to start a process, to run a reader to its end, to install a venv. Only a hang ever takes so long.
START, RUN, INSTALL = 30.0, 90.0, 600.0
KEPT_LINES = 60

START_OF_ROWS = 1_767_225_600_000  # 2026-01-01T00:00Z in ms
PERIOD = 900_000


def scripts_of(peer: str) -> Path:
    return HERE if peer in OURS else SCRIPTS


def unavailable(peer: str, reason: str) -> NoReturn:
    if os.environ.get("CI") and scripts_of(peer).is_dir():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def clean_environment() -> dict[str, str]:
    """A peer must find its own venv, never the packages of this one."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


class Process:
    """A peer in its own process. Threads drain its output, so that a chatty peer never blocks on a full pipe."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
        )
        self._ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.said: deque[str] = deque(maxlen=KEPT_LINES)
        self.complaints: deque[str] = deque(maxlen=KEPT_LINES)
        self._threads = [
            threading.Thread(target=self._drain, args=(self._process.stdout, self.said, True), daemon=True),
            threading.Thread(target=self._drain, args=(self._process.stderr, self.complaints, False), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _drain(self, stream: IO[str], kept: deque[str], announce: bool) -> None:
        first = announce
        with stream:
            for line in stream:
                kept.append(line)
                if first:
                    first = False
                    self._ready.put(line)
        if first:
            self._ready.put("")

    def first_line(self) -> str:
        """What it prints when it listens; empty if it ended before."""
        try:
            return self._ready.get(timeout=START)
        except queue.Empty:
            return ""

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(5)

    def __str__(self) -> str:
        return f"--- {self.name}: stdout\n{''.join(self.said)}--- {self.name}: stderr\n{''.join(self.complaints)}"


class Lab:
    """Makes the peers' venvs and runs their scripts."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stack = ExitStack()
        self._reasons: dict[str, str] = {}
        self._pythons: dict[str, Path] = {}
        self.running: list[Process] = []

    def close(self) -> None:
        self._stack.close()
        self.running.clear()

    def python(self, peer: str) -> Path:
        """The interpreter of a peer's venv, which is built on first use."""
        if not scripts_of(peer).is_dir():
            unavailable(peer, f"no peers at {SCRIPTS}; set METERSDK_PEERS")
        if peer not in self._pythons and peer not in self._reasons:
            VENVS.mkdir(exist_ok=True)
            # Several test workers may want it at the same time: one builds, the others wait.
            with (VENVS / f"{peer}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    self._pythons[peer] = self._venv(peer)
                except (OSError, subprocess.SubprocessError) as error:
                    output = getattr(error, "stderr", None) or str(error)
                    self._reasons[peer] = f"{REQUIREMENTS[peer]} cannot be installed: {output.strip()[-300:]}"
        if peer in self._reasons:
            unavailable(peer, self._reasons[peer])
        return self._pythons[peer]

    def _venv(self, peer: str) -> Path:
        home, requirement = VENVS / peer, REQUIREMENTS[peer]
        python, stamp = home / "bin" / "python", home / "ready.txt"
        wanted = f"{requirement}\n{sys.version}\n"
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return python
        self._say(f"building {home.relative_to(ROOT)} with {requirement} (once)")
        shutil.rmtree(home, ignore_errors=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", requirement]
        for command in ([sys.executable, "-m", "venv", str(home)], pip):
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALL, env=clean_environment()
            )
        stamp.write_text(wanted, "utf-8")
        return python

    def start(self, peer: str, script: str, *args: str) -> tuple[Process, str]:
        """Start a server -> the process and the line it says when it listens. It ends with the session."""
        process = Process(f"{script} {' '.join(args)}", [str(self.python(peer)), str(scripts_of(peer) / script), *args])
        self._stack.enter_context(process)
        self.running.append(process)
        return process, process.first_line()

    def run(self, peer: str, script: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a reader to its end."""
        command = [str(self.python(peer)), str(scripts_of(peer) / script), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=RUN, env=clean_environment())


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The peers' venvs and processes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\ninterop: {text}\n")

    made = Lab(say)
    request.config.stash[LAB] = made
    yield made
    made.close()


LAB = pytest.StashKey[Lab]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """What the peers said, with every failure."""
    report = yield
    made = item.config.stash.get(LAB, None)
    if report.failed and made is not None:
        report.sections += [("peer", str(process)) for process in made.running[-3:]]
    return report


def free_pair() -> int:
    """A port that is free, and the next one too."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="session")
def gurux_server(lab: Lab) -> dict[str, str]:
    """The targets of the Gurux meter by framing; 1,000 rows; one association at a time for each framing."""
    for _ in range(5):
        port = free_pair()
        _, line = lab.start("gurux", "gurux_server.py", "--port", str(port), "--rows", "1000")
        if line.startswith("READY"):
            return {"hdlc": f"tcp://127.0.0.1:{port}?framing=hdlc", "wrapper": f"tcp://127.0.0.1:{port + 1}"}
    pytest.fail("gurux_server.py does not start")


@pytest.fixture(scope="session")
def pydlms_meter(lab: Lab) -> Callable[..., str]:
    """``pydlms_meter("--hdlc", "--auth", "LLS")`` is the target of a pydlms meter that was started so.

    Each is started once. Where a test leaves a meter changed, ``fresh=True`` gives one of its own.
    """
    known: dict[tuple[str, ...], str] = {}

    def meter(*args: str, fresh: bool = False) -> str:
        if args in known and not fresh:
            return known[args]
        _, line = lab.start("pydlms", "pydlms_simulator.py", *args)
        if not line:
            pytest.fail("pydlms_simulator.py does not start")
        told = json.loads(line)
        if "pty" in told:
            target = f"pty://{told['pty']}?protocol=dlms"
        else:
            target = f"tcp://127.0.0.1:{told['port']}" + ("?framing=hdlc" if "--hdlc" in args else "")
        if not fresh:
            known[args] = target
        return target

    return meter


@pytest.fixture
def open_meter() -> Iterator[Callable[..., Meter]]:
    """``connect`` with settings that its arguments do not reach: ``association={"dedicated": True}`` and the like."""
    with ExitStack() as stack:

        def opened(
            target: str,
            *,
            association: dict[str, Any] | None = None,
            hdlc: dict[str, Any] | None = None,
            **given: Any,
        ) -> Meter:
            address = parse_address(target)
            told = dict.fromkeys(("password", "authentication", "keys", "security", "vendor"))
            told |= {"protocol": "auto", "client": 16, "server": 1, "timing": Timing()} | given
            plan = plan_for(address, **told)
            plan = replace(
                plan,
                association=replace(plan.association, **(association or {})),
                hdlc=replace(plan.hdlc, **(hdlc or {})),
            )
            hearing = Hearing()
            port = open_port(address)
            try:
                meter = Meter(port, run(open_session(plan), port, hearing), hearing)
            except BaseException:
                port.close()
                raise
            stack.callback(meter.close)
            return meter

        yield opened


@pytest.fixture(scope="session")
def assert_rows() -> Callable[..., None]:
    """Every cell of a profile: row i is (start + i * 15 min, i & 255, base + i for each of ``bases``).

    Column values are compared raw and whole; the scaler is the peer's affair.
    """

    def check(profile: Profile, first: int, last: int, bases: tuple[int, ...] = (1000, 2000, 3000, 4000)) -> None:
        numbers = range(first, last + 1)
        assert len(profile) == len(numbers)
        assert not profile.truncated
        assert not profile.findings
        if not numbers:
            return
        assert list(profile.times) == [START_OF_ROWS + PERIOD * i for i in numbers]
        assert set(profile.deviation) == {0}
        assert list(profile.columns[1].raw) == [i & 255 for i in numbers]
        for column, base in zip(profile.columns[2:], bases, strict=True):
            assert list(column.raw) == [base + i for i in numbers]

    return check


@pytest.fixture
def our_meter() -> Iterator[Callable[..., Simulator]]:
    """``our_meter("tcp://127.0.0.1:0?framing=hdlc")``: our simulated meter of ``peers.toml``, for one test."""
    with ExitStack() as stack:
        yield lambda *listen: stack.enter_context(Simulator(str(IMAGE), listen, pace=False))


@pytest.fixture
def run_gurux_client(lab: Lab) -> Callable[..., str]:
    """Run Gurux's client on a target of ours -> what it printed. It must end well unless ``fails``."""

    def client(target: str, *args: str, fails: bool = False) -> str:
        address = parse_address(target)
        framing = ("--wrapper",) if address.framing == "wrapper" else ()
        done = lab.run("gurux", "gurux_client.py", str(address.port), *framing, *args)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return client


@pytest.fixture
def run_pydlms_reader(lab: Lab) -> Callable[..., dict[str, Any]]:
    """Run pydlms's reader on a target of ours -> the JSON it printed. It must end well unless ``fails``."""

    def reader(target: str, *args: str, fails: bool = False) -> dict[str, Any]:
        address = parse_address(target)
        where = [address.path, "--pty"] if address.is_line else [str(address.port)]
        framing = ["--hdlc"] if address.framing == "hdlc" else []
        done = lab.run("pydlms", "pydlms_reader.py", *where, *framing, *args)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return reader
