"""What a user may write as a target, and what is told to him when it cannot be read."""

from __future__ import annotations

import pytest

from metersdk.errors import LocalProtocolError
from metersdk.port.address import Address, open_port, parse_address
from metersdk.port.virtual import VirtualPort


@pytest.mark.parametrize(
    ("target", "address", "text"),
    [
        ("/dev/ttyUSB0", Address("serial", path="/dev/ttyUSB0"), "/dev/ttyUSB0"),
        (" COM3 ", Address("serial", path="COM3"), "COM3"),
        ("\\\\.\\COM12", Address("serial", path="\\\\.\\COM12"), "\\\\.\\COM12"),
        (
            "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0",
            Address("serial", path="/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0"),
            "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0",
        ),
        (
            "/dev/ttyUSB0?baud=9600&format=7e1&drain=compute&dtr=0",
            Address("serial", path="/dev/ttyUSB0", baud=9600, format="7E1", drain="compute", dtr=False),
            "/dev/ttyUSB0",
        ),
        ("serial:///dev/ttyS1", Address("serial", path="/dev/ttyS1"), "/dev/ttyS1"),
        ("pty:///dev/pts/7", Address("pty", path="/dev/pts/7"), "pty:///dev/pts/7"),
        ("tcp://192.0.2.1", Address("tcp", host="192.0.2.1", port=4059), "tcp://192.0.2.1:4059"),
        (
            "TCP://meter.example:5000?framing=hdlc&timeout=3",
            Address("tcp", host="meter.example", port=5000, framing="hdlc", timeout=3.0),
            "tcp://meter.example:5000",
        ),
        ("udp://[2001:db8::1]", Address("udp", host="2001:db8::1", port=4059), "udp://[2001:db8::1]:4059"),
        ("rfc2217://gw:2217", Address("rfc2217", host="gw", port=2217), "rfc2217://gw:2217"),
        ("socket://gw:2000", Address("tcp", host="gw", port=2000, framing="optical"), "tcp://gw:2000"),
        ("listen://:4059", Address("listen", port=4059), "listen://:4059"),
        ("listen://", Address("listen", port=4059), "listen://:4059"),
        ("sim://demo", Address("sim", path="demo"), "sim://demo"),
        (
            "trace://reading.jsonl?strict=0",
            Address("trace", path="reading.jsonl", strict=False),
            "trace://reading.jsonl",
        ),
    ],
)
def test_targets(target: str, address: Address, text: str) -> None:
    assert parse_address(target) == address
    assert str(address) == text
    assert parse_address(address) is address


def test_keys_of_connect_are_handed_through() -> None:
    address = parse_address("tcp://m?client=1&server=16&protocol=dlms&authentication=high-gmac")
    assert dict(address.options) == {"client": "1", "server": "16", "protocol": "dlms", "authentication": "high-gmac"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "empty"),
        ("ftp://host", "ftp:// is no kind of target"),
        ("192.0.2.1:4059", "no device"),
        ("tcp://", "host is missing"),
        ("tcp://host:port", "cannot be read"),
        ("tcp://host:70000", "cannot be read"),
        ("tcp://[::1", "cannot be read"),
        ("tcp://host/path", "nothing but host:port"),
        ("tcp://user:pw@host", "no user or password"),
        ("rfc2217://gw", "port is missing"),
        ("socket://gw", "port is missing"),
        ("sim://", "must follow"),
        ("/dev/ttyUSB0?speed=9600", "speed is no key"),
        ("/dev/ttyUSB0?baud=fast", "positive whole number"),
        ("/dev/ttyUSB0?baud=0", "positive whole number"),
        ("/dev/ttyUSB0?baud=1&baud=2", "twice"),
        ("/dev/ttyUSB0?format=9N1", "format=9N1 is unknown"),
        ("tcp://h?framing=mbus", "framing=mbus is unknown"),
        ("tcp://h?password=1234", "does not belong"),
    ],
)
def test_what_cannot_be_read_is_told(target: str, message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message) as told:
        parse_address(target)
    assert "1234" not in str(told.value) + told.value.hint
    assert "pw" not in str(told.value).replace("password", "")


def test_an_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(LocalProtocolError) as told:
        parse_address("tcp://h?frames=hdlc")
    assert "framing" in told.value.hint


def test_lines_and_datagrams() -> None:
    assert parse_address("COM3").is_line and parse_address("rfc2217://g:1").is_line
    assert not parse_address("tcp://h").is_line and parse_address("udp://h").is_datagram
    assert parse_address("COM3").char_bits == parse_address("COM3?format=7E1").char_bits == 10
    assert parse_address("COM3?format=8E1").char_bits == 11


def test_who_opens_what_ports_do_not_know() -> None:
    def silence(address: Address) -> VirtualPort:
        return VirtualPort((effect for effect in ()), name=str(address))  # type: ignore[arg-type]

    assert open_port("sim://demo", openers={"sim": silence}).name == "sim://demo"
    with pytest.raises(LocalProtocolError, match="nobody here opens"):
        open_port("sim://demo")


@pytest.mark.parametrize(
    "target",
    ["tcp://" + "a" * 64 + ":1", "tcp://a..b:1", "udp://..", "rfc2217://a..b:1", "listen://a..b:1"],
)
def test_a_host_that_no_resolver_takes(target: str) -> None:
    with pytest.raises(LocalProtocolError, match="no host name"):
        parse_address(target)


@pytest.mark.parametrize("target", ["/dev/tty\0", "trace://a%00b", "sim://a\0", "tcp://a%00b:1"])
def test_a_nul_in_a_target(target: str) -> None:
    with pytest.raises(LocalProtocolError, match="NUL"):
        parse_address(target)
