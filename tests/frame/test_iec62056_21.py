"""IEC 62056-21 messages: reading and writing, whole, octet by octet, and amid noise."""

from __future__ import annotations

import random

import pytest

from metersdk.errors import ChecksumError, DecodeError, LocalProtocolError, MeterError
from metersdk.frame.iec62056_21 import (
    SIGN_OFF,
    BlockScanner,
    Command,
    OptionSelect,
    Request,
    block,
    echo_of,
    find_command,
    find_identification,
    find_option_select,
    find_request,
    from_line,
    line_format,
    looks_slower,
    parse_identification,
    same_address,
    to_line,
)
from metersdk.port.line import garbled

# (text, octets on the line): reference table of 7E1 done in software.
LINE_VECTORS = [
    (b"/?!\r\n", "af3f218d0a"),
    (b"\x06050\r\n", "063035308d0a"),
    (SIGN_OFF, "8142300371"),
]


@pytest.mark.parametrize(("text", "line"), LINE_VECTORS)
def test_7e1_in_software(text: bytes, line: str) -> None:
    assert to_line(text) == bytes.fromhex(line)
    assert from_line(bytes.fromhex(line)) == (text, from_line(b"")[1])


def test_sign_off_is_the_known_vector() -> None:
    assert bytes.fromhex("0142300371") == SIGN_OFF


REQUESTS = [(Request(), b"/?!\r\n"), (Request("00 a1B"), b"/?00 a1B!\r\n"), (Request(start="/#"), b"/#!\r\n")]


@pytest.mark.parametrize(("request_", "octets"), REQUESTS)
@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"\0\0\xff/", b""), (b"/?1!\r", b"/"), (b"!!/?", b"!\r\n")])
def test_request(request_: Request, octets: bytes, before: bytes, after: bytes) -> None:
    assert request_.encode() == octets
    assert find_request(before + octets + after) == (request_, len(before + octets))
    assert all(find_request(before + octets[:cut]) is None for cut in range(len(octets)))


