"""From a line or a connection to a session: sign on, hand over, associate; and the plan that says how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from metersdk.apdu.acse import Authentication
from metersdk.apdu.cipher import Keys, Secret, Security
from metersdk.apdu.keys import TicketKey
from metersdk.dialog.association import Association, AssociationSettings, Link
from metersdk.dialog.c1219_family import FamilyOf
from metersdk.dialog.c1219_settings import BAUD as C1218_BAUD
from metersdk.dialog.c1219_settings import PACKET_SIZE, PACKETS, C1219Settings
from metersdk.dialog.c1222 import C1222Settings
from metersdk.dialog.c1222_opening import c1222_settings, open_c1222
from metersdk.dialog.iec62056_21 import SignedOn, SignOn, recover, sign_on
from metersdk.dialog.iec62056_21_hand_over import call_again, fall_back, hand_over
from metersdk.dialog.kmp import BAUD as KMP_BAUD
from metersdk.dialog.kmp import open_kmp
from metersdk.dialog.link import HdlcLink, HdlcSettings
from metersdk.dialog.mending import Connection
from metersdk.dialog.names import AuthenticationName as AuthenticationName
from metersdk.dialog.names import ProtocolName as ProtocolName
from metersdk.dialog.names import SecurityName as SecurityName
from metersdk.dialog.optical import OpticalTiming
from metersdk.dialog.passing import passed
from metersdk.dialog.push_session import PushSession
from metersdk.dialog.pushers import PUSH_BAUDS, Ear, Pusher, PushLine
from metersdk.dialog.readout import ReadoutSession, SignedOnSource
from metersdk.dialog.session import DlmsSession, Session
from metersdk.dialog.timing import Timing, limited
from metersdk.dialog.wrapper_link import WrapperLink
from metersdk.effects import Answer, Dialog, Effect, Emit, Now, SetLine, State
from metersdk.errors import (
    Cancel,
    DecodeError,
    Finding,
    FrameError,
    LocalProtocolError,
    MeterError,
    NoAnswer,
    ServiceError,
)
from metersdk.frame.buffer import ReceiveBuffer
from metersdk.frame.hdlc import Frame, FrameKind, control_octet
from metersdk.frame.hdlc_address import Address
from metersdk.frame.recognise import Speech, recognise
from metersdk.model.identity import Identity
from metersdk.model.obis import Obis
from metersdk.model.quirks import Quirks

Medium: TypeAlias = Literal["line", "stream", "datagram"]
Framing: TypeAlias = Literal["wrapper", "hdlc"]

E = TypeVar("E", Authentication, Security)

PUBLIC_CLIENT = 16
INVOCATION_COUNTER = Obis("0.0.43.1.0.255")
# Flags, format, addresses, control and two check sequences of the longest HDLC frame; 8N1.
_FRAME_OVERHEAD = 17
_CHARACTER_BITS = 10
# The longest APDU that is offered. No datagram is longer than 65507 octets, and one that goes in fragments is lost with
# each of them. 1280 octets go whole over every path (RFC 8200, 5), less 40 of IPv6, 8 of UDP, 8 of the wrapper.
_STREAM_PDU, _DATAGRAM_PDU = 65535, 1224
# Seconds for the good-bye of an opening that failed half-way.
_FAREWELL = 2.0
# Seconds that a meter amid its data message, or noise, may keep the line busy before it is told to stop.
_BUSY_LINE = 20.0
# Three damaged answers to SNRM have fewer octets; data at 300 Bd are more of them, read at a higher speed.
_DAMAGED_ANSWERS = 120
# A round trip that is shorter makes no difference to a protocol whose shortest wait is 20 ms.
_NEAR = 0.005
# A packet of C12.18 is sent so often again before it is certain that nobody speaks it.
_C1218_REPEATS = 1
# Seconds to listen on a line where octets came that were no answer: for the next of them, and in all.
_OVERHEARD_NEXT = 5.0
_OVERHEARD = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How to reach a meter.

    Attributes:
        medium: a ``line`` has a speed and may want a sign-on; ``stream`` and ``datagram`` have none.
        framing: HDLC or the wrapper, where the medium is no line.
        protocol: ``auto`` signs on where there is a line, and speaks DLMS elsewhere; ``sml`` and ``push`` listen;
            ``c1218`` is ANSI C12.18, over whatever carries its octets, ``c1222`` the same meters over a network.
        baud: speed of direct HDLC on a line, without sign-on, and of a meter that pushes in mode D.
        listen: mode D: the meter speaks by itself, nothing is sent.
        sign_on, hdlc, association, c1219, c1222, quirks, timing: the settings of each layer.
    """

    medium: Medium = "stream"
    framing: Framing = "wrapper"
    protocol: ProtocolName = "auto"
    baud: int = 9600
    listen: bool = False
    pushes: PushLine = field(default_factory=PushLine)
    sign_on: SignOn = field(default_factory=SignOn)
    hdlc: HdlcSettings = field(default_factory=HdlcSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)
    c1219: C1219Settings = field(default_factory=C1219Settings)
    c1222: C1222Settings = field(default_factory=C1222Settings)
    quirks: Quirks = field(default_factory=Quirks)
    timing: Timing = field(default_factory=Timing)

    @classmethod
    def of(
        cls,
        options: Mapping[str, object],
        *,
        medium: Medium,
        framing: Framing | None,
        baud: int | None,
        hardware_parity: bool,
        password: Secret | bytes | str | None,
        keys: Keys | TicketKey | None,
        quirks: Quirks,
        timing: Timing,
        families: Callable[[str], Quirks | None] | None = None,
        ansi_families: FamilyOf | None = None,
    ) -> Plan:
        """A plan from the names a caller writes; what is left out follows from what is given.

        ``quirks`` hold from the start; ``families``, which knows the family of an identification line, and
        ``ansi_families``, which knows it by table 1, may bring others once the meter has said who it is.

        Raises:
            LocalProtocolError: no such name, or a mechanism without its password or keys.
        """
        told = {key: value for key, value in options.items() if value is not None}
        protocol = _one_of(told.get("protocol", "auto"), get_args(ProtocolName), "protocol")
        if protocol == "auto":
            protocol = quirks.protocol
        ticket, keys = _keys_for(protocol, keys)
        mode = _one_of(str(told.get("mode", quirks.mode)), ("auto", "A", "B", "C", "D", "E"), "mode")
        default = "low" if password is not None else "high-gmac" if keys is not None else "none"
        client, server = _number(told, "client", 16), _number(told, "server", 1)
        info, window = _number(told, "max_info", 2030), _number(told, "window", 7)
        named = str(told.get("security", "none" if keys is None else "authenticated-encrypted"))
        security = _named(Security, named, "security")
        digits, wake_up = quirks.address_digits, _number(told, "wake_up", None)
        sign_on = SignOn(
            address=str(told.get("address", ""))[-digits if digits else None :],
            mode="auto" if mode == "D" else mode,
            hdlc=protocol == "auto",
            parity="hardware" if hardware_parity else "software",
            timing=_optical(timing),
        ).opened_for(quirks)
        likely = (quirks.push_baud, *PUSH_BAUDS) if mode == "D" else PUSH_BAUDS
        pushes = PushLine(
            bauds=() if medium != "line" else (baud,) if baud else tuple(dict.fromkeys(likely)),
            only=Speech.SML if protocol == "sml" else Speech.TELEGRAM if mode == "D" else None,
            quirks=quirks,
            keys=keys,
        )
        sign_on = replace(sign_on, wake_up=sign_on.wake_up if wake_up is None else wake_up == 1, families=families)
        if (number := told.get("list")) is not None:
            known = tuple(quirks.lists or "123456789")
            sign_on = replace(sign_on, start="/" + _one_of(number, known, "list of this meter"))
        plan = cls(
            medium=medium,
            framing=framing or "wrapper",
            protocol=protocol,
            baud=baud or (quirks.push_baud if mode == "D" else KMP_BAUD if protocol == "kmp" else 9600),
            listen=mode == "D" or protocol in ("sml", "push"),
            pushes=pushes,
            sign_on=sign_on,
            hdlc=HdlcSettings(
                physical=_number(told, "physical", None),
                address_size=_number(told, "address_size", None),
                max_info_tx=info,
                max_info_rx=info,
                window_tx=window,
                window_rx=window,
                response_timeout=min(3.0, timing.response / 2),
            ),
            association=AssociationSettings(
                client=client,
                server=server,
                authentication=_named(Authentication, str(told.get("authentication", default)), "authentication"),
                password=password,
                keys=keys,
                security=security,
                max_pdu=_DATAGRAM_PDU if medium == "datagram" else _STREAM_PDU,
                timeout=timing.response,
            ),
            c1219=C1219Settings(
                user_id=_number(told, "user_id", 1),
                user=str(told.get("user", "metersdk")),
                password=None if password is None else Secret(password),
                key=ticket,
                key_id=_number(told, "key_id", 0),
                packet_size=_number(told, "packet_size", PACKET_SIZE),
                packets=_number(told, "packets", PACKETS),
                baud=baud or C1218_BAUD,
                max_baud=_number(told, "max_baud", None),
                families=ansi_families,
            ),
            c1222=C1222Settings()
            if protocol != "c1222"
            else c1222_settings(told, keys=keys, security=security, datagram=medium == "datagram", timing=timing),
            timing=timing,
        )
        return plan.adopting(quirks)

    def adopting(self, quirks: Quirks) -> Plan:
        """This plan for a meter of that family, as far as what follows the sign-on is concerned."""
        return replace(
            self,
            hdlc=replace(
                self.hdlc,
                address_size=self.hdlc.address_size or quirks.hdlc_address_size,
                negotiate=quirks.hdlc_parameters,
                max_info_rx=min(self.hdlc.max_info_rx, quirks.hdlc_information or 2030),
                max_info_tx=min(self.hdlc.max_info_tx, quirks.hdlc_information or 2030),
                window_rx=min(self.hdlc.window_rx, quirks.hdlc_window or 7),
                window_tx=min(self.hdlc.window_tx, quirks.hdlc_window or 7),
            ),
            association=replace(
                self.association,
                envelope=quirks.envelope,
                dedicated=quirks.dedicated_key,
                allow_plaintext=quirks.allow_plaintext,
                release=quirks.release == "rlrq",
            ),
            quirks=quirks,
            timing=replace(self.timing, guard=max(self.timing.guard, quirks.guard)),
        )

    def reached_in(self, round_trip: float) -> Plan:
        """This plan for a line that is ``round_trip`` seconds away and back: twice that comes on top of every wait for
        the meter, unless the caller has said how long to wait (``Timing.latency``)."""
        if self.medium != "line" or round_trip < _NEAR or self.timing.latency:
            return self
        latency = 2 * round_trip
        return replace(
            self,
            timing=replace(self.timing, latency=latency),
            sign_on=replace(self.sign_on, timing=replace(self.sign_on.timing, latency=latency)),
            hdlc=replace(self.hdlc, response_timeout=self.hdlc.response_timeout + latency),
            association=replace(self.association, timeout=self.association.timeout + latency),
        )

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What a trace must not show."""
        password = self.association.password
        return tuple(Secret(each) for each in (password, self.c1219.key) if each is not None)


def _keys_for(protocol: str, keys: Keys | TicketKey | None) -> tuple[Secret | None, Keys | None]:
    """The key for a ticket of C12.21, and those of all other protocols. One never serves as the other.

    Raises:
        LocalProtocolError: they are of no use to this protocol; without a word they would protect nothing.
    """
    if isinstance(keys, TicketKey):
        if protocol != "c1218":
            raise LocalProtocolError(
                f"a ticket key is of no use to protocol {protocol}", layer="association", hint="say protocol c1218"
            )
        return keys.secret, None
    if keys is not None and protocol == "c1218":
        raise LocalProtocolError(
            "C12.18 has no use for keys of DLMS or C12.22",
            layer="association",
            hint='give TicketKey(...), in a key file ticket = "..."',
        )
    return None, keys


def _optical(timing: Timing) -> OpticalTiming:
    optical = OpticalTiming(latency=timing.latency)
    if timing.switch_margin is None:
        return optical
    first = timing.switch_margin
    return replace(
        optical,
        switch_margin=(first, optical.switch_margin[1]),
        switch_margin_fast=(first, optical.switch_margin_fast[1]),
    )


def _one_of(value: object, known: tuple[str, ...], what: str) -> Any:
    if value not in known:
        raise LocalProtocolError(f"{value!r} is no {what}", hint=f"one of: {', '.join(known)}")
    return value


def _number(told: Mapping[str, object], key: str, default: Any) -> Any:
    value = told.get(key, default)
    if isinstance(value, str):
        # No number here has ten digits, and int() refuses some thousands of them.
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise LocalProtocolError(f"{key}={value!r:.40}: a whole number is needed")
        return int(value)
    return value


def _named(kind: type[E], name: str, what: str) -> E:
    try:
        return kind[name.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(each.lower().replace("_", "-") for each in kind.__members__)
        raise LocalProtocolError(f"{name!r} is no {what}", hint=f"one of: {known}") from None


def open_session(plan: Plan) -> Dialog[Session]:
    """Reach the meter as planned; what was opened half-way is closed again before an error goes on.

    On a line, ``auto`` asks in turn: three requests at 300 Bd, HDLC at ``baud``, ANSI C12.18, the good-byes of a
    session left open at ``baud``, one more request behind a wake-up call. Octets that come unasked are listened to: a
    meter may speak by itself. With the default times a dead line is given up after 28 s, a noisy one after 46 s.

    Raises:
        NoAnswer: nobody answered, in any protocol that was tried; the error is that of the first one.
        AssociationRefused, SecurityError: the meter did not want this client.
        RemoteProtocolError: what answered does not speak the protocol.
    """
    return limited(_open_session(plan), plan.timing)


def _open_session(plan: Plan) -> Dialog[Session]:
    keys = plan.association.keys
    if keys is None or keys.counter is not None or plan.protocol == "c1222":
        return (yield from _open_planned(plan))
    # A meter takes only counters above the last it saw, and tells the public client which that was.
    public = AssociationSettings(
        client=PUBLIC_CLIENT,
        server=plan.association.server,
        max_pdu=plan.association.max_pdu,
        timeout=plan.timing.response,
    )
    asking = yield from _open_planned(replace(plan, association=public))
    if not isinstance(asking, DlmsSession):
        return asking
    try:
        last = yield from asking.get(1, INVOCATION_COUNTER, 2)
    except (ServiceError, DecodeError) as error:
        raise LocalProtocolError(
            f"the meter does not tell its invocation counter: {error.message}",
            layer="association",
            hint="give Keys(invocation_counter=...), above the last one this client used",
        ) from error
    finally:
        yield from asking.close()
    if not isinstance(last, int):
        raise DecodeError("the invocation counter of the meter is no number", layer="data")
    yield Emit(State("invocation-counter", f"the meter last saw {last}"))
    known = replace(plan.association, keys=replace(keys, invocation_counter=last + 1))
    return (yield from _open_planned(replace(plan, association=known)))


def _open_planned(plan: Plan) -> Dialog[Session]:
    buffer = ReceiveBuffer()
    yield Emit(buffer.counts)
    if plan.listen:
        return (yield from _pushed(plan, buffer, plan.pushes.total))
    if plan.protocol == "kmp":
        return (yield from open_kmp(plan.baud, plan.timing, plan.quirks.family or None, buffer))
    if plan.protocol == "c1218":
        return (yield from _c1218(plan, buffer))
    if plan.protocol == "c1222":
        return (yield from open_c1222(plan.c1222, plan.c1219, buffer, plan.timing, plan.quirks))
    # Asked for by name, IEC 62056-21 is spoken over a socket, too: a modem or a box with an optical head behind it.
    if plan.medium != "line" and plan.protocol != "iec62056-21":
        return (yield from _associate(plan, buffer, _identity(plan, None)))
    if plan.protocol == "dlms":
        yield SetLine(plan.baud)
        return (yield from _associate(plan, buffer, _identity(plan, None)))
    if plan.quirks.sessionless:
        baud = plan.sign_on.initial_baud
        asked = Identity(protocol="iec62056-21:C", baud=baud, family=plan.quirks.family or None)
        return ReadoutSession(SignedOnSource(None, plan.sign_on, buffer), asked, plan.timing, plan.association.password)
    ear = Ear()
    try:
        signed = yield from ear.over(sign_on(plan.sign_on, buffer))
    except NoAnswer as silence:
        if plan.medium != "line" or silence.state != "sign-on":
            raise
        if plan.protocol == "auto":
            for way in (_overheard(plan, buffer, ear), _direct(plan, buffer), _c1218_tried(plan, buffer)):
                session = yield from way
                if session is not None:
                    return session
        signed = yield from _recovered(plan, buffer, silence)
    return (yield from _signed_on(plan, buffer, signed))


def _pushed(plan: Plan, buffer: ReceiveBuffer, total: float, first: float | None = None) -> Dialog[Session]:
    """Nothing is sent: the meter speaks by itself. A whole telegram in ``total`` seconds, something in ``first``."""
    pusher = Pusher(plan.pushes, buffer)
    now: float = yield Now()
    yield from pusher.tune(now + total, first_by=None if first is None else now + first)
    telegram = yield from pusher.next(now + total)
    return PushSession(pusher, telegram, plan.timing, plan.pushes.total)


def _overheard(plan: Plan, buffer: ReceiveBuffer, ear: Ear) -> Dialog[Session | None]:
    """Octets came that are no answer and no echo: somebody speaks here. None if it is nobody that can be read."""
    if not ear.busy:
        return None
    yield Emit(State("overheard", f"{ear.heard} octets, and no answer; listening for a meter that speaks by itself"))
    buffer.clear()
    try:
        return (yield from _pushed(plan, buffer, _OVERHEARD, _OVERHEARD_NEXT))
    except NoAnswer:
        buffer.clear()
        return None
    except FrameError:
        if recognise(bytes(buffer.view())) is not Speech.C1218:
            raise
    # An ANSI meter amid the session of somebody who went away: it is spoken to once that is over.
    yield Emit(State("overheard-c1218", "packets of ANSI C12.18; signing on to the meter that sends them"))
    buffer.clear()
    return (yield from _c1218(plan, buffer))


def _signed_on(plan: Plan, buffer: ReceiveBuffer, signed: SignedOn) -> Dialog[Session]:
    found = signed.settings.quirks
    if found is not plan.sign_on.quirks:
        # Anybody can send an identification: it must not talk a reader out of its protection.
        plan = plan.adopting(replace(found, allow_plaintext=plan.quirks.allow_plaintext))
    if signed.mode != "E":
        return _readout_session(plan, signed, buffer)
    fallen = signed
    for again in (True, False):
        spoken = yield from hand_over(signed)
        for finding in signed.findings:
            yield Emit(finding)
        if spoken:
            yield Emit(State("hand-over", f"HDLC at {signed.baud} Bd"))
            # The second time without parameters: of nine octets more arrive than of thirty-four.
            for hdlc in (plan.hdlc, replace(plan.hdlc, negotiate=False)):
                ear = Ear()
                try:
                    tried = replace(plan, hdlc=hdlc)
                    return (yield from ear.over(_associate(tried, buffer, _identity(plan, signed))))
                except NoLink:
                    if ear.heard > _DAMAGED_ANSWERS:
                        break
        # The meter missed the acknowledgement: it does not wait for HDLC, it sends its readout at 300 Bd (6.4.2).
        fallen = yield from fall_back(signed)
        does = "hearing that out, and signing on once more" if again else "taking that"
        yield Emit(State("fall-back", f"no HDLC: the meter goes on with its data message at 300 Bd; {does}"))
        if not again:
            break
        try:
            signed = yield from call_again(fallen, buffer)
        except NoAnswer:
            break
        if signed.mode != "E":
            return _readout_session(plan, signed, buffer)
    return _readout_session(plan, fallen, buffer)


def _readout_session(plan: Plan, signed: SignedOn, buffer: ReceiveBuffer) -> Session:
    source = SignedOnSource(signed, plan.sign_on, buffer)
    return ReadoutSession(source, _identity(plan, signed), plan.timing, plan.association.password)


def _direct(plan: Plan, buffer: ReceiveBuffer) -> Dialog[Session | None]:
    """Nobody answered the sign-on: many meters on RS-485 speak HDLC at once. None if this one does not."""
    yield Emit(State("direct-hdlc", f"no answer to the sign-on; trying HDLC at {plan.baud} Bd"))
    yield SetLine(plan.baud)
    buffer.clear()
    try:
        return (yield from _associate(plan, buffer, _identity(plan, None)))
    except NoLink:
        return None


def _c1218(plan: Plan, buffer: ReceiveBuffer, *, retries: int | None = None) -> Dialog[Session]:
    is_line = plan.medium == "line"
    # The tables of C12.19 take a good part of a second to load; who reads DLMS need not wait for them.
    from metersdk.dialog.c1219_opening import open_c1218

    return (yield from open_c1218(plan.c1219, buffer, plan.timing, plan.quirks, is_line=is_line, retries=retries))


def _c1218_tried(plan: Plan, buffer: ReceiveBuffer) -> Dialog[Session | None]:
    """Nobody speaks HDLC either: an ANSI meter is deaf to both. None if nobody acknowledges a packet of C12.18."""
    yield Emit(State("direct-c1218", f"nor to HDLC; trying ANSI C12.18 at {plan.c1219.baud} Bd"))
    buffer.clear()
    told: list[Emit] = []

    def held(effect: Effect) -> Dialog[Answer]:
        if isinstance(effect, Emit) and isinstance(effect.event, Finding):
            told.append(effect)
            return None
        return (yield effect)

    try:
        session = yield from passed(_c1218(plan, buffer, retries=_C1218_REPEATS), held)
    except NoAnswer:
        # That nobody acknowledges tells nothing of the line where nobody is.
        buffer.clear()
        return None
    yield from told
    return session


def _recovered(plan: Plan, buffer: ReceiveBuffer, silence: NoAnswer) -> Dialog[SignedOn]:
    """Nobody answered at all: a reader that crashed may have left the meter amid a session, deaf to 300 Bd for 60 to
    120 s. It is told that the session is over, at the likeliest speed, woken up, and asked once more.

    Raises:
        NoAnswer: ``silence``, the first one.
    """
    text = f"no answer; ending a session that may have been left open at {plan.baud} Bd, and asking once more"
    yield Emit(State("recover", text))
    patient = replace(plan.sign_on, total=min(plan.sign_on.total, _BUSY_LINE))
    try:
        # A few seconds are waited out; the minute or two of the standard are not.
        soon = patient.timing.inactivity_max < _BUSY_LINE
        yield from recover(patient, last_baud=plan.baud, disconnect=_disconnect(plan), wait_out=soon)
        # A meter on battery sleeps until it is called like that; one that is awake takes no notice.
        return (yield from sign_on(replace(plan.sign_on, retries=0, wake_up=plan.medium == "line"), buffer))
    except NoAnswer:
        raise silence from None


def _disconnect(plan: Plan) -> bytes:
    server = Address.of(plan.association.server, plan.hdlc.physical, plan.hdlc.address_size)
    client = Address.of(plan.association.client, None, 1)
    return Frame(server.encode(), client.encode(), control_octet(FrameKind.DISC, poll=True)).encode()


class NoLink(NoAnswer):
    """Nobody answered SNRM."""


def _associate(plan: Plan, buffer: ReceiveBuffer, identity: Identity) -> Dialog[Session]:
    connection = Connection(
        lambda information: Association(_link(plan, buffer, information), _patient(plan, identity.baud)),
        plan.hdlc.max_info_rx,
    )
    try:
        yield from connection.open()
    except (MeterError, Cancel) as error:
        link = connection.association.link
        if isinstance(link, HdlcLink) and link.parameters is None and isinstance(error, MeterError):
            if isinstance(error, NoAnswer):
                raise NoLink(error.message, layer=error.layer, state=error.state, retryable=True) from error
            raise
        # A cancelled SNRM is taken back, too: its UA may be on the way.
        yield from link.close((yield Now()) + _FAREWELL)
        raise
    return DlmsSession(connection, identity, plan.quirks, plan.timing)


def _patient(plan: Plan, baud: int | None) -> AssociationSettings:
    """The time to wait for an answer is the meter's; what one whole frame takes on the line comes on top."""
    if baud is None:
        return plan.association
    frame = (plan.hdlc.max_info_rx + _FRAME_OVERHEAD) * _CHARACTER_BITS / baud
    return replace(plan.association, timeout=plan.association.timeout + frame)


