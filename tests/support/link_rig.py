"""What tests of links share: a meter that answers, scripted meters, a client's session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

from metersdk.dialog.link import HdlcLink, HdlcSettings
from metersdk.dialog.server_link import HdlcServerLink, HdlcServerSettings
from metersdk.dialog.wrapper_link import WrapperLink
from metersdk.effects import Dialog, Now, Receive, Send
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet, take_frame
from metersdk.port.line import LineModel

T = TypeVar("T")
TCP = LineModel()
SERIAL = LineModel(baud=19200, turnaround=0.02, client_turnaround=0.02)


def echo(apdu: bytes) -> bytes:
    return apdu[::-1]


def meter(
    settings: HdlcServerSettings | None = None,
    answer: Callable[[bytes], bytes | None] = echo,
    log: list[object] | None = None,
) -> Dialog[None]:
    """A meter that answers every request; ``log`` gets the requests and the ends of links."""
    link = HdlcServerLink(settings or HdlcServerSettings(), ReceiveBuffer())
    while True:
        request = yield from link.receive()
        if log is not None:
            log.append(request)
        if request is not None:
            response = answer(request[2])
            if response is not None:
                yield from link.send(response)


def session(link: HdlcLink | WrapperLink, requests: Iterable[bytes], timeout: float = 10.0) -> Dialog[list[bytes]]:
    yield from link.open((yield Now()) + timeout)
    responses = []
    for request in requests:
        yield from link.send(request, (yield Now()) + timeout)
        responses.append((yield from link.receive((yield Now()) + timeout)))
    yield from link.close((yield Now()) + timeout)
    return responses


def client(settings: HdlcSettings | None = None) -> HdlcLink:
    return HdlcLink(settings or HdlcSettings(), ReceiveBuffer())


def pattern(length: int) -> bytes:
    """Octets with flags and false headers in them."""
    return (bytes(range(256)) + b"\x7e\xa7\xff\x7e\x7e\xa0\x07\x03\x21" * 9) * (length // 337 + 1)


def codes(link: HdlcLink | WrapperLink) -> set[str]:
    return {finding.code for finding in link.findings}


def said(*frames: Frame | bytes) -> bytes:
    return b"".join(frame if isinstance(frame, bytes) else frame.encode() for frame in frames)


def reply(
    kind: FrameKind, *, final: bool = True, receive: int = 0, send: int = 0, info: bytes = b"", more: bool = False
) -> Frame:
    return Frame(b"\x21", b"\x03", control_octet(kind, poll=final, receive=receive, send=send), info, more)


UA = reply(FrameKind.UA)
ANSWER = b"\xe6\xe7\x00answer"


def script(*steps: bytes, log: list[Frame] | None = None, forever: bytes = b"") -> Dialog[None]:
    """Answer the n-th poll of the client with the n-th step; then with ``forever``."""
    buffer = ReceiveBuffer()
    for step in itertools.chain(steps, itertools.repeat(forever)):
        polled = False
        while not polled:
            buffer.feed((yield Receive(1000.0)))
            while (frame := take_frame(buffer)) is not None:
                polled = polled or frame.final
                if log is not None:
                    log.append(frame)
        if step:
            yield Send(step)


def kinds(log: list[Frame]) -> list[str]:
    return [str(frame.kind) for frame in log]


def ask(link: HdlcLink, timeout: float = 20.0) -> Dialog[bytes]:
    yield from link.open((yield Now()) + timeout)
    yield from link.send(b"question", (yield Now()) + timeout)
    return (yield from link.receive((yield Now()) + timeout))
