"""One target for each parser. Where there is a second way to the same result, both are held together."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib import resources
from pathlib import Path

from fuzz_mutation import Target, captures, vectors

from metersdk import fast
from metersdk.apdu import acse, ascii_profile, axdr, ber, dataset, kmp, xdlms
from metersdk.apdu._dlms_cosem import DlmsCosemCodec, OwnCodec
from metersdk.apdu.axdr import Data
from metersdk.apdu.cipher import Keys, Security, SecurityContext, split
from metersdk.apdu.initiate import decode_initiate_request, decode_initiate_response
from metersdk.dialog import iec62056_21_readout as dialog_21
from metersdk.errors import (
    DecodeError,
    LocalProtocolError,
    MeterError,
    MeterReportedError,
    PortError,
    RemoteProtocolError,
    SecurityError,
)
from metersdk.fast import pure
from metersdk.fast.axdr_layout import Reader
from metersdk.frame import iec62056_21 as frame_21
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, describe_reject, is_incomplete, resync, take_frame
from metersdk.frame.hdlc_address import Address
from metersdk.frame.hdlc_parameters import Parameters
from metersdk.frame.kmp import ANSWER, KmpFrame, find_kmp
from metersdk.frame.wrapper import Wpdu, take_wpdu
from metersdk.meter import plan_for
from metersdk.model.ascii_profile import AsciiProfileBuilder
from metersdk.model.clock import Date, DateTime, Time
from metersdk.model.cosem.registry import make_object
from metersdk.model.cosem.view import ObjectView
from metersdk.model.event import LOG_BOOK, events_of_text
from metersdk.model.obis import Obis
from metersdk.model.profile import CaptureObject, Profile, ProfileDecoder, ProfileHead
from metersdk.model.quirks import Quirks
from metersdk.model.span import span
from metersdk.port.target import parse_address
from metersdk.port.trace import ReplayPort, read_trace
from metersdk.simulator.image import Image
from metersdk.vendor.family import parse_family

# What a meter sends may end in these; never in LocalProtocolError, for the caller did nothing wrong.
REMOTE = (RemoteProtocolError,)
REMOTE_AND_REFUSED = (*REMOTE, MeterReportedError)
LOCAL = (LocalProtocolError, PortError)

_CET = Quirks(local_deviation=-60)
_KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)), system_title=b"MSDK0001", server_title=b"MMM\0\0\xbc\x61\x4e")


def one_of(*ways: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """All of these, each on its own: an error of one must not hide the next."""

    def run(data: bytes) -> None:
        for way in ways:
            with suppress(*REMOTE):
                way(data)

    return run


def pieces(data: bytes) -> Iterator[bytes]:
    """``data`` in pieces of 1, 2, 3, 5, 8 .. octets and again."""
    at, size, following = 0, 1, 2
    while at < len(data):
        yield data[at : at + size]
        at += size
        size, following = (following, size + following) if following < 400 else (1, 2)


# --- frame ------------------------------------------------------------------------------------------------------------


def hdlc(data: bytes) -> None:
    """A stream gives the same frames however it is cut."""
    assert _frames([data]) == _frames(pieces(data))


def _frames(parts: Sequence[bytes] | Iterator[bytes]) -> list[Frame]:
    buffer, found = ReceiveBuffer(), []
    for part in parts:
        buffer.feed(part)
        while (frame := take_frame(buffer)) is not None:
            found.append(frame)
    while is_incomplete(buffer):
        resync(buffer)
        while (frame := take_frame(buffer)) is not None:
            found.append(frame)
    for frame in found:
        str(frame)
        assert Frame.decode(frame.encode()) == frame
    return found


def mend_hdlc(data: bytes) -> bytes:
    """The octets between the first two flags as one frame whose length and check sequences are right."""
    body = data.strip(b"\x7e").partition(b"\x7e")[0]
    segmented = body[:1] == b"\xa8"
    body = body[2:2000]
    header, information = body[:3], body[5:-2]
    if len(header) < 3:
        return data
    size = 2 + len(header) + (2 + len(information) if information else 0) + 2
    head = (0xA000 | segmented << 11 | size).to_bytes(2, "big") + header
    if information:
        head += fast.crc16(head).to_bytes(2, "little") + information
    return b"\x7e" + head + fast.crc16(head).to_bytes(2, "little") + b"\x7e"


def one_frame(data: bytes) -> None:
    frame = Frame.decode(data)
    assert Frame.decode(frame.encode()) == frame
    str(frame.destination_address), str(frame.source_address), frame.kind


def parameters(data: bytes) -> None:
    decoded, _ = Parameters.decode(data)
    assert Parameters.decode(decoded.encode())[0] == decoded


def wrapper(data: bytes) -> None:
    whole, cut = _wpdus([data]), _wpdus(pieces(data))
    assert whole == cut
    with suppress(*REMOTE):
        Wpdu.decode(data)


def _wpdus(parts: Sequence[bytes] | Iterator[bytes]) -> list[Wpdu]:
    buffer, found = ReceiveBuffer(), []
    with suppress(*REMOTE):
        for part in parts:
            buffer.feed(part)
            while (wpdu := take_wpdu(buffer, 4096)) is not None:
                found.append(wpdu)
    return found


def scan(data: bytes) -> None:
    """The kernel in use and its Python twin."""
    for name in ("scan_hdlc", "scan_iec", "scan_c1218"):
        assert getattr(fast, name)(data) == getattr(pure, name)(data), name


def ident(data: bytes) -> None:
    for way in (
        frame_21.parse_identification,
        frame_21.find_identification,
        frame_21.find_request,
        frame_21.find_option_select,
        frame_21.find_command,
        frame_21.Command.decode,
    ):
        with suppress(*REMOTE):
            way(data)
    found = frame_21.find_identification(data)
    if found is not None:
        assert frame_21.parse_identification(found[0].raw) is not None
        found[0].mode, found[0].baud(), found[0].baud(reserved=True), found[0].encode()


def block(data: bytes) -> None:
    """A block gives the same text and end however it is cut."""
    for options in ({}, {"add": True}):
        results, framed = [], True
        for parts in ([data], pieces(data)):
            scanner, text = frame_21.BlockScanner(**options), b""
            for part in parts:
                more, _ = scanner.feed(part)
                text += more
                assert len(scanner.preamble) <= max(frame_21.PREAMBLE_LIMIT, len(data))
                if scanner.end is not None:
                    break
            results.append((text, scanner.finish()))
            framed = framed and scanner.framed
        # Without STX a block begins with its first data line; one longer than what is kept is lost only in pieces, and
        # an STX behind it then begins the block.
        assert results[0] == results[1] or not framed, options


def mend_block(data: bytes) -> bytes:
    """STX, text, ETX and the BCC that belongs to them."""
    text = data.strip(b"\x02\x03").partition(b"\x03")[0]
    return frame_21.block(text)


# --- apdu -------------------------------------------------------------------------------------------------------------


def ber_items(data: bytes) -> None:
    for item in ber.items(data):
        str(item)


def associate(data: bytes) -> None:
    """The codec over dlms-cosem gives what our own does, wherever both read it."""
    for decode in (acse.decode_aarq, acse.decode_aare, acse.decode_rlrq, acse.decode_rlre):
        with suppress(*REMOTE):
            unit = decode(data)
            assert decode(unit.encode()).encode() == unit.encode()
    _both(OwnCodec().decode_aare, DlmsCosemCodec().decode_aare, data)


def initiate(data: bytes) -> None:
    for decode in (decode_initiate_request, decode_initiate_response):
        with suppress(*REMOTE):
            unit = decode(data)
            assert decode(unit.encode()) == unit
    _both(OwnCodec().decode_initiate_response, DlmsCosemCodec().decode_initiate_response, data)


def _both(own: Callable[[bytes], object], other: Callable[[bytes], object], data: bytes) -> None:
    try:
        mine = own(data)
    except DecodeError:
        mine = None
    try:
        theirs = other(data)
    except DecodeError:
        theirs = None
    assert mine == theirs


def service(data: bytes) -> None:
    apdu = xdlms.decode(data)
    repr(apdu)
    assert xdlms.decode(apdu.encode()) == apdu


def value(data: bytes) -> None:
    """Decoding, skipping and describing agree on where a value ends; what is decoded can be written and read again."""
    ends: list[int | None] = []
    for way in (lambda: axdr.decode(data)[1], lambda: axdr.end_of(data)):
        try:
            ends.append(way())
        except DecodeError as error:
            assert 0 <= error.offset <= len(data)
            ends.append(None)
    with suppress(*REMOTE):
        axdr.decode_type(data)
    decoded = axdr.decode(data)[0]
    assert ends[0] == ends[1]
    decoded.python()
    _same(axdr.decode_all(axdr.encode(decoded)), decoded)


def _same(one: Data, other: Data) -> None:
    if isinstance(one.value, tuple) and isinstance(other.value, tuple):
        assert one.tag == other.tag and len(one.value) == len(other.value)
        for a, b in zip(one.value, other.value, strict=True):
            _same(a, b)
    elif isinstance(one.value, float) and isinstance(other.value, float):
        assert one.value == other.value or (math.isnan(one.value) and math.isnan(other.value))
    else:
        assert one == other


def unprotect(data: bytes) -> None:
    for security in (Security.NONE, Security.AUTHENTICATED | Security.ENCRYPTED):
        context = SecurityContext(_KEYS, security, peer_title=None if len(data) & 1 else _KEYS.server_title)
        with suppress(SecurityError, *REMOTE):
            opened = context.unprotect(data)
            assert isinstance(opened.plain, bytes)
    SecurityContext(_KEYS, Security.NONE, peer_title=b"12345678").verify_gmac(data[:17], data[17:81] or b"1")
    split(data)


def sealed() -> list[bytes]:
    """APDUs that decipher, in each envelope."""
    server = Keys(_KEYS.ek, _KEYS.ak, system_title=_KEYS.server_title or b"", invocation_counter=1)
    context = SecurityContext(server, Security.AUTHENTICATED | Security.ENCRYPTED, peer_title=_KEYS.system_title)
    answer = bytes.fromhex("c401c100090c07e80101ff00000000800000")
    return [context.protect(answer, envelope=envelope) for envelope in ("service", "general", "ciphering")]


def text_profile(data: bytes) -> None:
    """The same rows however the text is cut, and a profile of them."""
    with suppress(*REMOTE_AND_REFUSED):
        ascii_profile.parse(data, strict=True)
    parser = ascii_profile.AsciiProfileParser()
    parts = [rows for piece in pieces(data) for rows in parser.feed(piece)] + parser.finish()
    whole, other = ascii_profile.parse(data)
    assert _text_rows(parts) == _text_rows(whole)
    assert (parser.truncated, parser.total) == (other.truncated, other.total)
    builder, joined = AsciiProfileBuilder("P.01", _CET), AsciiProfileBuilder("P.01", _CET)
    for rows in parts:
        builder.add(rows)
        list(events_of_text(rows, LOG_BOOK, _CET))
    for rows in whole:
        joined.add(rows)
    profile = builder.take()
    assert len(profile) == len(joined.take()) and len(list(profile.rows())) == len(profile)
    profile.gaps  # noqa: B018


def _text_rows(parts: list[ascii_profile.Rows]) -> list[object]:
    return [
        (part.head.stamp, part.head.channels, part.first + row, tuple(column[row] for column in part.columns))
        for part in parts
        for row in range(part.count)
    ]


def data_sets(data: bytes) -> None:
    """A data block gives the same data sets however it is cut."""
    with suppress(*REMOTE):
        dataset.parse(data, strict=True)
    parser, found = dataset.DataSetParser(), []
    for part in pieces(data):
        found += parser.feed(part)
    found += parser.finish()
    whole, findings = dataset.parse(data)
    assert list(whole) == found
    # Octet by octet all of them are read piece by piece, which the reading of many at once must not differ from.
    careful, slowly = dataset.DataSetParser(), []
    for octet in data:
        slowly += careful.feed(bytes((octet,)))
    assert (slowly + careful.finish(), careful.findings) == (found, list(findings))
    dataset.error_message(whole)
    for each in whole:
        each.history, each.encode(), str(each)


def capture(data: bytes) -> None:
    with suppress(*REMOTE):
        dialog_21.decode(data, strict=True)
    for readout in dialog_21.decode(data):
        for each in readout.data_sets:
            each.encode()


# --- model ------------------------------------------------------------------------------------------------------------


@cache
def readers() -> list[Reader]:
    """The kernel's row reader, where it was built, and its twin."""
    from metersdk.fast import pure_axdr

    if fast.IMPL != "c":
        return [pure_axdr]
    from metersdk.fast import native_axdr

    return [native_axdr, pure_axdr]


