"""The server's manners on an HDLC link, held against what a client may do to it."""

from __future__ import annotations

import pytest

from link_rig import (
    TCP,
    kinds,
    meter,
    reply,
    script,
)
from metersdk.dialog.server_link import HdlcServerLink, HdlcServerSettings
from metersdk.effects import Dialog, Receive, Send
from metersdk.errors import LocalProtocolError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, take_frame
from metersdk.frame.hdlc_parameters import Parameters
from metersdk.port.drive import run
from metersdk.port.virtual import VirtualPort

# --- the server's manners ---------------------------------------------------------------------------------------------


def exchange(
    *commands: Frame, settings: HdlcServerSettings | None = None, log: list[object] | None = None
) -> list[Frame]:
    """Send commands to our meter, one by one, and collect what it says to each."""
    answers: list[Frame] = []

    def dialog() -> Dialog[None]:
        buffer = ReceiveBuffer()
        for command in commands:
            yield Send(command.encode())
            while data := (yield Receive(0.5)):
                buffer.feed(data)
            while (frame := take_frame(buffer)) is not None:
                answers.append(frame)

    run(dialog(), VirtualPort(meter(settings, log=log), TCP))
    return answers


def command(kind: FrameKind, **more: object) -> Frame:
    frame = reply(kind, **more)  # type: ignore[arg-type]
    return Frame(frame.source, frame.destination, frame.control, frame.information, frame.segmented)


SNRM = command(FrameKind.SNRM)
QUESTION = b"\xe6\xe6\x00ab"


def test_in_disconnected_mode_the_server_answers_dm() -> None:
    answers = exchange(command(FrameKind.DISC), command(FrameKind.I, info=QUESTION), command(FrameKind.RR))
    assert kinds(answers) == ["DM", "DM", "DM"]
    assert answers[0].encode() == bytes.fromhex("7ea00721031f6be97e")


def test_the_server_is_silent_where_it_has_to_be() -> None:
    assert (
        exchange(
            Frame(b"\xff", b"\x21", 0x93),
            Frame(b"\xfe\xfe\xfe\xff", b"\x21", 0x93),
            Frame(b"\x05", b"\x21", 0x93),
            Frame(b"\x02\xfd", b"\x21", 0x93),
            command(FrameKind.UI, info=QUESTION),
            command(FrameKind.RR, final=False),
        )
        == []
    )
    assert exchange(Frame(b"\x02\x25", b"\x21", 0x93), settings=HdlcServerSettings(physical=17)) == []
    assert exchange(Frame(b"\x02\x23", b"\x21", 0x93), settings=HdlcServerSettings(address_size=4)) == []


def test_the_server_drops_a_wrong_fcs_in_silence() -> None:
    def dialog() -> Dialog[bytes]:
        yield Send(SNRM.encode())
        yield Receive(1.0)
        yield Send(command(FrameKind.I, info=QUESTION).encode()[:-3] + b"\x00\x00\x7e")
        return (yield Receive(3.0))

    assert run(dialog(), VirtualPort(meter(), TCP)) == b""


def test_the_server_rejects_a_gap_and_repeats_its_last_window() -> None:
    proposal = Parameters(2030, 2030, 2, 2).encode()
    snrm = Frame(SNRM.destination, SNRM.source, SNRM.control, proposal)
    first = command(FrameKind.I, info=QUESTION)
    answers = exchange(
        snrm,
        command(FrameKind.I, send=1, info=QUESTION),
        first,
        command(FrameKind.RR),
        first,
        command(FrameKind.RR, receive=1),
        command(FrameKind.DISC),
        command(FrameKind.DISC),
    )
    assert [str(frame).split(" 03>")[0] for frame in answers[1:]] == [
        "REJ N(R)=0 P/F",
        "I N(S)=0 N(R)=1 P/F",
        "I N(S)=0 N(R)=1 P/F",
        "I N(S)=0 N(R)=1 P/F",
        "RR N(R)=1 P/F",
        "UA P/F",
        "DM P/F",
    ]


def test_the_server_holds_its_answer_while_the_client_is_busy() -> None:
    log: list[object] = []
    answers = exchange(
        SNRM,
        command(FrameKind.I, info=QUESTION),
        command(FrameKind.RNR),
        command(FrameKind.RR),
        log=log,
    )
    assert kinds(answers) == ["UA", "I", "RR", "I"]
    assert log == [(16, 1, b"ab")]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (command(FrameKind.SREJ), 1),
        (command(FrameKind.TEST), 1),
        (Frame(b"\x03", b"\x21", 0x1B), 1),
        (command(FrameKind.RR, receive=3), 8),
        (command(FrameKind.I, info=bytes(129)), 4),
    ],
)
def test_the_server_answers_frmr_and_wants_a_new_link(wrong: Frame, reason: int) -> None:
    log: list[object] = []
    answers = exchange(SNRM, wrong, command(FrameKind.RR), SNRM, log=log)
    assert kinds(answers) == ["UA", "FRMR", "DM", "UA"]
    assert answers[1].information[0] == wrong.control
    assert answers[1].information[2] == reason
    assert log == [None]


def test_a_second_snrm_ends_the_link_before_it() -> None:
    log: list[object] = []
    answers = exchange(SNRM, command(FrameKind.I, info=QUESTION), SNRM, command(FrameKind.I, info=QUESTION), log=log)
    assert kinds(answers) == ["UA", "I", "UA", "I"]
    assert log == [(16, 1, b"ab"), None, (16, 1, b"ab")]


def test_sending_without_a_link_is_the_callers_fault() -> None:
    link = HdlcServerLink(HdlcServerSettings(), ReceiveBuffer())
    with pytest.raises(LocalProtocolError):
        run(link.send(b"a"), VirtualPort(script(), TCP))
