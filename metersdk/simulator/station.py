"""A simulated meter on one line or connection: sign-on, HDLC or wrapper, associations; as one server dialog."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from metersdk.dialog.c1218_meter import serve_c1218
from metersdk.dialog.c1222_meter import serve_c1222
from metersdk.dialog.hdlc_states import Mode
from metersdk.dialog.iec62056_21_meter import HandOver, OpticalMeter
from metersdk.dialog.iec62056_21_meter import serve as serve_optical
from metersdk.dialog.server_association import ServerAssociation
from metersdk.dialog.server_link import HdlcServerLink, HdlcServerSettings, WrapperServerLink
from metersdk.dialog.timing import within
from metersdk.effects import Dialog, SetLine
from metersdk.errors import MeterError, NoAnswer, PortError
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.simulator.c1219_faults import C1218Faults, FaultyMeter
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.programming import programming_side
from metersdk.simulator.pusher import push

Speech = Literal["optical", "hdlc", "wrapper", "datagram", "sml", "p1", "c1218", "c1222"]
# A wrapper or HDLC client that went away without a word is not missed for ever.
_IDLE = 120.0


@dataclass(frozen=True, slots=True)
class StationSettings:
    """How a meter behaves on one of its ports.

    Attributes:
        speech: ``optical`` begins with a sign-on at 300 Bd and hands over to HDLC in mode E; ``sml`` and ``p1`` send
            telegrams by themselves, the others speak at once; ``c1218`` is ANSI C12.18, ``c1222`` a node of
            ANSI C12.22.
        baud: speed of a line that speaks HDLC at once, or pushes; None is what is usual for it.
        optical: replaces what the image says of the optical port: address, faults, sleep, echo, pusher.
        hdlc: what it agrees to.
        inactivity: seconds without a word after which HDLC on an optical port ends.
        push_period: seconds between telegrams of SML and P1.
        c1218: what an ANSI meter does wrong.
        datagram: each message of C12.22 is one datagram.
    """

    speech: Speech = "optical"
    baud: int | None = None
    optical: OpticalMeter | None = None
    hdlc: HdlcServerSettings = field(default_factory=HdlcServerSettings)
    inactivity: float = _IDLE
    push_period: float = 1.0
    c1218: C1218Faults | None = None
    datagram: bool = False


def station(device: MeterDevice, settings: StationSettings) -> Dialog[None]:
    """Be the meter on one port until the port closes."""
    accepted = device.accepted_counters
    buffer = ReceiveBuffer()
    if settings.speech == "optical":
        optical = settings.optical or optical_meter(device)
        while True:
            handed = yield from serve_optical(optical, buffer)
            if isinstance(handed, HandOver):
                yield from _one_link(device, settings, buffer, accepted)
                buffer.clear()
    if settings.speech == "hdlc":
        yield SetLine(settings.baud or 9600)
        link = HdlcServerLink(settings.hdlc, buffer)
        while True:
            yield from _serve_link(device, link, accepted)
    if settings.speech == "c1218":
        yield from _c1218(device, settings, buffer)
    if settings.speech == "c1222":
        yield from _c1222(device, settings, buffer)
        return
    if settings.speech in ("sml", "p1"):
        yield from push(device, settings.speech, baud=settings.baud, period=settings.push_period)
    wrapper = WrapperServerLink(buffer, datagram=settings.speech == "datagram")
    while True:
        yield from _serve_link(device, wrapper, accepted)


def optical_meter(device: MeterDevice, **more: Any) -> OpticalMeter:
    """The optical port as the image describes it, with fields of ``OpticalMeter`` replaced."""
    base = OpticalMeter(
        identification=device.identification.rstrip(b"\r\n"),
        readout=device.readout,
        programming=programming_side(device, device.image.programming),
    )
    return replace(base, **{**device.image.optical.model_dump(), **more})


def _c1218(device: MeterDevice, settings: StationSettings, buffer: ReceiveBuffer) -> Dialog[None]:
    """An ANSI meter, session after session."""
    meter = device.c1219
    link = replace(meter.settings, baud=settings.baud or meter.settings.baud)
    faulty = None if settings.c1218 is None else FaultyMeter(settings.c1218)
    intercept = None if faulty is None else faulty.intercept
    yield from serve_c1218(meter, link, buffer, faulty, rules=meter.rules, intercept=intercept)


def _c1222(device: MeterDevice, settings: StationSettings, buffer: ReceiveBuffer) -> Dialog[None]:
    """The same meter as a node of a network, on one connection or towards one sender of datagrams."""
    node = replace(device.c1219.node, datagram=settings.datagram)
    intercept = None if settings.c1218 is None else FaultyMeter(settings.c1218).intercept
    yield from serve_c1222(device.c1219, node, buffer, intercept=intercept)


def _one_link(
    device: MeterDevice, settings: StationSettings, buffer: ReceiveBuffer, accepted: dict[tuple[bytes, str], int]
) -> Dialog[None]:
    """One HDLC link after mode E; the line goes back to 300 Bd after it, or when nobody calls."""
    link = HdlcServerLink(replace(settings.hdlc, inactivity_timeout=settings.inactivity), buffer)
    try:
        first = yield from within(link.receive(), settings.inactivity)
    except NoAnswer:
        return
    while True:
        if first is not None:
            yield from _serve_link(device, link, accepted, first)
        # A second SNRM ends the association, not the link.
        if link.mode is not Mode.CONNECTED:
            return
        first = yield from link.receive()


def _serve_link(
    device: MeterDevice,
    link: HdlcServerLink | WrapperServerLink,
    accepted: dict[tuple[bytes, str], int],
    request: tuple[int, int, bytes] | None = None,
) -> Dialog[None]:
    """Requests and answers until the link ends; each client has its own association."""
    associations: dict[int, ServerAssociation] = {}
    if request is None:
        request = yield from link.receive()
    while request is not None:
        client, _, apdu = request
        if client not in associations:
            rules = device.associations.get(client)
            associations[client] = ServerAssociation(device, client, rules, accepted=accepted)
        answer = associations[client].handle(apdu)
        if answer is not None:
            try:
                yield from link.send(answer)
            except PortError:
                raise
            except MeterError:
                # The client took the link down meanwhile; what it asked is no longer wanted.
                return
        request = yield from link.receive()