def profile(data: bytes) -> None:
    """A buffer gives the same rows in C and in Python; cut into pieces it gives as many."""
    for columns in (1, 2, 6):
        results = []
        for reader in readers():
            whole = _rows(reader, columns, [data])
            cut = _rows(reader, columns, list(pieces(data)))
            # Which rows before a malformed cell are kept may depend on what is decoded together with it.
            assert whole[0] == cut[0] or "malformed" in (*whole[2], *cut[2])
            results.append(whole)
        assert all(result == results[0] for result in results)


def _rows(reader: Reader, columns: int, parts: list[bytes]) -> tuple[int, object, list[str]]:
    captures = [CaptureObject(8, "0.0.1.0.0.255", 2)]
    captures += [CaptureObject(3, f"1.0.{c}.8.0.255", 2) for c in range(1, columns)]
    decoder = ProfileDecoder(ProfileHead.of(captures, period=900))
    decoder._rows._reader = reader
    try:
        found = [decoder.feed(part) for part in parts]
        found.append(decoder.finish())
    except RemoteProtocolError as error:
        return -1, str(error), []
    rows = Profile.concat(found)
    cells = [repr(column.cells.item(row)) for column in rows.columns for row in range(len(column.cells.valid))]
    return len(rows), (cells, rows.truncated), [finding.code for finding in rows.findings]


