"""The meter's state machine, request by request: every state, every rule, every response it gives."""

from __future__ import annotations

from typing import Any

import pytest
from psem_rig import KEYS, PASSWORD, MemoryDevice, content

from metersdk.apdu.keys import Secret
from metersdk.apdu.psem import (
    Authenticate,
    Authenticated,
    Identification,
    Logon,
    Negotiate,
    Negotiated,
    OtherRequest,
    Plain,
    Read,
    ReadIndex,
    ReadOffset,
    Refusal,
    Request,
    Response,
    Security,
    Service,
    TableData,
    TimingSetup,
    Wait,
    Write,
    WriteDefault,
    WriteIndex,
    WriteOffset,
    decode_answer,
)
from metersdk.apdu.psem_codes import service_of
from metersdk.apdu.psem_security import encrypted, is_proof, padded
from metersdk.dialog.psem import Access
from metersdk.dialog.psem_meter import PsemRules, PsemServer, Stage

ROOM = 56
TABLES = {0: b"zero", 1: b"one", 5: content(5, 20), 23: content(23, 40), 64: content(64, 300)}
LOGON, IDENTIFY = Logon(2, b"reader    "), Plain(Service.IDENTIFY)
TIMES = TimingSetup(30, 1, 4, 3)


def server(stage: Stage = Stage.SESSION, *, level: int = 1, rules: PsemRules | None = None, **more: Any) -> PsemServer:
    made = PsemServer(MemoryDevice(dict(TABLES), **more), rules or PsemRules(timing=TIMES))
    made.stage, made.level = stage, level
    return made


def ask(meter: PsemServer, request: Request, room: int = ROOM) -> object:
    octets = request.encode()
    service = service_of(octets[0])
    answer = meter.handle(octets, room).answer
    return decode_answer(service, answer) if service is not None else Refusal(Response(answer[0]))


# What each service is answered with in base, id and session.
STATES: list[tuple[Request, str]] = [
    (IDENTIFY, "ok ok isss"),
    (Plain(Service.TERMINATE), "ok ok ok"),
    (Plain(Service.DISCONNECT), "sns sns sns"),
    (Plain(Service.LOGOFF), "isss isss ok"),
    (Plain(Service.READ_DEFAULT), "isss isss ok"),
    (Negotiate(64, 1), "isss ok isss"),
    (TIMES, "isss ok isss"),
    (LOGON, "isss ok isss"),
    (Security(padded(PASSWORD, "nul")), "isss isss ok"),
    (Authenticate(1, bytes(8)), "isss isss err"),
    (Read(1), "isss isss ok"),
    (ReadIndex(1, (0,), 1), "isss isss ok"),
    (ReadOffset(1, 0, 1), "isss isss ok"),
    (Write(1, b"eno"), "isss isss ok"),
    (WriteIndex(1, (1,), b"x"), "isss isss ok"),
    (WriteOffset(1, 1, b"x"), "isss isss ok"),
    (WriteDefault(b"x"), "isss isss sns"),
    (Wait(30), "isss ok ok"),
    (OtherRequest(0x25), "sns sns sns"),
    (OtherRequest(0x99), "sns sns sns"),
]


@pytest.mark.parametrize(("request_", "expected"), STATES, ids=lambda value: value.__class__.__name__)
def test_every_service_in_every_state(request_: Request, expected: str) -> None:
    for stage, code in zip(Stage, expected.split(), strict=True):
        answer = server(stage).handle(request_.encode(), ROOM).answer
        assert Response(answer[0]) == Response[code.upper()], stage


def test_a_session_from_its_beginning_to_its_end() -> None:
    meter = server(Stage.BASE, level=0)
    assert ask(meter, IDENTIFY) == Identification(0, 1, 0)
    assert (meter.stage, meter.level) == (Stage.ID, 0)
    ask(meter, LOGON)
    assert (meter.stage, meter.level) == (Stage.SESSION, 0)
    assert ask(meter, Read(1)) == TableData(b"one")
    assert ask(meter, Read(23)) == Refusal(Response.ISC)
    ask(meter, Security(padded(PASSWORD, "space")))
    assert ask(meter, Read(23)) == TableData(TABLES[23])
    ask(meter, Plain(Service.LOGOFF))
    assert (meter.stage, meter.level) == (Stage.ID, 0)
    assert meter.handle(b"\x21", ROOM).base
    assert (meter.stage, meter.level) == (Stage.BASE, 0)
    assert isinstance(meter.device, MemoryDevice) and meter.device.users == [(2, b"reader    ")]
    assert meter.device.sessions_ended == 1


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (Read(99), Response.ONP),
        (Read(64), Response.ONP),
        (ReadOffset(64, 0, 53), Response.ONP),
        (ReadOffset(64, 290, 11), Response.IAR),
        (ReadOffset(64, 1 << 20, 1), Response.IAR),
        (ReadIndex(23, (39,), 2), Response.IAR),
        (ReadIndex(23, (1, 1), 2), Response.IAR),
        (Write(23, b"short"), Response.IAR),
        (WriteOffset(23, 39, b"ab"), Response.IAR),
        (Write(5, bytes(20)), Response.ISC),
        (Security(Secret(bytes(20))), Response.ERR),
    ],
)
def test_refusals(request_: Request, response: Response) -> None:
    assert ask(server(), request_) == Refusal(response)


