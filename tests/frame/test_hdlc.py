from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.errors import ChecksumError, FrameError, LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import (
    Frame,
    FrameKind,
    Reject,
    Tally,
    control_octet,
    describe_reject,
    encode_reject,
    expected,
    is_incomplete,
    resync,
    take_frame,
)
from metersdk.frame.hdlc_address import ALL_STATION, CALLING, Address
from metersdk.frame.hdlc_parameters import Parameters

CLIENT, SERVER = b"\x21", b"\x03"
CALLED = "00020023"
SNRM = Frame(SERVER, CLIENT, 0x93)

# name in vectors/dlms.json -> the frame in words
FRAMES = {
    "hdlc_snrm_min": "SNRM P/F 21>03 0 octets",
    "hdlc_snrm_256": "SNRM P/F 03>03 11 octets",
    "hdlc_snrm_win": "SNRM P/F 21>03 23 octets",
    "hdlc_ua": "UA P/F 03>21 21 octets",
    "hdlc_ua_gx_64": "UA P/F 03>21 21 octets",
    "hdlc_ua_gx_rx64": "UA P/F 03>21 21 octets",
    "hdlc_real_snrm4": f"SNRM P/F 21>{CALLED} 0 octets",
    "hdlc_real_ua4": f"UA P/F {CALLED}>21 23 octets",
    "hdlc_aarq": "I N(S)=0 N(R)=0 P/F 21>03 34 octets",
    "hdlc_i_seg": "I N(S)=1 N(R)=2 P/F S 03>21 128 octets",
    "hdlc_rr": "RR N(R)=7 P/F 21>03 0 octets",
    "hdlc_rr_gx": "RR N(R)=2 P/F 21>03 0 octets",
    "hdlc_rej": "REJ N(R)=1 P/F 03>21 0 octets",
    "hdlc_disc": "DISC P/F 21>03 0 octets",
    "hdlc_disc_ua": "UA P/F 03>21 0 octets",
    "hdlc_dm": "DM P/F 03>21 0 octets",
    "hdlc_ui_push": "I N(S)=0 N(R)=0 P/F 0201>01 29 octets",
}
PARAMETERS = {
    "hdlc_snrm_256": (Parameters(256, 256), {"windows": False}),
    "hdlc_snrm_win": (Parameters(256, 256), {}),
    "hdlc_ua": (Parameters(), {}),
    "hdlc_ua_gx_64": (Parameters(128, 64), {}),
    "hdlc_ua_gx_rx64": (Parameters(64, 128), {}),
}


@given(
    before=st.sampled_from([b"", b"\x7e", b"\x00"]),
    control=st.sampled_from([0x10, 0x30, 0x32, 0x13]),
    information=st.binary(max_size=20),
    segmented=st.booleans(),
    flip=st.integers(0, 300),
    cut=st.integers(0, 40),
)
def test_the_short_cut_takes_what_the_long_way_takes_or_nothing(
    before: bytes, control: int, information: bytes, segmented: bool, flip: int, cut: int
) -> None:
    frame = Frame(CLIENT, SERVER, control, information, segmented)
    octets = bytearray(before + frame.encode())
    if flip < len(octets):
        octets[flip] ^= 1 << flip % 8
    octets = octets[: len(octets) - cut]
    taken = expected(bytes(octets), Frame(CLIENT, SERVER, 0x30).header, 16)
    if taken is not None:
        assert take_frame(feed(bytes(octets))) == Frame(CLIENT, SERVER, 0x30, *taken)
        assert 0 < len(taken[0]) <= 16
    elif flip >= len(octets) and not cut and not before and control == 0x30:
        assert not 0 < len(information) <= 16