@pytest.mark.parametrize("address", ["1" * 33, "1-0", "ä", "1!"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(LocalProtocolError):
        Request(address).encode()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10203", "000010203", True),
        ("010203", "10203", True),
        ("0", "0000", True),
        ("12", "1 2", False),
        ("ab", "aB", False),
    ],
)
def test_leading_zeros_are_not_evaluated(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same
    assert Request(one).is_for(other) is same
    assert Request("").is_for(other)


IDENTIFICATIONS = [
    # line, manufacturer, Z, options, text, mode, baud, fast
    (rb"/EMH5\@\201LZQJL0013F", "EMH", "5", ("@", "2"), "01LZQJL0013F", "E", 9600, False),
    (rb"/LGZ4\2ZMD120APt.G03", "LGZ", "4", ("2",), "ZMD120APt.G03", "E", 4800, False),
    (rb"/MCS5\@V0050710000051", "MCS", "5", ("@",), "V0050710000051", "C", 9600, False),
    (b"/ISk5MT174-0001", "ISk", "5", (), "MT174-0001", "C", 9600, True),
    (b"/LUGCUH50", "LUG", "C", (), "UH50", "B", 2400, False),
    (b"/ABC0", "ABC", "0", (), "", "C", 300, False),
    (b"/YTL:0015", "YTL", ":", (), "0015", "A", 300, False),
    (b"/ABC7X", "ABC", "7", (), "X", "C", None, False),
    (b"/ABCGX", "ABC", "G", (), "X", "B", None, False),
]


@pytest.mark.parametrize(("line", "manufacturer", "z", "options", "text", "mode", "baud", "fast"), IDENTIFICATIONS)
def test_identification(
    line: bytes, manufacturer: str, z: str, options: tuple[str, ...], text: str, mode: str, baud: int, fast: bool
) -> None:
    found = parse_identification(line)
    assert found is not None
    assert (found.manufacturer, found.baud_character, found.options, found.text) == (manufacturer, z, options, text)
    assert (found.mode, found.baud(), found.is_fast) == (mode, baud, fast)
    assert found.encode() == line + b"\r\n"
    assert found.findings == ()


def test_reserved_speeds_only_on_request() -> None:
    speeds = [parse_identification(f"/ABC{z}X".encode()).baud(reserved=True) for z in "789"]  # type: ignore[union-attr]
    assert speeds == [38400, 57600, 115200]


@pytest.mark.parametrize("before", [b"", b"\0\0\0", b"/?!\r\n", b"noise\n\x7f\x7f", b"/AB/", b"/?0012!\r\n\0/"])
def test_identification_amid_noise(before: bytes) -> None:
    line = b"/ISk5MT174-0001\r\n"
    stream = before + line + b"\x02F.F(00)"
    found = find_identification(stream)
    assert found is not None
    identification, start, end = found
    assert identification.raw == line[:-2] == stream[start : end - 2]
    assert end == len(before + line)
    assert all(find_identification(stream[:cut]) is None for cut in range(end))


def test_identification_loses_what_light_makes() -> None:
    found = find_identification(b"\x7f/IS\0k5M\x7fT174\r\n")
    assert found is not None and found[0].raw == b"/ISk5MT174"


@pytest.mark.parametrize("line", [b"/?!", b"/AB", b"ABC5X", b"/ABC5" + b"x" * 65, b"/A-C5x", b"", b"/ABC5a!b"])
def test_no_identification(line: bytes) -> None:
    assert parse_identification(line) is None


def test_identification_liberties_are_findings() -> None:
    found = parse_identification(b"xx/A1C5" + b"y" * 17 + b"\x01")
    assert found is not None
    assert [f.code for f in found.findings] == [
        "before-identification",
        "manufacturer",
        "identification-length",
        "identification-characters",
    ]


@pytest.mark.parametrize(
    "select", [OptionSelect("0", "5", "0"), OptionSelect("2", "6", "2"), OptionSelect("0", ":", "1")]
)
def test_option_select(select: OptionSelect) -> None:
    octets = select.encode()
    assert find_option_select(b"\x06\0" + octets + b"\x06") == (select, 2 + len(octets))
    assert all(find_option_select(octets[:cut]) is None for cut in range(len(octets)))


COMMANDS = [
    (Command("P", "0", b"()"), "0150300228290360"),
    (Command("P", "1", b"(00000000)"), "01503102283030303030303030290361"),
    (Command("R", "5", b"0.9.2()"), "01523502302e392e322829035c"),
    (Command("R", "5", b"0.9.1()"), "01523502302e392e312829035f"),
    (Command("B", "0"), "0142300371"),
]


@pytest.mark.parametrize(("command", "octets"), COMMANDS)
def test_command(command: Command, octets: str) -> None:
    frame = bytes.fromhex(octets)
    assert command.encode() == frame
    assert Command.decode(frame) == command
    assert find_command(b"\x06" + frame + b"\x01") == (frame, 1 + len(frame))
    assert all(find_command(frame[:cut]) is None for cut in range(len(frame)))
    with pytest.raises(ChecksumError):
        Command.decode(frame[:-1] + bytes((frame[-1] ^ 1,)))
    for cut in range(len(frame)):
        with pytest.raises(MeterError):
            Command.decode(frame[:cut])


def test_command_is_not_what_it_is_not() -> None:
    for frame in (b"", b"\x01P1x(1)\x03\x00", b"\x02abc\x03\x00", b"\x01B0\x02\x02"):
        with pytest.raises(DecodeError):
            Command.decode(frame)


def test_a_password_is_not_shown() -> None:
    assert "1234" not in repr(Command("P", "1", b"(12345678)"))


def scan(data: bytes, size: int, **options: bool) -> tuple[BlockScanner, bytes, int]:
    scanner, text, used = BlockScanner(**options), b"", 0
    for at in range(0, len(data), size):
        piece, taken = scanner.feed(data[at : at + size])
        text, used = text + piece, used + taken
        if scanner.end is not None:
            break
    return scanner, text, used


BODY = b"F.F(00000000)\r\n1.8.0(001846.0*kWh)\r\n!\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("before", [b"", b"\x06050\r\n", b"?", b"\0\xff" * 300])
@pytest.mark.parametrize("partial", [False, True])
def test_block(size: int, before: bytes, partial: bool) -> None:
    message = before + block(BODY, partial=partial)
    scanner, text, used = scan(message + b"\x7e\xa0", size)
    assert text == BODY
    assert used == len(message)
    assert scanner.end is not None and scanner.end.proved is True and scanner.end.partial is partial
    assert [f.code for f in scanner.findings] == (["question-mark"] if before == b"?" else [])
    for cut in range(len(message)):
        assert scan(message[:cut], size)[0].end is None


@pytest.mark.parametrize("at", range(1, len(BODY) + 1))
def test_a_damaged_block_is_not_proved(at: int) -> None:
    damaged = bytearray(block(BODY))
    damaged[at] ^= 0x10
    end = scan(bytes(damaged), 1000)[0].end
    assert end is None or end.proved is not True


@pytest.mark.parametrize("check", [0x0D, 0x0A])
def test_a_bcc_behind_a_late_end_mark_may_look_like_a_line_end(check: int) -> None:
    bodies = (b"1.8.0(%c)\r\n" % value for value in range(0x30, 0x7F))
    body = next(body for body in bodies if block(body)[-1] == check)
    scanner, text, _ = scan(b"\x02" + body + b"\x03!\r\n" + bytes((check,)), 1)
    assert text == body and scanner.end is not None and scanner.end.proved is True


@pytest.mark.parametrize("size", [1, 1000])
def test_block_liberties(size: int) -> None:
    # ETX before the end mark; the BCC over all of it, or up to ETX.
    for check in (block(BODY[:-3])[-1], block(BODY[:-3])[-1] ^ 0x21 ^ 0x0D ^ 0x0A):
        scanner, text, _ = scan(b"\x02" + BODY[:-3] + b"\x03!\r\n" + bytes((check,)), size)
        assert text == BODY[:-3]
        assert scanner.end is not None and scanner.end.proved is True
        assert [f.code for f in scanner.findings] == ["etx-before-end"]
    # No BCC; no ETX either; no STX at all.
    for message, codes, framed in (
        (b"\x02" + BODY + b"\x03", ["bcc-missing"], True),
        (b"\x02" + BODY, ["etx-missing"], True),
        (BODY, ["stx-missing", "etx-missing"], False),
    ):
        scanner, text, _ = scan(message, size)
        assert text == BODY
        assert scanner.end is None
        end = scanner.finish()
        assert end is not None and end.proved is None
        assert [f.code for f in scanner.findings] == codes
        assert scanner.framed is framed
    # NULs amid the text do not touch the BCC.
    scanner, text, _ = scan(block(BODY).replace(b"8", b"\x008"), size)
    assert text == BODY and scanner.end is not None and scanner.end.proved
    assert scan(b"\x021.8.0(12", size)[0].finish() is None


def test_block_without_stx_proves_nothing() -> None:
    scanner, _, used = scan(block(BODY)[4:], 3)
    assert scanner.end is not None and scanner.end.proved is None and scanner.end.check is not None
    assert used == len(block(BODY)[4:])


def test_sum_for_bcc() -> None:
    body = b"1.8.0(1)\x03"
    message = b"\x02" + body + bytes((sum(body) & 0x7F,))
    assert scan(message, 4, add=True)[0].end.proved is True  # type: ignore[union-attr]
    assert scan(message, 4)[0].end.proved is False  # type: ignore[union-attr]


def test_scanner_memory_is_bounded() -> None:
    scanner = BlockScanner()
    for _ in range(100):
        scanner.feed(b"x" * 1000)
    assert len(scanner.preamble) <= 512


ECHO_SENT = b"/?12345678!\r\n"


@pytest.mark.parametrize(
    ("seen", "kind", "length"),
    [
        (ECHO_SENT, "full", 13),
        (ECHO_SENT + b"/ABC5", "full", 13),
        (b"/?145678!\r\n\x02F", "partial", 11),
        (b"?12345x78!\r\n", "partial", 12),
        (b"/ABC5METER\r\n", "none", 0),
        (b"\x02F.F(00)", "none", 0),
        (b"", "none", 0),
    ],
)
def test_echo(seen: bytes, kind: str, length: int) -> None:
    assert echo_of(ECHO_SENT, seen) == (kind, length)
    assert echo_of(b"", seen) == ("none", 0)


def test_echo_leaves_the_answer() -> None:
    assert echo_of(b"\x06050\r\n", b"\x0650\n\x02F.F(00)") == ("partial", 4)


@pytest.mark.parametrize("ratio", [2, 4, 8, 16, 32, 64])
def test_300_baud_read_at_more(ratio: int) -> None:
    heard = garbled(to_line(BODY[:8]), 300, 300 * ratio).data
    assert looks_slower(heard, ratio)
    assert not looks_slower(to_line(BODY[:8]), ratio)
    assert not looks_slower(heard[:2], ratio)


@pytest.mark.parametrize(
    ("form", "bits"),
    [("7E1", to_line), ("7O1", lambda t: bytes(o ^ 0x80 for o in to_line(t))), ("8N1", bytes)],
)
def test_line_format(form: str, bits: type) -> None:
    octets = bits(BODY)
    odd = len(from_line(octets)[1])
    assert line_format(len(octets), odd, sum(o >> 7 for o in octets)) == form
    assert line_format(7, 7, 0) == ""


@pytest.mark.parametrize(("form", "told"), [("7E1", "7E1"), ("8N1", "8N1")])
def test_line_format_of_a_message_of_zeros(form: str, told: str) -> None:
    message = b"\x01P0\x02(00000000)\x03\x60"
    octets = to_line(message) if form == "7E1" else message
    high = sum(o >> 7 for o in octets)
    assert line_format(len(octets), len(from_line(octets)[1]), high) == told
    # One damaged octet is not enough to say that there is no parity.
    assert line_format(16, 1, 0) == line_format(16, 2, 3) == "7E1"


def test_scanners_accept_anything() -> None:
    chance = random.Random(21)
    alphabet = b"\0\x01\x02\x03\x04\x06/?!()*.\r\n\\ABC059\xff"
    for _ in range(3000):
        data = bytes(chance.choice(alphabet) for _ in range(chance.randrange(60)))
        find_request(data)
        find_identification(data)
        find_option_select(data)
        found = find_command(data)
        if found:
            try:
                Command.decode(found[0])
            except MeterError:
                pass
        whole, split = scan(data, 1000), scan(data, 1)
        assert whole[2] <= len(data)
        assert (whole[0].end is None) == (split[0].end is None) or not whole[0].framed
