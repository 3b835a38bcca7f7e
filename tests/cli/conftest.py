"""The command line in this process, and meters for it to read."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from metersdk.cli.app import app
from metersdk.simulator.faults import parse_faults
from metersdk.simulator.server import Simulator

# The residential image behind a sign-on at 300 Bd, under a virtual clock.
SIM = "sim://residential"
READER = ["--client", "2", "--password-from", "env:METER_PASSWORD"]
MANAGER = ["--client", "3", "--authentication", "high-md5", "--password-from", "env:METER_PASSWORD"]
PASSWORD = "12345678"
EK, AK = "000102030405060708090A0B0C0D0E0F", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"


@dataclass(frozen=True)
class Ran:
    """One command line: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout, which must be all there is."""
        found: dict[str, Any] = json.loads(self.out)
        assert found["schema_version"] == 1
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(line["schema_version"] == 1 for line in found)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The JSON error on stderr, its last line."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        assert found["schema_version"] == 1
        return found["error"]  # type: ignore[no-any-return]


Run = Callable[..., Ran]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Run:
    """Runs one command line; the state directory is the test's own."""
    monkeypatch.setenv("METER_PASSWORD", PASSWORD)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*args: object, stdin: str | bytes | None = None) -> Ran:
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Signals as in the foreground: a shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP
    ignored, and children inherit that."""
    handlers = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def tcp() -> Iterator[str]:
    """A simulated meter over TCP; what is set in it stays set."""
    with Simulator("residential", ["tcp://127.0.0.1:0"]) as simulator:
        yield simulator.targets[0]


@pytest.fixture
def hanging_up() -> Iterator[Callable[[int], str]]:
    """A simulated meter that closes the connection after so many octets; gives its target."""
    with ExitStack() as stack:

        def serve(octets: int) -> str:
            faults = parse_faults([f"close-after={octets}"])
            return stack.enter_context(Simulator("bench", ["tcp://127.0.0.1:0"], faults=faults)).targets[0]

        yield serve


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """A TCP server that answers whatever it is asked with the same octets; gives its target."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(answer: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threads.append(threading.Thread(target=_serve, args=(server, answer)))
        threads[-1].start()
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join()


def _serve(server: socket.socket, answer: bytes) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            while client.recv(4096):
                client.sendall(answer)


@pytest.fixture
def key_file(tmp_path: Any) -> str:
    """The keys of the simulated meter's management client."""
    path = tmp_path / "keys.toml"
    path.write_text(f'encryption = "{EK}"\nauthentication = "{AK}"\n')
    path.chmod(0o600)
    return str(path)
