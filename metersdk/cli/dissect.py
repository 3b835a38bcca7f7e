"""Units of a protocol taken apart, layer by layer: frame, ciphering, APDU, values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from metersdk.apdu import acse, axdr, cipher, initiate, xdlms
from metersdk.apdu.cipher import Keys, Secret
from metersdk.cli import fields, values
from metersdk.cli.c1218 import Conversation
from metersdk.cli.c1222 import Network
from metersdk.cli.layer import Layer
from metersdk.cli.messages import messages
from metersdk.cli.units import Kind, Unit
from metersdk.errors import DecodeError, LocalProtocolError, MeterError, SecurityError
from metersdk.frame.hdlc import LLC_COMMAND, LLC_RESPONSE, Frame, FrameKind, describe_reject
from metersdk.frame.hdlc_parameters import Parameters
from metersdk.frame.wrapper import HEADER_LENGTH, Wpdu
from metersdk.model.cosem.secrets import is_secret_attribute, is_secret_method

# An APDU in an APDU in an APDU is somebody's joke.
_DEEPEST = 4
# A segmented or block-wise answer is kept until it is whole; no meter sends more.
_LONGEST = 1 << 24
_NOT_SHOWN = axdr.encode(axdr.visible("(not shown)"))


@dataclass(frozen=True, slots=True)
class Event:
    """A unit and its layers; ``problem`` says why it could not be taken apart further."""

    unit: Unit
    layers: tuple[Layer, ...]
    problem: MeterError | None = None


class Dissector:
    """Takes units apart, in their order: segments and blocks are joined, and titles and keys remembered.

    Args:
        keys: to decipher; without them ciphered APDUs stay closed.
        limit: parts shown of each array and structure, None for all.
    """

    def __init__(self, keys: Keys | None = None, limit: int | None = 8) -> None:
        self._keys = keys
        self._limit = limit
        self._client_title = keys.system_title if keys else b""
        self._server_title = (keys.server_title or b"") if keys else b""
        self._dedicated: Secret | None = None
        self._segments: dict[str, bytes] = {}
        self._blocks: dict[str, bytes] = {}
        self._c1218 = Conversation(limit)
        self._c1222 = Network(keys, limit)
        self._asked: xdlms.AttributeDescriptor | xdlms.MethodDescriptor | None = None

    def take_apart(self, unit: Unit) -> Event:
        """All layers of one unit; what does not fit its protocol ends in ``problem``."""
        layers: list[Layer] = []
        try:
            for layer in self._layers(unit):
                layers.append(layer)
        except MeterError as error:
            return Event(unit, tuple(layers), error)
        return Event(unit, tuple(layers))

    def _layers(self, unit: Unit) -> Iterator[Layer]:
        match unit.kind:
            case Kind.HDLC:
                return self._hdlc(unit)
            case Kind.WRAPPER:
                return self._wrapper(unit)
            case Kind.TEXT:
                return messages(unit)
            case Kind.C1218:
                return self._c1218.layers(unit)
            case Kind.C1222:
                return self._c1222.layers(unit)
            case Kind.APDU:
                return self._apdu(unit.octets, unit.direction)
            case Kind.DATA:
                return self._data(unit.octets)
        return iter(())

    # frames -----------------------------------------------------------------------------------------------------

    def _hdlc(self, unit: Unit) -> Iterator[Layer]:
        frame = Frame.decode(unit.octets, proved=not unit.masked)
        kind, information = frame.kind, frame.information
        where = f"{frame.source_address} → {frame.destination_address}"
        numbers = {FrameKind.I: f" N(S)={frame.send_number} N(R)={frame.receive_number}"}
        if kind in (FrameKind.RR, FrameKind.RNR, FrameKind.REJ):
            numbers[kind] = f" N(R)={frame.receive_number}"
        marks = (" P/F" if frame.final else "") + (" segmented" if frame.segmented else "")
        yield Layer(
            "frame",
            f"HDLC {kind}",
            f"{where}{numbers.get(kind, '')}{marks}",
            content={
                "source": str(frame.source_address),
                "destination": str(frame.destination_address),
                "final": frame.final,
                "segmented": frame.segmented,
                "octets": len(information),
            },
        )
        if kind in (FrameKind.SNRM, FrameKind.UA) and information:
            agreed, findings = Parameters.decode(information)
            told = {name: getattr(agreed, name) for name in ("max_info_tx", "max_info_rx", "window_tx", "window_rx")}
            notes = tuple((1, f"note: {finding.text}") for finding in findings)
            yield Layer("frame", "parameters", ", ".join(f"{k} {v}" for k, v in told.items()), notes, dict(told))
        elif kind is FrameKind.FRMR:
            yield Layer("frame", "rejected", describe_reject(information))
        elif kind in (FrameKind.I, FrameKind.UI) and information:
            yield from self._segment(frame, unit)

    def _segment(self, frame: Frame, unit: Unit) -> Iterator[Layer]:
        """An APDU is whole with the first frame that is not segmented."""
        lane = f"{unit.direction} {frame.source.hex()}"
        # A repeated or lost frame shows in the numbers; what is joined here is what came.
        joined = self._segments.pop(lane, b"") + frame.information
        if frame.segmented:
            self._segments[lane] = joined[:_LONGEST]
            yield Layer("frame", "segment", f"{len(frame.information)} octets, {len(joined)} so far")
            return
        if joined[:3] in (LLC_COMMAND, LLC_RESPONSE):
            joined = joined[3:]
        else:
            # Some meters push without it (Landis+Gyr E450 in all blocks but the first).
            yield Layer("frame", "no LLC header")
        yield from self._apdu(joined, unit.direction)

    def _wrapper(self, unit: Unit) -> Iterator[Layer]:
        wpdu = Wpdu.decode(unit.octets)
        yield Layer(
            "frame",
            "wrapper",
            f"{wpdu.source} → {wpdu.destination}, {len(wpdu.apdu)} octets",
            content={
                "source": wpdu.source,
                "destination": wpdu.destination,
                "octets": len(unit.octets) - HEADER_LENGTH,
            },
        )
        yield from self._apdu(wpdu.apdu, unit.direction)

    # APDUs ------------------------------------------------------------------------------------------------------

    def _apdu(self, apdu: bytes, direction: str, depth: int = 0) -> Iterator[Layer]:
        if depth > _DEEPEST:
            raise DecodeError("APDUs are packed too deep into each other", layer="apdu")
        tag = apdu[0] if apdu else -1
        match tag:
            case 0x60:
                yield from self._aarq(acse.decode_aarq(apdu), direction, depth)
            case 0x61:
                yield from self._aare(acse.decode_aare(apdu), direction, depth)
            case 0x62 | 0x63:
                unit = acse.decode_rlrq(apdu) if tag == 0x62 else acse.decode_rlre(apdu)
                name = "release request (RLRQ)" if tag == 0x62 else "release response (RLRE)"
                yield Layer("apdu", name, "" if unit.reason is None else f"reason {unit.reason}")
                if unit.user_information:
                    yield from self._apdu(unit.user_information, direction, depth + 1)
            case 0x01:
                yield self._initiate_request(initiate.decode_initiate_request(apdu))
            case 0x08:
                yield _initiate_response(initiate.decode_initiate_response(apdu))
            case _ if cipher.is_protected(apdu):
                yield from self._ciphered(apdu, direction, depth)
            case _:
                yield from self._service(xdlms.decode(apdu), direction, depth)

    def _aarq(self, aarq: acse.Aarq, direction: str, depth: int) -> Iterator[Layer]:
        self._client_title = aarq.calling_title or self._client_title
        self._dedicated = None
        self._blocks.clear()
        value = aarq.authentication_value
        mechanism = aarq.mechanism or acse.Authentication.NONE
        content: dict[str, object] = {
            "context": aarq.context.name.lower(),
            "authentication": _name(mechanism),
            "calling_title": aarq.calling_title.hex() if aarq.calling_title else None,
        }
        details = [f"client system title {content['calling_title']}"] if aarq.calling_title else []
        if value is not None and mechanism.is_high:
            content["challenge"] = value.hex()
            details.append(f"challenge CtoS {value.hex()}")
        elif value is not None:
            details.append(f"password of {len(value)} octets, not shown")
        text = f"{_context(aarq.context)}, authentication {content['authentication']}"
        yield Layer("apdu", "association request (AARQ)", text, _indented(details), content, secret=True)
        if aarq.user_information:
            yield from self._apdu(aarq.user_information, direction, depth + 1)

    def _aare(self, aare: acse.Aare, direction: str, depth: int) -> Iterator[Layer]:
        self._server_title = aare.responding_title or self._server_title
        accepted = aare.result == acse.AssociationResult.ACCEPTED
        why = acse.describe_diagnostic(aare.source, aare.diagnostic)
        content: dict[str, object] = {
            "context": aare.context.name.lower(),
            "accepted": accepted,
            "result": aare.result,
            "diagnostic": why,
            "responding_title": aare.responding_title.hex() if aare.responding_title else None,
        }
        details = [f"server system title {content['responding_title']}"] if aare.responding_title else []
        if aare.authentication_value:
            content["challenge"] = aare.authentication_value.hex()
            details.append(f"challenge StoC {content['challenge']}")
        text = f"{'accepted' if accepted else f'REFUSED: {why}'}, {_context(aare.context)}"
        yield Layer("apdu", "association response (AARE)", text, _indented(details), content)
        if aare.user_information:
            yield from self._apdu(aare.user_information, direction, depth + 1)

    def _initiate_request(self, request: initiate.InitiateRequest) -> Layer:
        self._dedicated = request.dedicated_key or self._dedicated
        details = ["dedicated key given, not shown"] if request.dedicated_key else []
        return _initiated("initiate request", request, details)

    def _ciphered(self, apdu: bytes, direction: str, depth: int) -> Iterator[Layer]:
        parts = cipher.split(apdu)
        security = cipher.Security(parts.control & 0x30)
        content: dict[str, object] = {
            "tag": f"{parts.tag:02x}",
            "security": _name(security),
            "suite": parts.control & 0x0F,
            "invocation_counter": parts.counter,
            "title": parts.title.hex() or None,
            "dedicated": parts.dedicated,
        }
        key = "dedicated key" if parts.dedicated else "broadcast key" if parts.control & 0x40 else "global key"
        title = f", title {parts.title.hex()}" if parts.title else ""
        text = f"{_name(security)}, {key}, counter {parts.counter}, suite {content['suite']}{title}"
        yield Layer("ciphering", f"ciphered {parts.tag:02X}", text, content=content)
        if self._keys is None:
            yield Layer("ciphering", "closed", f"{len(parts.body)} octets; --key-file opens them")
            return
        yield from self._apdu(self._deciphered(parts, self._keys, direction), direction, depth + 1)

    def _deciphered(self, parts: cipher.Protected, keys: Keys, direction: str) -> bytes:
        secret = keys.ek
        if parts.dedicated:
            if self._dedicated is None:
                raise SecurityError("the dedicated key is not known", layer="association", hint="it is in the AARQ")
            secret = self._dedicated
        elif parts.control & 0x40 and keys.broadcast_key is not None:
            secret = keys.broadcast_key
        # Who sent it is not always told: the tag proves which title it was.
        titles = [parts.title] if parts.title else [self._client_title, self._server_title]
        if direction == "rx":
            titles.reverse()
        problem: MeterError | None = None
        for title in filter(None, titles):
            try:
                plain = cipher.unseal(parts.control, parts.counter, title, secret, keys.ak, parts.body)
            except SecurityError as error:
                problem = problem or error
                continue
            if _plausible(parts, plain):
                return plain
        raise problem or SecurityError(
            "the system title of the sender is not known, or the key is wrong",
            layer="association",
            hint="give server_title in the key file; the AARE of this session does not tell it",
        )

    # services ---------------------------------------------------------------------------------------------------

    def _service(self, apdu: xdlms.Apdu, direction: str, depth: int) -> Iterator[Layer]:
        self._asked = fields.subject(apdu) or self._asked
        shown = _without_secrets(apdu, self._asked)
        about = "" if fields.subject(apdu) is not None else fields.about(self._asked, apdu)
        yield Layer(
            "apdu",
            fields.name_of(apdu),
            fields.headline(apdu) or about,
            tuple(fields.lines(shown, self._limit)),
            fields.content(shown),
            secret=shown is not apdu,
        )
        whole = self._joined(apdu, direction)
        if whole is None or shown is not apdu:
            return
        if isinstance(apdu, xdlms.GeneralBlockTransfer):
            yield from self._apdu(whole, direction, depth + 1)
        else:
            yield from self._data(whole)

    def _joined(self, apdu: xdlms.Apdu, direction: str) -> bytes | None:
        """The data of all blocks, once the last one is there."""
        match apdu:
            case xdlms.GetResponseBlock(raw=bytes(raw), last=last, block=block):
                lane, first = "get", block == 1
            case xdlms.ActionResponseBlock(raw=raw, last=last, block=block):
                lane, first = "action", block == 1
            case xdlms.SetRequestFirstBlock(raw=raw, last=last) | xdlms.SetRequestBlock(raw=raw, last=last):
                lane, first = "set", isinstance(apdu, xdlms.SetRequestFirstBlock)
            case xdlms.GeneralBlockTransfer(data=raw, last=last, block=block):
                lane, first = f"general {direction}", block == 1
            case _:
                return None
        joined = (b"" if first else self._blocks.pop(lane, b"")) + raw
        if last:
            self._blocks.pop(lane, None)
            return joined if joined else None
        self._blocks[lane] = joined[:_LONGEST]
        return None

    def _data(self, octets: bytes) -> Iterator[Layer]:
        data = axdr.decode_all(octets)
        name, *rest = list(values.tree(data, self._limit))
        yield Layer("data", name[1], f"{len(octets)} octets", tuple(rest), values.structured(data))


def _without_secrets(apdu: xdlms.Apdu, asked: fields.Member | None) -> xdlms.Apdu:
    """The same APDU, if it carries no password; ``asked``: what an answer or a further block is about."""
    match apdu:
        case xdlms.SetRequestList(items=items) | xdlms.SetRequestListFirstBlock(items=items):
            members: Sequence[fields.Member | None] = [item[0] for item in items]
        case xdlms.ActionRequestList(methods=methods) | xdlms.ActionRequestListFirstBlock(methods=methods):
            members = methods
        case _:
            members = (asked,)
    if not any(map(_is_secret, members)):
        return apdu
    match apdu:
        case xdlms.SetRequestList() | xdlms.ActionRequestList():
            return replace(apdu, data=(_NOT_SHOWN,) * len(apdu.data))
        case xdlms.SetRequest(data=bytes()) | xdlms.ActionRequest(data=bytes()) | xdlms.GetResponse(data=bytes()):
            return replace(apdu, data=_NOT_SHOWN)
        case (
            xdlms.SetRequestFirstBlock()
            | xdlms.SetRequestBlock()
            | xdlms.SetRequestListFirstBlock()
            | xdlms.ActionRequestFirstBlock()
            | xdlms.ActionRequestListFirstBlock()
            | xdlms.ActionRequestBlock()
            | xdlms.GetResponseBlock(raw=bytes())
        ):
            return replace(apdu, raw=b"")
    return apdu


def _is_secret(member: fields.Member | None) -> bool:
    if isinstance(member, xdlms.AttributeDescriptor):
        return is_secret_attribute(member.class_id, member.attribute)
    return member is not None and is_secret_method(member.class_id, member.method)


def _plausible(parts: cipher.Protected, plain: bytes) -> bool:
    """Encryption without authentication proves nothing: what comes out must begin like an APDU."""
    if parts.control & 0x10:
        return True
    known = {tag: inner for inner, tag in (*cipher.GLO_TAG.items(), *cipher.DED_TAG.items())}
    if parts.tag in known:
        return plain[:1] == bytes((known[parts.tag],))
    try:
        xdlms.decode(plain)
    except (DecodeError, LocalProtocolError):
        return False
    return True


def _initiated(name: str, unit: initiate.InitiateRequest | initiate.InitiateResponse, details: list[str]) -> Layer:
    words = [flag.name.lower().replace("_", "-") for flag in unit.conformance if flag.name]
    content: dict[str, object] = {"max_pdu": unit.max_pdu, "version": unit.version, "conformance": words}
    text = f"max PDU {unit.max_pdu}, DLMS version {unit.version}"
    return Layer("apdu", name, text, _indented([*details, f"conformance {' '.join(words)}"]), content)


def _initiate_response(response: initiate.InitiateResponse) -> Layer:
    return _initiated("initiate response", response, [])


def _indented(lines: list[str]) -> tuple[tuple[int, str], ...]:
    return tuple((1, line) for line in lines)


def _name(flag: acse.Authentication | cipher.Security) -> str:
    return (flag.name or str(flag.value)).lower().replace("_", "-")


def _context(context: acse.ApplicationContext) -> str:
    return f"{context.name.partition('_')[0]} referencing{', ciphered' if context.is_ciphered else ''}"