def profiles() -> list[bytes]:
    row = bytes.fromhex("0206090c07e80101ff00000000800000110106000000010600000002060000000306000000ff")
    null = bytes.fromhex("02060011020600000002000600000005001300"[:26])
    pair = bytes.fromhex("0202090c07e80101ff0000000080000006000000ff")
    one = bytes.fromhex("0201090c07e80101ff00000000800000")
    compact = axdr.compact_array(
        *(axdr.structure(axdr.octets(bytes.fromhex("07e80101ff00000000800000")), axdr.u32(n)) for n in range(4))
    )
    deltas = bytes.fromhex("0202000600000010020200 1c 05020200 1f ff".replace(" ", ""))
    return [
        b"\x01\x03" + row * 3,
        b"\x01\x03" + row + null * 2,
        b"\x01\x82\x00\x64" + pair * 100,
        b"\x01\x02" + one * 3,
        b"\x01\x04" + pair + deltas,
        axdr.encode(compact),
        b"\x01\x02" + axdr.encode(compact) * 2,
        b"\x01\x00",
        b"\x00",
    ]


def objects(data: bytes) -> None:
    """A value from a meter put into objects of every class, and read as an object list."""
    decoded = axdr.decode(data)[0]
    with suppress(*REMOTE):
        ObjectView.from_data(decoded)
    for class_id in (1, 3, 4, 5, 7, 8, 15, 17, 20, 22, 40, 64, 70):
        item = make_object(class_id, 0, Obis("0.0.1.0.0.255"))
        for number in item.attributes:
            with suppress(*REMOTE):
                item.update(number, decoded)
        if hasattr(item, "reading"):
            with suppress(*REMOTE):
                item.reading()


