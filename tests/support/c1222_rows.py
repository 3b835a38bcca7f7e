"""What a network monitor logs of messages of C12.22 (Zeek with ICSNPP-C1222), made from what metersdk decodes.

Published captures come with such logs: another decoder's view of the same octets.
"""

from __future__ import annotations

from collections.abc import Iterable

from metersdk.apdu import psem
from metersdk.apdu.c1222 import Message, ResponseControl, SecurityMode
from metersdk.apdu.c1222_services import (
    LoggedOn,
    Request,
    Resolve,
    Resolved,
    decode_answer,
    decode_request,
    device_class,
    security_mechanism,
    session_control,
)
from metersdk.apdu.psem import Service
from metersdk.apdu.psem_codes import STANDARDS, service_of
from metersdk.errors import ChecksumError

_NAMES = {
    Service.IDENTIFY: "Ident",
    Service.LOGON: "Logon",
    Service.SECURITY: "Security",
    Service.RESOLVE: "Resolve",
    Service.READ_INDEX: "Partial Read 1",
    Service.WAIT: "Wait",
}
_NONE = "-"
Row = tuple[str, tuple[str, ...]]


def rows(messages: Iterable[tuple[bytes, bool]]) -> set[str]:
    """The rows of all logs; messages in order, with whether the client sent them."""
    found: set[str] = set()
    asked: Service | None = None
    for octets, from_client in messages:
        message = Message.decode(octets)
        (service,) = message.services
        if from_client:
            asked = service_of(service[0])
        assert asked is not None
        name = f"REQ:{_NAMES[asked]}" if from_client else "RESP:OK"
        made = [_message(message, name), ("user_information", (*3 * [_NONE], _flags(message), *2 * [_NONE], name))]
        if from_client:
            made.append(_request(decode_request(service)))
        elif (row := _answer(asked, service)) is not None:
            made.append(row)
        for log, columns in made:
            head = "c1222.log" if not log else f"c1222_{log}.log"
            found.add(f"{head}: 192.168.100.124\t1577\t192.168.1.101\t1153\ttcp\t" + "\t".join(columns))
    return found


def _message(message: Message, name: str) -> Row:
    elements = (
        ("Application Context", message.context),
        ("Called AP Title", message.called),
        ("Called AP Invocation ID", message.called_id),
        ("Calling AP Title", message.calling),
        ("Calling AP Invocation ID", message.calling_id),
        ("User Information", message.body),
    )
    there = ",".join(text for text, value in elements if value is not None)
    encrypted = "T" if message.control.security is SecurityMode.CIPHERED else "F"
    numbers = [
        _NONE if value is None else _bytes(value.to_bytes(4)) for value in (message.called_id, message.calling_id)
    ]
    titles = [_NONE if title is None else str(title) for title in (message.context, message.called, message.calling)]
    return "", (there, encrypted, name, *titles, *3 * [_NONE], *numbers)


def _flags(message: Message) -> str:
    response = {ResponseControl.ALWAYS: "ALWAYS_RESPOND"}[message.control.response]
    mode = {SecurityMode.CLEAR: "CLEARTEXT"}[message.control.security]
    return f"RESPONSE_CONTROL_{response},SECURITY_MODE_{mode}"


def _request(request: Request) -> Row:
    match request:
        case psem.Plain(Service.IDENTIFY):
            return "identification_service", ("Req", *9 * [_NONE])
        case psem.Logon(user_id, user, idle):
            return "logon_security_service", ("Req", "Logon", str(user_id), _NONE, _bytes(user), str(idle))
        case psem.Security(password, None):
            return "logon_security_service", ("Req", "Security", _NONE, _bytes(bytes(password)), _NONE, _NONE)
        case Resolve(title):
            return "resolve_service", ("Req", str(title), _NONE)
        case psem.ReadIndex(table, (index,), count):
            return "read_write_service", ("Req", "pread", str(table), _NONE, str(index), str(count), *4 * [_NONE])
        case psem.Wait(seconds):
            return "wait_service", ("Req", str(seconds))
    raise AssertionError(request)


def _answer(service: Service, octets: bytes) -> Row | None:
    try:
        answer = decode_answer(service, octets)
    except ChecksumError:
        # This table was made up with a checksum of zero; the monitor does not check it.
        count = int.from_bytes(octets[1:3])
        data, checksum = octets[3 : 3 + count], octets[3 + count]
        columns = ("Resp", "readresp-ok", *4 * [_NONE], str(count), _bytes(data), str(checksum), _NONE)
        return "read_write_service", columns
    match answer:
        case psem.Identification():
            control, identity = session_control(answer), answer.device_identity
            assert control is not None and identity is not None
            return "identification_service", (
                "Resp",
                STANDARDS[answer.standard],
                str(answer.version),
                str(answer.revision),
                str(security_mechanism(answer)),
                "T" if control.sessions else "F",
                "T" if control.sessionless else "F",
                str(device_class(answer)),
                str(identity[0]),
                _bytes(identity[1:]),
            )
        case LoggedOn(idle):
            return "logon_security_service", ("Resp", "Logon", *3 * [_NONE], str(idle))
        case Resolved(address):
            return "resolve_service", ("Resp", _NONE, _bytes(address))
        case psem.Done() if service is Service.SECURITY:
            return "logon_security_service", ("Resp", "Security", *4 * [_NONE])
        case psem.Done() if service is Service.WAIT:
            return "wait_service", ("Resp", _NONE)
    raise AssertionError(answer)


def _bytes(octets: bytes) -> str:
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}" for octet in octets)
