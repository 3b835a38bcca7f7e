"""What `fast` promises, asked of the C kernel and of its Python twin alike."""

from __future__ import annotations

import mmap
from array import array
from pathlib import Path
from types import ModuleType

import pytest

from metersdk import fast
from metersdk.fast import Reason, pure

try:
    from metersdk.fast import native
except ImportError:
    native = None  # type: ignore[assignment]

TWINS = [
    pytest.param(pure, id="python"),
    pytest.param(native, id="c", marks=pytest.mark.skipif(native is None, reason="the C kernel is not built")),
]


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def rows(columns: tuple[array[int], array[int], array[int]]) -> list[tuple[int, int, Reason]]:
    offsets, lengths, reasons = columns
    assert (offsets.typecode, lengths.typecode, reasons.typecode) == ("Q", "I", "B")
    return [(offset, length, Reason(reason)) for offset, length, reason in zip(offsets, lengths, reasons, strict=True)]


def with_crc(body: bytes) -> bytes:
    return body + pure.crc16(body).to_bytes(2, "little")


def hdlc(information: bytes = b"", addresses: bytes = b"\x03\x21", control: int = 0x13) -> bytes:
    size = 2 + len(addresses) + 1 + (2 + len(information) if information else 0) + 2
    header = (0xA000 | size).to_bytes(2, "big") + addresses + bytes([control])
    return b"\x7e" + with_crc(with_crc(header) + information if information else header) + b"\x7e"


def iec(text: bytes, start: bytes = b"\x02", end: bytes = b"\x03") -> bytes:
    return start + text + end + bytes([pure.bcc(text + end)])


def c1218(data: bytes, control: int = 0, sequence: int = 0) -> bytes:
    return with_crc(bytes([0xEE, 0, control, sequence]) + len(data).to_bytes(2, "big") + data)


def test_a_kernel_is_in_use() -> None:
    assert fast.IMPL in ("c", "python")
    assert fast.crc16.__module__ == ("metersdk.fast.native" if fast.IMPL == "c" else "metersdk.fast.pure")


# ---- checksums and parity


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0x0000),
        (b"123456789", 0x906E),
        (bytes.fromhex("a007032193"), 0x010F),  # SNRM, Green Book: 7E A0 07 03 21 93 0F 01 7E
        (bytes.fromhex("ee000000000120"), 0x1013),  # C12.18 Identify: EE 00 00 00 00 01 20 13 10
    ],
)
def test_crc16_known_values(twin: ModuleType, data: bytes, crc: int) -> None:
    assert twin.crc16(data) == crc


@pytest.mark.parametrize(
    ("data", "value"), [(b"", 0), (b"B0\x03", ord("q")), (b"\xff", 0xFF), (b"\x80" * 300, 0), (b"\x80" * 301, 0x80)]
)
def test_bcc_known_values(twin: ModuleType, data: bytes, value: int) -> None:
    assert twin.bcc(data) == value


def test_parity_of_every_octet(twin: ModuleType) -> None:
    for value in range(128):
        even = twin.parity_add(bytes([value]))
        assert even[0] & 0x7F == value and even[0].bit_count() % 2 == 0
        assert twin.parity_strip(even) == (bytes([value]), array("Q"))
        assert twin.parity_strip(bytes([even[0] ^ 0x80])) == (bytes([value]), array("Q", [0]))
        assert twin.parity_add(bytes([value | 0x80])) == even


def test_parity_strip_names_every_bad_octet(twin: ModuleType) -> None:
    line = bytearray(twin.parity_add(b"/?!\r\n" * 20))
    for position in (0, 7, 8, 50, 99):
        line[position] ^= 0x10
    text, bad = twin.parity_strip(bytes(line))
    assert bad == array("Q", [0, 7, 8, 50, 99])
    assert len(text) == 100 and max(text) < 0x80


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1000])
def test_parity_there_and_back(twin: ModuleType, size: int) -> None:
    text = bytes(i % 128 for i in range(size))
    assert twin.parity_strip(twin.parity_add(text)) == (text, array("Q"))