def names(data: bytes) -> None:
    """Codes, dates and spans, as octets and as text."""
    text = data.decode("latin-1")
    for way in (Obis, span, DateTime.from_zst):
        with suppress(LocalProtocolError, *REMOTE):
            way(text)
    for kind in (Date, Time, DateTime):
        with suppress(*REMOTE):
            moment = kind.from_octets(data)
            str(moment)
            assert moment.to_octets() == data
    for way in (Obis, Address.decode, describe_reject):
        with suppress(LocalProtocolError, *REMOTE):
            way(data)
    with suppress(*REMOTE):
        stamp = DateTime.from_octets(data[:12].ljust(12, b"\xff"))
        with suppress(*REMOTE):
            stamp.to_datetime()
        stamp.utc_ms()


def obis_seeds() -> list[bytes]:
    texts = (b"1-0:1.8.0*255", b"1.0.1.8.0.255", b"F.F", b"1.6.1&12", b"7d", b"90m", b"2401010000W", b"240101000000")
    return [*texts, bytes.fromhex("07e80101ff00000000800000"), bytes.fromhex("0100010800ff"), *vectors("HDLC address")]


# --- files and targets ------------------------------------------------------------------------------------------------


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="metersdk-fuzz-"))


def trace(data: bytes) -> None:
    path = _scratch() / "trace.jsonl"
    path.write_bytes(data)
    for record in read_trace(path):
        assert all(-1 <= octet <= 255 for octet in record.octets)
    port = ReplayPort(path, strict=False)
    for _ in range(50):
        port.send(b"/?!\r\n")
        port.receive(1.0)


