"""listen: telegrams of a meter that speaks by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from push_rig import P1

from metersdk.apdu.axdr import encode_length
from metersdk.apdu.cipher import seal
from metersdk.apdu.keys import Secret

EK, AK = "000102030405060708090A0B0C0D0E0F", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"
SML = "sim://residential?speech=sml"


def test_for_people(cli: Any) -> None:
    ran = cli("listen", SML, "--count", "2")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("telegram")] == ["telegram", "telegram"]
    assert any(line.startswith("1.0.1.8.0.255") and line.endswith("Wh") for line in lines)
    assert "1MSK0012345678" in ran.err


def test_one_document(cli: Any) -> None:
    ran = cli("listen", "sim://residential?speech=p1", "--json")
    (telegram,) = ran.document["telegrams"]
    assert (telegram["protocol"], telegram["baud"], telegram["proved"]) == ("p1", 115200, True)
    assert telegram["time"] and telegram["sec_index"] is None
    assert {"obis", "value", "unit", "time", "status", "raw", "sec_index", "name"} == set(telegram["readings"][0])


def test_lines_as_they_come(cli: Any) -> None:
    ran = cli("listen", "sim://residential?mode=D", "--jsonl", "--count", "3")
    assert [line["type"] for line in ran.lines] == ["telegram"] * 3
    assert ran.lines[0]["protocol"] == "iec62056-21:D"


def test_nobody_speaks(cli: Any) -> None:
    ran = cli("listen", "sim://residential", "--count", "1", "--json")
    assert ran.code == 4
    assert ran.error["class"] == "NoAnswer" and ran.error["hint"]


def test_scan_finds_what_was_heard(cli: Any, tmp_path: Any) -> None:
    from metersdk.simulator.image import Image
    from metersdk.simulator.pusher import sml_file

    path = tmp_path / "heard.bin"
    path.write_bytes(b"\0\xff" + sml_file(Image.load("residential").device(), 1))
    assert cli("scan", path, "--kind", "sml").code == 0


@pytest.fixture
def ciphering() -> Iterator[str]:
    """A P1 port behind a socket, whose meter ciphers what it sends."""
    title, done = b"SAG\x67\x40\x01\x02\x03", threading.Event()

    def serve(server: socket.socket) -> None:
        with server.accept()[0] as client:
            for counter in range(1, 1000):
                plain = seal(0x30, counter, title, Secret.from_hex(EK), Secret.from_hex(AK), P1)
                body = b"\x30" + counter.to_bytes(4, "big") + plain
                try:
                    client.sendall(b"\xdb\x08" + title + encode_length(len(body)) + body)
                except OSError:
                    return
                if done.wait(0.05):
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join()


def test_ciphered_telegrams_with_a_key_file(cli: Any, ciphering: str, key_file: str, tmp_path: Any) -> None:
    ran = cli("listen", ciphering, "--key-file", key_file, "--count", "2", "--json")
    assert ran.code == 0, ran.err
    assert [(each["protocol"], each["proved"]) for each in ran.document["telegrams"]] == [("p1", True)] * 2
    # Nothing is sent, so no counter of this client is used.
    assert list(tmp_path.glob("state/**/counters.json")) == [] and EK not in ran.out + ran.err


def test_ciphered_telegrams_without_a_key(cli: Any, ciphering: str) -> None:
    ran = cli("listen", ciphering, "--count", "1", "--json")
    assert ran.code == 6 and ran.error["class"] == "SecurityError" and "--key-file" in ran.error["hint"]