def feed(octets: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    buffer.feed(octets)
    return buffer


def take_all(buffer: ReceiveBuffer) -> list[Frame]:
    """Everything that comes out, giving up every candidate that a silent line would break off."""
    frames = []
    while True:
        while (frame := take_frame(buffer)) is not None:
            frames.append(frame)
        if not is_incomplete(buffer):
            return frames
        resync(buffer)


def reseal(octets: bytes) -> bytes:
    """The frame with its check sequences made good again after octets inside were changed."""
    from metersdk.fast import crc16

    body = octets[1:-3]
    return b"\x7e" + body + crc16(body).to_bytes(2, "little") + b"\x7e"


@pytest.fixture
def wire(vectors):  # type: ignore[no-untyped-def]
    return {vector.name: vector.raw for vector in vectors("HDLC")}


@pytest.mark.parametrize("name", FRAMES)
def test_vector_reads_and_writes(wire, name: str) -> None:  # type: ignore[no-untyped-def]
    frame = Frame.decode(wire[name])
    assert str(frame) == FRAMES[name]
    assert frame.encode() == wire[name]


@pytest.mark.parametrize("name", FRAMES)
def test_vector_whole_octet_by_octet_and_with_trailing_octets(wire, name: str) -> None:  # type: ignore[no-untyped-def]
    raw = wire[name]
    frame = Frame.decode(raw)
    assert take_frame(feed(raw)) == frame

    buffer = ReceiveBuffer()
    for octet in raw[:-1]:
        buffer.feed(bytes((octet,)))
        assert take_frame(buffer) is None
    assert bytes(buffer.view()) == raw[:-1]
    buffer.feed(raw[-1:])
    assert take_frame(buffer) == frame

    # One flag closes a frame and opens the next.
    buffer = feed(raw + raw[1:] + raw[:4])
    assert [take_frame(buffer), take_frame(buffer), take_frame(buffer)] == [frame, frame, None]
    assert bytes(buffer.view()) == raw[:4]


def test_every_vector_is_used(wire) -> None:  # type: ignore[no-untyped-def]
    assert set(FRAMES) | {"crc_check"} == set(wire)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_vectors(wire, name: str) -> None:  # type: ignore[no-untyped-def]
    parameters, how = PARAMETERS[name]
    information = Frame.decode(wire[name]).information
    assert Parameters.decode(information) == (parameters, [])
    assert parameters.encode(**how) == information


def test_parameters_with_leading_zeros_of_a_real_meter(wire) -> None:  # type: ignore[no-untyped-def]
    assert Parameters.decode(Frame.decode(wire["hdlc_real_ua4"]).information) == (Parameters(), [])


@pytest.mark.parametrize(
    ("information", "parameters"),
    [
        ("", Parameters()),
        ("818000", Parameters()),
        ("81800C 0501F0 0601F1 070103 080107", Parameters(240, 241, 3, 7)),
        ("818006 050400000100", Parameters(256)),
        ("818003 0601FF FF03AABBCC", Parameters(128, 255)),
        ("818006 0901AA 050140", Parameters(64)),
    ],
)
def test_parameters_in_all_their_forms(information: str, parameters: Parameters) -> None:
    assert Parameters.decode(bytes.fromhex(information)) == (parameters, [])


@pytest.mark.parametrize(
    ("information", "parameters"),
    [
        ("828000", Parameters()),
        ("81", Parameters()),
        ("8180", Parameters()),
        ("81800C 050100 06021000 0704000000 00", Parameters()),
        ("81800C 0501FF 060207EF 070108 080100", Parameters(255, 128, 1, 1)),
        ("818020 050140", Parameters(64)),
        ("818003 0509FF", Parameters()),
        ("818001 05", Parameters()),
        ("818101 00 8003 050140", Parameters(64)),
        ("818003 051F40", Parameters()),
    ],
)
def test_absurd_parameters_become_the_default_with_a_finding(information: str, parameters: Parameters) -> None:
    decoded, findings = Parameters.decode(bytes.fromhex(information))
    if information not in ("81",):
        assert findings
        assert {finding.code for finding in findings} == {"hdlc-parameters"}
    assert decoded == parameters


@given(st.binary(max_size=40))
def test_any_parameter_field_is_read(information: bytes) -> None:
    for start in (b"", b"\x81\x80"):
        parameters, _ = Parameters.decode(start + information)
        assert 32 <= parameters.max_info_tx <= 2030
        assert 1 <= parameters.window_rx <= 7


@pytest.mark.parametrize(
    ("address", "octets"),
    [
        (Address.of(1), "03"),
        (Address.of(16), "21"),
        (Address.of(1, 17), "0223"),
        (Address.of(1, 17, 4), "00020023"),
        (Address.of(1, 145), "00020223"),
        (Address.of(128, 17), "02000023"),
        (Address.of(0x1234, 0x3FFF), "4868FEFF"),
        (Address.of(ALL_STATION[0]), "FF"),
        (Address.of(ALL_STATION[1], ALL_STATION[1]), "FEFEFEFF"),
    ],
)
def test_addresses_both_ways(address: Address, octets: str) -> None:
    assert address.encode() == bytes.fromhex(octets)
    assert Address.decode(bytes.fromhex(octets)) == address


def test_address_that_does_not_fit_is_the_callers_fault() -> None:
    for upper, lower, size in ((128, None, 1), (1, 17, 1), (1, 128, 2), (0x4000, 1, None), (-1, None, None), (1, 1, 3)):
        with pytest.raises(LocalProtocolError):
            Address.of(upper, lower, size)


@pytest.mark.parametrize("octets", ["", "02", "0303", "000203", "0202", "00020022", "0002020203"])
def test_octets_that_are_no_address(octets: str) -> None:
    with pytest.raises(FrameError):
        Address.decode(bytes.fromhex(octets))


def test_reserved_addresses_are_known_in_every_form() -> None:
    assert Address.of(1, CALLING[1]).is_reserved(CALLING)
    assert Address.of(1, CALLING[0]).is_reserved(CALLING)
    assert not Address.of(1, CALLING[0], 4).is_reserved(CALLING)
    assert Address.of(ALL_STATION[0]).is_reserved(ALL_STATION)
    assert str(Address.of(1, 17)) == "1/17"


@pytest.mark.parametrize("kind", [kind for kind in FrameKind if kind is not FrameKind.UNKNOWN])
def test_control_field_both_ways(kind: FrameKind) -> None:
    for poll in (False, True):
        frame = Frame(SERVER, CLIENT, control_octet(kind, poll=poll, receive=5, send=3))
        assert (frame.kind, frame.final) == (kind, poll)
        if kind in ("I", "RR", "RNR", "REJ", "SREJ"):
            assert frame.receive_number == 5
        if kind is FrameKind.I:
            assert frame.send_number == 3


def test_every_control_octet_has_a_kind() -> None:
    known = {control: Frame(b"", b"", control).kind for control in range(256)}
    assert known[0xDF] is FrameKind.SNRME
    assert known[0x97] is FrameKind.FRMR
    assert known[0x1D] is FrameKind.SREJ
    assert known[0x0B] is FrameKind.UNKNOWN


def test_frame_longer_than_its_length_field_is_the_callers_fault() -> None:
    longest = Frame(SERVER, CLIENT, 0x13, bytes(2047 - 9))
    assert Frame.decode(longest.encode()) == longest
    with pytest.raises(LocalProtocolError):
        Frame(SERVER, CLIENT, 0x13, bytes(2047 - 8)).encode()


@pytest.mark.parametrize("place", range(1, 42))
def test_no_damaged_octet_passes(wire, place: int) -> None:  # type: ignore[no-untyped-def]
    damaged = bytearray(wire["hdlc_aarq"])
    damaged[place] ^= 0x24
    with pytest.raises(FrameError):
        Frame.decode(bytes(damaged))
    buffer = feed(bytes(damaged) + SNRM.encode())
    assert take_all(buffer) == [SNRM]


def test_errors_say_what_is_wrong(wire) -> None:  # type: ignore[no-untyped-def]
    raw = wire["hdlc_aarq"]
    with pytest.raises(ChecksumError, match="HCS"):
        Frame.decode(reseal(raw[:5] + b"\x30" + raw[6:]))
    with pytest.raises(FrameError, match="type 3"):
        Frame.decode(raw[:1] + b"\x90" + raw[2:])
    with pytest.raises(FrameError, match="length"):
        Frame.decode(raw[:-1] + b"\x00\x7e")
    with pytest.raises(FrameError, match="header"):
        Frame.decode(reseal(raw[:3] + b"\x02\x02\x03" + raw[6:]))
    with pytest.raises(FrameError, match="flags"):
        Frame.decode(raw[1:])


@pytest.mark.parametrize(
    "before",
    [
        b"\x00",
        b"\x7e" * 50,
        b"\x7e\xa7\xff",
        b"\x7e\xa7\xff\x03\x03\x13",
        b"\x7e\xa0\x07",
        b"\x7e\xa0",
        b"\x7e\xa0\x02\x03",
        b"\xff\x7e\xaf\xff\x7e\xa7\xff",
        b"+++ATH\r\nOK\r\n",
        bytes(range(256)) * 8,
    ],
)
def test_noise_before_a_frame_is_passed_over(before: bytes) -> None:
    frame = Frame(SERVER, CLIENT, 0x10, b"\xe6\xe6\x00\x7e\x7e" * 5)
    assert take_all(feed(before + frame.encode())) == [frame]


def test_a_lying_length_in_noise_does_not_hold_up_what_follows() -> None:
    frame = Frame(SERVER, CLIENT, 0x10, bytes(64))
    tally = Tally()
    buffer = feed(b"\x7e\xa7\xff\x03\x21" + frame.encode())
    assert take_frame(buffer, tally) == frame
    assert tally.bad_hcs == 1


def test_a_good_header_with_a_frame_inside_that_breaks_off() -> None:
    cut = Frame(SERVER, CLIENT, 0x10, bytes(64)).encode()[:20]
    buffer = feed(cut + SNRM.encode())
    assert take_frame(buffer) is None
    assert is_incomplete(buffer)
    resync(buffer)
    assert take_frame(buffer) == SNRM
    assert not is_incomplete(buffer)


def test_tally_counts_what_was_dropped(wire) -> None:  # type: ignore[no-untyped-def]
    tally = Tally()
    raw = bytearray(wire["hdlc_aarq"])
    raw[20] ^= 1
    buffer = feed(b"abc" + bytes(raw) + SNRM.encode())
    assert take_frame(buffer, tally) == SNRM
    assert tally.bad_fcs == 1
    assert tally.noise >= 3


def test_a_buffer_of_false_headers_stays_cheap() -> None:
    buffer = feed(b"\x7e\xa7\xff\x03\x21\x10" * 4000)
    assert take_frame(buffer) is None
    assert len(buffer) < 16


def random_frame(rng: random.Random) -> Frame:
    address = [b"\x03", b"\x02\x23", b"\x00\x02\x00\x23", b"\xfe\xff"]
    return Frame(
        rng.choice(address),
        rng.choice(address),
        rng.randrange(256),
        rng.choice((b"", rng.randbytes(rng.randrange(1, 2000)), b"\x7e" * rng.randrange(1, 300))),
        rng.random() < 0.5,
    )


@given(st.integers(min_value=0))
def test_all_frames_are_found_between_noise(seed: int) -> None:
    rng = random.Random(seed)
    frames = [random_frame(rng) for _ in range(6)]
    stream = b""
    for frame in frames:
        stream += rng.choice((b"", rng.randbytes(rng.randrange(40)), b"\x7e" * rng.randrange(9))) + frame.encode()
    assert [frame for frame in take_all(feed(stream)) if frame in frames] == frames

    buffer = ReceiveBuffer()
    found = []
    while stream:
        size = rng.randrange(1, 300)
        buffer.feed(stream[:size])
        stream = stream[size:]
        while (taken := take_frame(buffer)) is not None:
            found.append(taken)
    assert [frame for frame in found + take_all(buffer) if frame in frames] == frames


@given(st.binary(max_size=300))
def test_any_octets_end_in_frames_or_frame_errors(octets: bytes) -> None:
    take_all(feed(octets))
    take_all(feed(b"\x7e\xa0" + octets))
    with pytest.raises(FrameError):
        Frame.decode(b"\x7e\xa7" + octets + b"\x7e")


def test_reject_both_ways() -> None:
    information = encode_reject(0x32, Reject.RECEIVE_NUMBER, send=2, receive=5, response=False)
    assert information == bytes.fromhex("32A408")
    assert describe_reject(information) == "I (32) rejected: invalid N(R) (Z); V(S)=2 V(R)=5"
    assert describe_reject(b"\x32") == "no reason given"
    assert "no reason" in describe_reject(b"\x32\x00\x00")