def test_all_kinds_of_buffer(twin: ModuleType, tmp_path: Path) -> None:
    data = hdlc(b"information")
    (tmp_path / "capture").write_bytes(data)
    with (
        open(tmp_path / "capture", "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        views = [data, bytearray(data), memoryview(data), memoryview(bytearray(data)), mapped]
        spread = memoryview(bytes(octet for pair in zip(data, data, strict=True) for octet in pair))[::2]
        for view in [*views, spread]:
            assert twin.bcc(view) == pure.bcc(data)
            assert twin.crc16(view) == pure.crc16(data)
            assert twin.parity_add(view) == pure.parity_add(data)
            assert twin.parity_strip(view) == pure.parity_strip(data)
            assert rows(twin.scan_hdlc(view)) == [(0, len(data), Reason.GOOD)]
    with pytest.raises(TypeError):
        twin.crc16("text")


# ---- HDLC


def test_hdlc_shared_and_separate_flags(twin: ModuleType) -> None:
    first, second = hdlc(b"one"), hdlc(b"other", addresses=b"\x02\x23\x21")
    assert rows(twin.scan_hdlc(first + second[1:])) == [(0, 14, Reason.GOOD), (13, 17, Reason.GOOD)]
    assert rows(twin.scan_hdlc(first + second)) == [(0, 14, Reason.GOOD), (14, 17, Reason.GOOD)]
    assert rows(twin.scan_hdlc(b"\x7e\x7e" + first + b"\x7e\x7e" + second)) == [
        (2, 14, Reason.GOOD),
        (18, 17, Reason.GOOD),
    ]


def test_hdlc_flag_octets_inside_a_frame(twin: ModuleType) -> None:
    frame = hdlc(b"\x7e" * 40 + b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e")
    assert rows(twin.scan_hdlc(frame)) == [(0, len(frame), Reason.GOOD)]


def test_hdlc_every_address_length(twin: ModuleType) -> None:
    forms = [b"\x03", b"\x02\x23", b"\x02\x22\x23", b"\x00\x22\x54\xd3"]
    for destination in forms:
        for source in forms:
            for information in (b"", b"\x00", b"data" * 10):
                frame = hdlc(information, destination + source)
                assert rows(twin.scan_hdlc(frame)) == [(0, len(frame), Reason.GOOD)]


@pytest.mark.parametrize("size", [1, 2, 127, 128, 2030])
def test_hdlc_sizes_whole_and_torn(twin: ModuleType, size: int) -> None:
    frame = hdlc(bytes(size))
    assert rows(twin.scan_hdlc(frame)) == [(0, len(frame), Reason.GOOD)]
    assert rows(twin.scan_hdlc(frame + b"\x00trailing")) == [(0, len(frame), Reason.GOOD)]
    assert rows(twin.scan_hdlc(frame[:-1])) == [(0, len(frame) - 1, Reason.TRUNCATED)]


def test_hdlc_what_is_wrong(twin: ModuleType) -> None:
    good = hdlc(b"information", control=0x10)

    def flipped(position: int) -> list[tuple[int, int, Reason]]:
        frame = bytearray(good)
        frame[position] ^= 0x04
        return rows(twin.scan_hdlc(frame))

    whole = len(good)
    assert flipped(5) == [(0, whole, Reason.HCS)]
    assert flipped(6) == [(0, whole, Reason.HCS)]
    assert flipped(10) == [(0, whole, Reason.CHECK)]
    assert flipped(whole - 2) == [(0, whole, Reason.CHECK)]
    assert flipped(whole - 1) == [(0, whole, Reason.END)]
    assert flipped(0) == []
    endless = b"\x7e\xa0\x0a" + b"\x02" * 8 + b"\x7e"
    assert rows(twin.scan_hdlc(endless)) == [(0, 12, Reason.HEADER)]


def test_hdlc_finds_the_good_frame_inside_a_broken_one(twin: ModuleType) -> None:
    inner = hdlc(b"inner")
    # The header is proved by its HCS, its length lies: it reaches over the next frame.
    liar = with_crc(b"\xa0\x40\x03\x21\x10") + b"short"
    capture = b"\x7e" + liar + inner + bytes(80)
    assert rows(twin.scan_hdlc(capture)) == [(0, 66, Reason.END), (13, len(inner), Reason.GOOD)]
    outer = bytearray(hdlc(b"before" + inner + b"after"))
    outer[10] ^= 1
    assert rows(twin.scan_hdlc(outer)) == [(0, len(outer), Reason.CHECK), (14, len(inner), Reason.GOOD)]


def test_hdlc_noise_is_not_reported(twin: ModuleType) -> None:
    noise = b"\x00\x7e\xa1\xff\x7e\x7e\xa0\x03\x7e" * 20
    assert rows(twin.scan_hdlc(noise)) == []
    assert rows(twin.scan_hdlc(noise + hdlc())) == [(180, 9, Reason.GOOD)]


# ---- IEC 62056-21


@pytest.mark.parametrize("end", [b"\x03", b"\x04"])
def test_iec_blocks_with_and_without_parity(twin: ModuleType, end: bytes) -> None:
    block = iec(b"0.9.1(101500)\r\n!\r\n", end=end)
    for line in (block, pure.parity_add(block)):
        capture = b"/LGZ5ZMD\r\n" + line + line + b"\x06"
        assert rows(twin.scan_iec(capture)) == [
            (10, len(block), Reason.GOOD),
            (10 + len(block), len(block), Reason.GOOD),
        ]


def test_iec_commands(twin: ModuleType) -> None:
    # IEC 62056-21 6.3.1: the BCC counts from behind the first SOH or STX.
    password = iec(b"P1\x02(1234)", start=b"\x01")
    farewell = iec(b"B0", start=b"\x01")
    assert rows(twin.scan_iec(password + farewell)) == [(0, 12, Reason.GOOD), (12, 5, Reason.GOOD)]
    damaged = password[:6] + b"9" + password[7:]
    assert rows(twin.scan_iec(damaged + farewell)) == [(0, 12, Reason.CHECK), (12, 5, Reason.GOOD)]


def test_iec_noise_that_looks_like_soh(twin: ModuleType) -> None:
    block = iec(b"(ERROR)")
    assert rows(twin.scan_iec(b"\x01xx" + block)) == [(3, len(block), Reason.GOOD)]
    assert rows(twin.scan_iec(b"\x01x" + block)) == [(0, 2, Reason.END), (2, len(block), Reason.GOOD)]


def test_iec_what_is_wrong(twin: ModuleType) -> None:
    block = iec(b"1.8.0(000123.4*kWh)\r\n!\r\n")
    whole = len(block)
    assert rows(twin.scan_iec(block[:5])) == [(0, 5, Reason.TRUNCATED)]
    assert rows(twin.scan_iec(block[:-1])) == [(0, whole - 1, Reason.TRUNCATED)]
    assert rows(twin.scan_iec(block[:9] + block)) == [(0, 9, Reason.END), (9, whole, Reason.GOOD)]
    # The BCC was lost: what stands in its place begins the next block.
    assert rows(twin.scan_iec(block[:-1] + block)) == [(0, whole, Reason.CHECK), (whole - 1, whole, Reason.GOOD)]


def test_iec_block_without_end_is_bounded(twin: ModuleType) -> None:
    endless = b"\x02" + b"x" * pure.IEC_LIMIT
    block = iec(b"good")
    assert rows(twin.scan_iec(endless + block)) == [
        (0, pure.IEC_LIMIT, Reason.LIMIT),
        (len(endless), len(block), Reason.GOOD),
    ]


# ---- ANSI C12.18


def test_c1218_packets(twin: ModuleType) -> None:
    identify, answer = c1218(b"\x20"), c1218(b"\x00\x00\x01\x00\x00", control=0x20)
    assert rows(twin.scan_c1218(identify + b"\x06" + answer)) == [(0, 9, Reason.GOOD), (10, 13, Reason.GOOD)]
    longest = c1218(bytes(pure.C1218_MAX_DATA), control=0xC0, sequence=3)
    assert rows(twin.scan_c1218(longest)) == [(0, 8192, Reason.GOOD)]
    assert rows(twin.scan_c1218(c1218(bytes(pure.C1218_MAX_DATA + 1)))) == []
    assert rows(twin.scan_c1218(c1218(b"", control=0x10))) == []


def test_c1218_what_is_wrong(twin: ModuleType) -> None:
    packet = c1218(b"\x00" * 12)
    assert rows(twin.scan_c1218(packet[:-1])) == [(0, 19, Reason.TRUNCATED)]
    damaged = packet[:9] + b"\x01" + packet[10:]
    assert rows(twin.scan_c1218(damaged + packet)) == [(0, 20, Reason.CHECK), (20, 20, Reason.GOOD)]
    # The length lies, and reaches over the next packet.
    liar = packet[:5] + b"\x20" + packet[6:]
    assert rows(twin.scan_c1218(liar + packet)) == [(0, 40, Reason.CHECK), (20, 20, Reason.GOOD)]
    assert rows(twin.scan_c1218(b"\xee" * 50)) == []


@pytest.mark.parametrize("name", ["scan_hdlc", "scan_iec", "scan_c1218"])
@pytest.mark.parametrize("data", [b"", b"\x7e", b"\x02", b"\x01", b"\xee", b"\x7e\xa0", b"\x01\x02", b"\x03" * 9])
def test_scan_of_next_to_nothing(twin: ModuleType, name: str, data: bytes) -> None:
    assert all(reason is not Reason.GOOD for _, _, reason in rows(getattr(twin, name)(data)))


def test_more_rows_than_one_call_fetches(twin: ModuleType) -> None:
    capture = hdlc(b"x") + hdlc(b"x")[1:] * 9999
    found = rows(twin.scan_hdlc(capture))
    assert found == [(11 * i, 12, Reason.GOOD) for i in range(10000)]
    assert len(twin.scan_iec(b"\x02" * 10000)[0]) == 10000
