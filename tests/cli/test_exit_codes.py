"""Every end of a command has its exit code, its line, and its JSON object (docs/cli.md)."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from metersdk.simulator.faults import Faults
from metersdk.simulator.server import Simulator

SIM = "sim://residential"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def proved(cli: Any, code: int, kind: str, *words: object, retryable: bool | None = None) -> Any:
    """Runs it twice, for people and for programs."""
    ran = cli(*words)
    assert ran.code == code, ran.err
    assert ran.out == "" and "Traceback" not in ran.err
    told = cli(*words, "--json")
    assert told.code == code and told.out == ""
    error = told.error
    assert (error["class"], error["exit_code"]) == (kind, code)
    if retryable is not None:
        assert error["retryable"] is retryable
    return ran, error


def test_closed_port(cli: Any) -> None:
    ran, error = proved(cli, 3, "PortError", "identify", f"tcp://127.0.0.1:{closed_port()}")
    assert ran.err.splitlines()[1].startswith("hint: ") and error["hint"]


def test_no_such_device(cli: Any) -> None:
    proved(cli, 3, "PortNotFound", "identify", "/dev/no-such-device")


def test_output_that_cannot_be_written(cli: Any) -> None:
    ran = cli("profile", SIM, "--out", "/no/such/folder/x.csv")
    assert ran.code == 3 and ran.err == (
        "error: --out /no/such/folder/x.csv: there is no folder /no/such/folder\nhint: make it first\n"
    )


def test_silence(cli: Any) -> None:
    with Simulator("residential", ["tcp://127.0.0.1:0"], faults=Faults(silent=True)) as simulator:
        words = ("identify", simulator.targets[0], "--timeout", 0.1)
        proved(cli, 4, "NoAnswer", *words)
        ran = cli(*words, "--timeout", 30, "--total", 0.1)
        assert ran.code == 4 and "0.1 s" in ran.err


def test_hang_up(cli: Any) -> None:
    with Simulator("residential", ["tcp://127.0.0.1:0"], faults=Faults(busy=True)) as simulator:
        proved(cli, 4, "PortClosed", "identify", simulator.targets[0])


def test_rubbish(cli: Any, answering: Any) -> None:
    target = answering(b"\xde\xad\xbe\xef" * 4)
    _, error = proved(cli, 5, "FrameError", "identify", target, "--timeout", 0.5)
    assert error["layer"] == "frame"


@pytest.mark.parametrize(("spoken", "asked"), [("hdlc", "wrapper"), ("wrapper", "hdlc")])
def test_another_framing_than_the_meters(cli: Any, spoken: str, asked: str) -> None:
    with Simulator("residential", [f"tcp://127.0.0.1:0?framing={spoken}"]) as simulator:
        place = simulator.targets[0].partition("?")[0]
        ran = cli("identify", f"{place}?framing={asked}", "--timeout", 0.5)
    assert ran.code == 4 and f"?framing={spoken}" in ran.err and "probe" not in ran.err


def test_wrong_password(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_PASSWORD", "hunter22")
    words = ("identify", SIM, "--client", 2, "--password-from", "env:METER_PASSWORD")
    ran, error = proved(cli, 6, "AuthenticationFailed", *words, retryable=False)
    assert "hunter22" not in ran.err + str(error)


def test_wrong_key(cli: Any, tmp_path: Any) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('encryption = "{0}"\nauthentication = "{0}"\ninvocation_counter = 1\n'.format("5A" * 16))
    path.chmod(0o600)
    ran = cli("identify", SIM, "--client", 1, "--key-file", path)
    assert ran.code == 6 and "5A5A" not in (ran.out + ran.err).upper()


def test_refused_attribute(cli: Any) -> None:
    ran, error = proved(cli, 7, "DataAccessError", "get", SIM, 3, "1.8.0", 9)
    assert "read-write-denied" in ran.err and "more rights" in error["hint"]


def test_busy_device(cli: Any) -> None:
    with Simulator("residential", ["pty"], faults=Faults(busy=True)) as simulator:
        proved(cli, 9, "PortBusy", "identify", simulator.targets[0])


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("identify", "nope://x"), "LocalProtocolError"),
        (("identify", f"{SIM}?colour=red"), "LocalProtocolError"),
        (("identify", "sim://no-such-image"), "LocalProtocolError"),
        (("identify",), "UsageError"),
        (("identify", SIM, "--nonsense"), "UsageError"),
        (("no-such-command",), "UsageError"),
        (("read", SIM, "not.a.code"), "UsageError"),
        (("read", SIM, "1.0.1.8.0.256"), "UsageError"),
        (("read", SIM), "UsageError"),
        (("get", SIM, "three", "1.8.0", 2), "UsageError"),
        (("profile", SIM, "--last", "7x"), "LocalProtocolError"),
        (("profile", SIM, "--last", "7d", "--entries", "1-2"), "UsageError"),
        (("profile", SIM, "--entries", "9-2"), "UsageError"),
        (("profile", SIM, "--from", "yesterday"), "LocalProtocolError"),
        (("profile", SIM, "--columns", "1.8.0,zz"), "LocalProtocolError"),
        (("profile", SIM, "--out", "x.docx"), "UsageError"),
        (("clock", SIM, "--protocol", "morse"), "UsageError"),
        (("objects", SIM, "--protocol", "iec62056-21"), "LocalProtocolError"),
    ],
)
def test_used_wrongly(cli: Any, words: tuple[object, ...], kind: str) -> None:
    proved(cli, 2, kind, *words)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("regsters", SIM), "Did you mean 'registers'?"),
        (("registers", SIM, "--jsn"), "--json"),
        (("registers", SIM, "--password-from", "env:NO_SUCH_VARIABLE"), "export NO_SUCH_VARIABLE="),
    ],
)
def test_what_was_meant_is_named(cli: Any, words: tuple[str, ...], wanted: str) -> None:
    ran = cli(*words)
    assert ran.code == 2 and wanted in ran.err
    assert cli("xyzzy").err.rstrip().endswith("No such command 'xyzzy'.")


def test_interrupted(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("metersdk.cli.options.connect", interrupt)
    proved(cli, 130, "Interrupted", "identify", SIM)


def test_help_and_version(cli: Any) -> None:
    ran = cli("--help")
    assert ran.code == 0 and "130 interrupted" in ran.out and "simulate" in ran.out
    assert cli("--version").code == 0
    for command in ("identify", "read", "profile", "set", "scan", "trace", "simulate", "demo"):
        assert cli(command, "--help").code == 0