def traces() -> list[bytes]:
    head = b'{"metersdk_trace": 1, "target": "sim://residential", "time": "2026-01-01T00:00:00+00:00"}\n'
    lines = [
        b'{"t": 0, "d": "line", "baud": 300}\n',
        b'{"t": 0.1, "d": "tx", "hex": "2f3f210d0a"}\n',
        b'{"t": 0.5, "d": "rx", "hex": "2f4d534b35****4d"}\n',
        b'{"t": 1e3, "d": "note", "text": "silence"}\n',
    ]
    return [head, head + b"".join(lines), head + b"".join(lines * 5)]


def image(data: bytes) -> None:
    made = Image.parse(data.decode("latin-1")).device()
    made.readout()
    made.identification  # noqa: B018


def images() -> list[bytes]:
    from importlib import resources

    folder = resources.files("metersdk.simulator").joinpath("images")
    return [
        folder.joinpath("bench.toml").read_bytes(),
        (
            b'name = "x"\n[meter]\nmanufacturer = "MSK"\nidentification = \'MSK5\\2X\'\nserial = "1"\n'
            b'logical_device_name = "MSK1"\nsystem_title = "4D534B5231345678"\nsince = 2024-01-01T00:00:00Z\n'
            b'[[association]]\nclient = 16\nrole = "public"\n'
            b'[[object]]\nclass = 3\nobis = "1-0:1.8.0"\nunit = "Wh"\nsource = { kind = "counter", start = 1000 }\n'
            b'[[readout]]\nkind = "register"\ncode = "1.8.0"\nobject = "1-0:1.8.0"\n'
        ),
    ]


def target(data: bytes) -> None:
    address = parse_address(data.decode("latin-1"))
    parse_address(address), str(address), address.char_bits, address.is_line
    if address.scheme == "trace":
        # A replay asks the file how it was recorded.
        return
    plan_for(address, "auto", None, None, None, None, 16, 1, None, None)


def _text(*lines: str) -> Callable[[], list[bytes]]:
    return partial(list, [line.encode("latin-1") for line in lines])


_TARGETS = _text(
    "/dev/ttyUSB0",
    "COM3?baud=19200&format=7E1",
    "serial:///dev/ttyUSB0?mode=C&address=123&wake_up=1",
    "tcp://192.0.2.1:4059?framing=hdlc&client=1&server=16&physical=17&address_size=4",
    "tcp://[2001:db8::1]:4059",
    "udp://meter",
    "sim://residential?framing=wrapper&security=none&authentication=low",
    "trace://file.jsonl?strict=0",
    "listen://:4059?timeout=5",
)
_PROFILES = (
    "P.01(1260701001500)(00)(15)(2)(1.5)(kW)(5.5)(kvar)\r\n(0.100)(0.010)\r\n(-----)()\r\n(0.300)(0.03",
    "P.01(0261025020000)(08)(15)(1)(1.5)(kW)\r\n(1)\r\nP.01(1261025020000)(00)(15)(1)(1.5)(kW)\r\n(2)\r\n",
    "P.98(1260826235646)(00008020)()(2)(0.9.1)()(0.9.2)()(1235703)(1260826)\r\nP.98(1260901000000)(10)()(0)\r\n",
    "(0260101120000)(80)\r\n(0260101120501)(40)\r\n",
)
_TLV = tuple(
    map(bytes.fromhex, ("a1", "a2", "a3", "a4", "be", "04", "aa", "8b", "ac", "60857405080101", "5f1f04", "6080"))
)
_AXDR = tuple(
    map(bytes.fromhex, ("0101", "0201", "0202", "13", "0900", "0400", "0a00", "1900", "00", "ff", "0184ffffffff"))
)
_CELLS = (*_AXDR, *map(bytes.fromhex, ("1102", "120001", "0600000001", "1c01", "1d0001", "2100000001", "17000000ff")))
_LINES = (
    b"(",
    b")",
    b"*",
    b"&",
    b"!",
    b"\r\n",
    b"/",
    b"\x02",
    b"\x03",
    b"\x04",
    b"\0",
    b"1.8.0(1*kWh)",
    b"\x01B0\x03q",
)
_TOML = (
    b"[[object]]\n",
    b"class = 7\n",
    b'obis = "1.0.99.1.0.255"\n',
    b"period = 0\n",
    b"entries = 99999999\n",
    b"[",
    b"]",
)


def kmp_answer(data: bytes) -> None:
    found = find_kmp(data, ANSWER)
    if found is None:
        return
    start, end = found
    assert data[start] == ANSWER and data[end - 1] == 0x0D
    frame = KmpFrame.decode(data[start:end])
    assert KmpFrame.decode(frame.encode()) == frame
    one_of(kmp.registers_in, kmp.type_in, kmp.serial_in)(frame.payload)


