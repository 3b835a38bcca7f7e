"""An independent dissector reads our messages of C12.22, and checks what EAX' proves: Wireshark's tshark.

Skipped where there is no tshark. It is Debian's and Ubuntu's package ``tshark``; 4.0 and later have been tried.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pcap import Payload, pcap
from psem_rig import PASSWORD, MemoryDevice, content

from metersdk.apdu import psem
from metersdk.apdu.c1222 import NOTIFICATION, URGENT, Control, Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_titles import NETWORK, ApTitle
from metersdk.apdu.keys import RisingCounter, Secret
from metersdk.dialog.c1222 import C1222Settings, C1222Transport
from metersdk.dialog.c1222_meter import C1222Meter, serve_c1222
from metersdk.dialog.psem import Psem, SignOn
from metersdk.effects import Dialog
from metersdk.frame.c1222 import C1222_PORT
from metersdk.port.drive import run
from metersdk.port.line import LineModel
from metersdk.port.virtual import VirtualPort

pytestmark = pytest.mark.interop

KEY_ID, KEY = 2, "000102030405060708090a0b0c0d0e0f"
METER, CLIENT = ApTitle.parse(".123.8437"), ApTitle.parse("1.3.6.1.4.1.33507.1919.4")
FIELDS = ("cmd", "err", "crypto_good", "crypto_bad", "epsem.edclass", "epsem.mac", "calling_AP_invocation_id",
          "called_ap_title_rel", "read.table", "logon.user", "security.password", "_ws.expert.message")  # fmt: skip
OPTIONS = (
    "c1222.decrypt:TRUE",
    f"c1222.baseoid:{NETWORK}",
    f'uat:c1222_decryption_table:"{KEY_ID}",{KEY}',
)


@pytest.fixture(scope="session")
def tshark() -> str:
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("tshark is not installed: `apt-get install tshark` brings the dissector of C12.22")
    return found


def dissected(tshark: str, packets: list[Payload], where: Path) -> list[dict[str, str]]:
    """What tshark says of each packet."""
    capture = where / "c1222.pcap"
    capture.write_bytes(pcap(packets, C1222_PORT))
    names = [name if name.startswith("_") else f"c1222.{name}" for name in FIELDS]
    asked = [tshark, "-n", "-r", str(capture), "-T", "fields", "-E", "separator=|"]
    asked += [word for option in OPTIONS for word in ("-o", option)]
    asked += [word for name in names for word in ("-e", name)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True)
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in done.stdout.splitlines()]


def session(mode: SecurityMode, datagram: bool) -> list[Payload]:
    """Both directions of a session with a meter."""
    device = MemoryDevice({0: content(0, 60), 1: content(1, 32), 6: content(6, 2000)})
    meter = C1222Meter(title=METER, keys={KEY_ID: Secret.from_hex(KEY)}, datagram=datagram, security=mode)
    port = VirtualPort(serve_c1222(device, meter), LineModel(coalesce=0.0))
    settings = C1222Settings(
        called=METER,
        calling=CLIENT,
        security=mode,
        key=Secret.from_hex(KEY),
        key_id=KEY_ID,
        vectors=RisingCounter(1_700_000_000),
        datagram=datagram,
    )
    client = Psem(C1222Transport(settings))

    def reading() -> Dialog[None]:
        yield from client.sign_on(SignOn(user="reader", password=PASSWORD, idle=60))
        yield from client.read(1)
        yield from client.read(6, offset=0, count=600)
        yield from client.write(6, bytes(40), offset=100, allow=True)
        yield from client.wait(5)
        yield from client.close()

    run(reading(), port)
    ways = {"client": (50000, C1222_PORT), "server": (C1222_PORT, 50000)}
    return [Payload(*ways[event.side], event.data, datagram) for event in port.log if event.kind == "send"]


@pytest.mark.parametrize("datagram", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("mode", list(SecurityMode), ids=lambda mode: mode.name.lower())
def test_a_session(tshark: str, mode: SecurityMode, datagram: bool, tmp_path: Path) -> None:
    packets = session(mode, datagram)
    told = dissected(tshark, packets, tmp_path)
    asked, answered = told[::2], told[1::2]
    assert [one["cmd"] for one in asked] == ["0x20", "0x50", "0x51", "0x30", "0x3f", "0x4f", "0x70", "0x52", "0x21"]
    assert [one["err"] for one in answered] == ["0x00"] * 9
    assert asked[1]["logon.user"].strip() == "reader" and asked[2]["security.password"].startswith("secret")
    assert [one["read.table"] for one in asked[3:5]] == ["0x0001", "0x0006"]
    assert {one["called_ap_title_rel"] for one in asked} == {str(METER)}
    assert not any(one["_ws.expert.message"] for one in told)
    good, bad = ("", "") if mode is SecurityMode.CLEAR else ("1", "0")
    assert {(one["crypto_good"], one["crypto_bad"]) for one in told} == {(good, bad)}
    macs = [Message.decode(one.octets).mac.hex() for one in packets]
    assert [one["epsem.mac"] for one in told] == macs


MECHANISM = ApTitle.parse("2.16.124.113620.1.22.1")
ELEMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"called_id": 0x7FFF_FFFF},
    {"calling_id": 0x81020304},
    {"numbers": ((0xA8, b"\0\0\3"),)},
    {"qualifier": NOTIFICATION | URGENT},
    {"mechanism": MECHANISM},
    {"qualifier": 1, "mechanism": MECHANISM, "called_id": 5},
    {"ed_class": b"MSK1"},
    {"control": Control(response=ResponseControl.NEVER, proxy=True, recovery=True)},
    {"calling": None},
    {"context": NETWORK},
)


@pytest.mark.parametrize("mode", [SecurityMode.AUTHENTICATED, SecurityMode.CIPHERED], ids=["auth", "cipher"])
def test_every_element_is_where_the_standard_has_it(tshark: str, mode: SecurityMode, tmp_path: Path) -> None:
    packets = []
    for more in ELEMENTS:
        fields = {"called": METER, "calling": CLIENT, "calling_id": 3, "key_id": KEY_ID, "iv": 1_700_000_000, **more}
        numbers = fields.pop("numbers", ())
        plain = Message.of((b"\x20", psem.Read(1).encode()), **fields)
        octets = replace(plain, numbers=numbers).protected(mode, Secret.from_hex(KEY)).encode()
        packets += [octets, octets[:-1] + bytes((octets[-1] ^ 1,))]
    told = dissected(tshark, [Payload(50000, C1222_PORT, octets) for octets in packets], tmp_path)
    for more, right, damaged in zip(ELEMENTS, told[::2], told[1::2], strict=True):
        assert (right["crypto_good"], right["crypto_bad"], right["cmd"]) == ("1", "0", "0x20,0x30"), more
        assert bytes.fromhex(right["epsem.edclass"]) == more.get("ed_class", b"")
        assert (damaged["crypto_good"], damaged["crypto_bad"]) == ("0", "1"), more