def _link(plan: Plan, buffer: ReceiveBuffer, information: int) -> Link:
    settings = plan.association
    if plan.medium == "line" or plan.framing == "hdlc":
        hdlc = plan.hdlc
        if information < hdlc.max_info_rx:
            hdlc = replace(hdlc, max_info_rx=information, max_info_tx=min(information, hdlc.max_info_tx))
        return HdlcLink(replace(hdlc, client=settings.client, server=settings.server), buffer)
    return WrapperLink(settings.client, settings.server, buffer, datagram=plan.medium == "datagram")


def _identity(plan: Plan, signed: SignedOn | None) -> Identity:
    spoken = "dlms:hdlc" if plan.medium == "line" or plan.framing == "hdlc" else "dlms:wrapper"
    family = plan.quirks.family or None
    if signed is None:
        baud = plan.baud if plan.medium == "line" else None
        return Identity(protocols=(spoken,), protocol=spoken, baud=baud, family=family)
    said = signed.identification
    modes = () if said is None else ("C", "E") if said.mode == "E" else (said.mode,)
    if signed.mode not in modes:
        modes = (*modes, signed.mode)
    offered = tuple(f"iec62056-21:{mode}" for mode in modes)
    return Identity(
        manufacturer=said.manufacturer if said else None,
        model=said.text if said else None,
        identification=said.raw.decode("latin-1") if said else None,
        protocols=(*offered, "dlms:hdlc") if said and said.offers_hdlc else offered,
        protocol="dlms:hdlc" if signed.mode == "E" else f"iec62056-21:{signed.mode}",
        baud=signed.baud,
        family=family,
    )