@pytest.mark.parametrize("response", [Response.BSY, Response.DNR, Response.DLK, Response.RNO, Response.SNS])
def test_the_device_refuses_as_it_likes(response: Response) -> None:
    meter = server(refusals=[response])
    assert ask(meter, Read(1)) == Refusal(response)
    assert ask(meter, Read(1)) == TableData(b"one")


@pytest.mark.parametrize(
    ("access", "index", "offset"),
    [(Access.FULL, False, False), (Access.OFFSET, False, True), (Access.INDEX, True, False), (Access.BOTH, True, True)],
)
def test_parts_of_tables_as_table_0_says(access: Access, index: bool, offset: bool) -> None:
    meter = server(access=access)
    for request in (ReadIndex(1, (0,), 2), WriteIndex(1, (0,), b"on")):
        assert (ask(meter, request) != Refusal(Response.IAR)) is index
    for part in (ReadOffset(1, 0, 2), WriteOffset(1, 0, b"on")):
        assert (ask(meter, part) != Refusal(Response.IAR)) is offset
    assert ask(meter, Read(1)) == TableData(b"one")


@pytest.mark.parametrize(
    "octets", ["", "30", "3000", "30000100", "3f0001000000", "40000700030a0001f6", "5000", "6500400106"]
)
def test_what_cannot_be_read_is_an_error(octets: str) -> None:
    assert server().handle(bytes.fromhex(octets), ROOM).answer == b"\x01"


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [
        (Negotiate(64, 1), Negotiated(64, 1, 6)),
        (Negotiate(8192, 255, (6, 8, 10)), Negotiated(512, 64, 8)),
        (Negotiate(128, 0, (12, 14)), Negotiated(128, 1, 6)),
        (Negotiate(0, 3, (8, 3)), Negotiated(64, 3, 8)),
        (Negotiate(256, 3, (3, 0, 99)), Negotiated(256, 3, 3)),
    ],
)
def test_negotiate(wanted: Negotiate, agreed: Negotiated) -> None:
    meter = server(Stage.ID, rules=PsemRules(512, 64, (1200, 9600, 19200)))
    reply = meter.handle(wanted.encode(), ROOM)
    assert reply.negotiated == agreed and reply.answer == agreed.encode()


def test_timing_and_wait() -> None:
    meter = server(Stage.ID)
    assert meter.handle(TimingSetup(255, 0, 0, 9).encode(), ROOM).timing == TimingSetup(30, 1, 1, 3)
    assert meter.handle(Wait(200).encode(), ROOM).wait == 200.0


def test_meters_that_know_less() -> None:
    meter = server(Stage.ID, rules=PsemRules(negotiates=False))
    assert ask(meter, Negotiate(64, 1)) == ask(meter, TIMES) == Refusal(Response.SNS)


def test_nodes_of_c1222_need_no_session() -> None:
    rules = PsemRules(sessionless=True, disconnects=True, too_large=Response.RSTL)
    meter = server(Stage.BASE, rules=rules)
    assert ask(meter, Read(1)) == TableData(b"one")
    assert ask(meter, Read(64)) == Refusal(Response.RSTL, b"\0\0\0\x38")
    assert meter.handle(Logon(1, b"reader    ", 60).encode(), ROOM).answer == b"\0\0\x3c"
    assert meter.handle(b"\x22", ROOM).base


@pytest.mark.parametrize("algorithm", [0x00, 0xFF])
def test_authentication(algorithm: int) -> None:
    meter = server(Stage.BASE, level=0, algorithm=algorithm)
    found = ask(meter, IDENTIFY)
    ask(meter, LOGON)
    assert isinstance(found, Identification) and found.ticket is not None
    proof = encrypted(algorithm, KEYS[algorithm], found.ticket.ticket)
    answer = ask(meter, Authenticate(1, proof))
    assert isinstance(answer, Authenticated)
    assert is_proof(algorithm, KEYS[algorithm], proof, answer.value) and meter.level == 1
    # A ticket is good for one proof, also a right one.
    assert ask(meter, Authenticate(1, proof)) == Refusal(Response.ERR)


@pytest.mark.parametrize("request_", [Authenticate(1, bytes(8)), Authenticate(2, bytes(8)), Authenticate(1, b"")])
def test_authentication_refused(request_: Request) -> None:
    meter = server(Stage.BASE, level=0, algorithm=0)
    ask(meter, IDENTIFY)
    ask(meter, LOGON)
    assert ask(meter, request_) == Refusal(Response.ERR) and meter.level == 0


def test_an_answer_for_faults_comes_first() -> None:
    meter = server()
    meter.intercept = lambda request: Response.BSY if isinstance(request, Read) else None
    assert ask(meter, Read(1)) == Refusal(Response.BSY)
    assert ask(meter, ReadOffset(1, 0, 3)) == TableData(b"one")


def test_a_session_that_is_cut_off_is_over() -> None:
    meter = server()
    meter.reset()
    assert (meter.stage, meter.level) == (Stage.BASE, 0)
    meter.reset()
    assert isinstance(meter.device, MemoryDevice) and meter.device.sessions_ended == 1