def mend_kmp(data: bytes) -> bytes:
    """The CRC made right again, so that what is inside is looked at."""
    return KmpFrame(data[2:-3] or b"\x10", start=ANSWER).encode()


def kmp_answers() -> list[bytes]:
    texts = ("403F02012345" + "67E9560D", "403F10001B7F160411012AF02463030D", "403F0100041BF90126990D")
    return [*map(bytes.fromhex, texts)]


def family(data: bytes) -> None:
    parse_family(data.decode("utf-8", "replace"), "a-meter", "a-meter.toml")


def family_files() -> list[bytes]:
    folder = resources.files("metersdk.vendor.families")
    return [file.read_bytes() for file in sorted(folder.iterdir(), key=str) if file.name.endswith(".toml")]


TARGETS = (
    Target("hdlc", hdlc, partial(captures, "hdlc_link", "hdlc_push", "hdlc_session"), REMOTE, (b"\x7e",), mend_hdlc),
    Target("hdlc-frame", one_frame, partial(vectors, "HDLC"), REMOTE, (b"\x7e",), mend_hdlc),
    Target(
        "hdlc-parameters",
        parameters,
        _text("\x81\x80\x12\x05\x01\x80\x06\x01\x80\x07\x04\0\0\0\1\x08\x04\0\0\0\1"),
        REMOTE,
    ),
    Target("wrapper", wrapper, lambda: [*captures("wrapper"), *vectors("wrapper")], REMOTE, (b"\0\1\0\1\0\x10",)),
    Target(
        "scan", scan, partial(captures, "hdlc_link", "iec21_readout", "c1218", "p1_ascii"), REMOTE, _LINES, mend_hdlc
    ),
    Target(
        "identification",
        ident,
        partial(captures, "iec21_ident", "iec21_session"),
        REMOTE,
        (*_LINES, b"/?", b"\x06050\r\n"),
    ),
    Target("block", block, partial(captures, "iec21_readout", "p1_ascii"), REMOTE, _LINES, mend_block),
    Target("data-sets", data_sets, partial(captures, "iec21_readout"), REMOTE, _LINES),
    Target(
        "ascii-profile",
        text_profile,
        lambda: [*_text(*_PROFILES)(), *captures("p1_ascii")],
        REMOTE_AND_REFUSED,
        (*_LINES, b"P.01(", b"P.98(", b"(15)(2)", b"(-----)", b"(1260329020000)", b"(0)"),
    ),
    Target("capture-21", capture, partial(captures, "iec21_readout", "p1_ascii"), REMOTE, _LINES),
    Target("ber", ber_items, lambda: [*captures("acse"), *vectors("ACSE")], REMOTE, _TLV),
    Target("acse", associate, lambda: [*captures("acse"), *vectors("ACSE")], REMOTE, _TLV),
    Target("initiate", initiate, lambda: [*captures("axdr_or_initiate"), *vectors("Initiate")], REMOTE, _TLV),
    Target(
        "xdlms",
        service,
        lambda: [*captures("xdlms_service", "apdu_push"), *vectors("xDLMS", "SN", "GBT")],
        REMOTE,
        _AXDR,
    ),
    Target("axdr", value, lambda: [*captures("get_exchange"), *vectors("A-XDR data", "compact data")], REMOTE, _CELLS),
    Target("profile", profile, profiles, REMOTE, _CELLS),
    Target(
        "cipher",
        unprotect,
        lambda: [*sealed(), *captures("ciphered_apdu", "green_book")],
        (SecurityError, *REMOTE),
        _AXDR,
    ),
    Target("objects", objects, lambda: [*captures("get_exchange"), *vectors("A-XDR data")], REMOTE, _CELLS),
    Target("names", names, obis_seeds, REMOTE),
    Target("trace", trace, traces, (*LOCAL, MeterError), (b"**", b'"hex": "', b"}\n{", b"1e999", b"NaN", b"null")),
    Target("image", image, images, LOCAL, _TOML),
    Target("kmp", kmp_answer, kmp_answers, REMOTE, (b"\x40", b"\x0d", b"\x1b\xe4", b"\x80"), mend_kmp),
    Target("vendor", family, family_files, LOCAL, _TOML),
    Target("target", target, _TARGETS, LOCAL, (b"?", b"&", b"://", b"[", b"]", b":", b"=", b"%00", b"%2f", b"baud=0")),
)
