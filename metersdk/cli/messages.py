"""Messages of IEC 62056-21 in words."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from metersdk.apdu import dataset
from metersdk.cli.data_sets import fields
from metersdk.cli.layer import Layer
from metersdk.cli.units import Unit
from metersdk.errors import ChecksumError, DecodeError
from metersdk.frame import iec62056_21 as frame

_PROTOCOLS = {"0": "normal protocol", "1": "secondary protocol", "2": "HDLC"}
_OPTIONS = {"0": "data readout", "1": "programming mode", "2": "binary mode"}
_COMMANDS = {"P": "password", "W": "write", "R": "read", "E": "execute", "B": "break"}


def messages(unit: Unit) -> Iterator[Layer]:
    """The message, or the messages, of one unit: sign-on, identification, acknowledgement, command, data block.

    Raises:
        ChecksumError: a BCC is wrong.
        DecodeError: this is no message of IEC 62056-21.
    """
    text, odd = frame.from_line(unit.octets)
    # Octets without any parity bit come from 8N1, or from behind a UART that did the parity itself.
    if len(odd) and any(octet & 0x80 for octet in unit.octets):
        yield Layer("message", "parity", f"{len(odd)} octets with odd parity, the first is octet {odd[0]}")
    sleepers = len(text) - len(text.lstrip(b"\0"))
    if sleepers > 1:
        yield Layer("message", "wake-up", f"{sleepers} NULs")
    text = text.lstrip(b"\0")
    while text:
        text = yield from _message(text, unit)


def _message(text: bytes, unit: Unit) -> Generator[Layer, None, bytes]:
    """The first message; what is left behind it."""
    if text[:2] in (b"/?", b"/2", b"/#") and (request := frame.find_request(text)) is not None:
        address = request[0].address
        yield Layer("message", "sign-on request", f"device {address}" if address else "to any device")
        return text[request[1] :]
    if text[0] == ord("/") and (found := frame.find_identification(text)) is not None:
        yield _identification(found[0])
        return text[found[2] :]
    if text[0] == frame.ACK and (select := frame.find_option_select(text)) is not None:
        yield _acknowledgement(select[0])
        return text[select[1] :]
    if text[0] in (frame.ACK, frame.NAK):
        yield Layer("message", "ACK" if text[0] == frame.ACK else "NAK")
        return text[1:]
    if text[0] == frame.SOH and (command := frame.find_command(text)) is not None:
        yield _command(command[0], unit.masked)
        return text[command[1] :]
    scanner = frame.BlockScanner()
    block, used = scanner.feed(text)
    end = scanner.finish() if scanner.end is None else scanner.end
    if not scanner.started:
        raise DecodeError("no message of IEC 62056-21", layer="frame", offset=0, data=text)
    if scanner.preamble.strip(b"\0\r\n?"):
        yield Layer("message", "noise", f"{len(scanner.preamble)} octets before the data")
    yield _data_block(block, end)
    if end is not None and end.proved is False and not unit.masked:
        raise ChecksumError("BCC is wrong", layer="frame", offset=used - 1, data=text)
    return text[used:]


def _identification(said: frame.Identification) -> Layer:
    offer = f"{said.manufacturer} {said.text}, mode {said.mode}, {said.baud() or 'a reserved speed'} Bd"
    content: dict[str, object] = {
        "manufacturer": said.manufacturer,
        "text": said.text,
        "mode": said.mode,
        "baud": said.baud(),
        "hdlc": said.offers_hdlc,
        "raw": said.raw.decode("latin-1"),
    }
    notes = tuple((1, f"note: {finding.text}") for finding in said.findings)
    return Layer("message", "identification", f"{content['raw']}  ({offer})", notes, content)


def _acknowledgement(select: frame.OptionSelect) -> Layer:
    said = f"{select.protocol}{select.baud_character}{select.option}"
    baud = frame.BAUD_C.get(select.baud_character)
    words = ", ".join(
        (
            _PROTOCOLS.get(select.protocol, f"protocol {select.protocol}"),
            f"{baud} Bd" if baud else f"speed {select.baud_character}",
            _OPTIONS.get(select.option, f"option {select.option}"),
        )
    )
    return Layer("message", "acknowledgement", f"{said}  ({words})", content={"select": said, "baud": baud})


def _command(octets: bytes, masked: bool) -> Layer:
    if masked:
        # Its BCC was made of what is hidden.
        octets = octets[:-1] + bytes((frame.bcc(octets[1:-1]),))
    command = frame.Command.decode(octets)
    what = _COMMANDS.get(command.command, "command")
    # P0 is what the meter asks with; P1 and P2 answer it.
    secret = command.command == "P" and command.type != "0"
    data = "" if command.data is None else "(not shown)" if secret else command.data.decode("latin-1")
    name = f"{command.command}{command.type}"
    content: dict[str, object] = {"command": name, "data": data}
    return Layer("message", f"{what} command", f"{name} {data}".strip(), content=content, secret=secret)


def _data_block(block: bytes, end: frame.BlockEnd | None) -> Layer:
    data_sets, findings = dataset.parse(block)
    proof = "unfinished" if end is None else {True: "BCC right", False: "BCC WRONG", None: "no BCC"}[end.proved]
    more = ", another block follows" if end is not None and end.partial else ""
    details = [(1, each.encode().decode("latin-1")) for each in data_sets]
    details += [(1, f"note: {finding.text}") for finding in findings]
    content: dict[str, object] = {
        "proved": None if end is None else end.proved,
        "data_sets": [fields(each) for each in data_sets],
    }
    return Layer("message", "data block", f"{len(data_sets)} data sets, {proof}{more}", tuple(details), content)
