"""Client against meter in memory: every mechanism, every protection, both envelopes; and everything that must fail."""

from __future__ import annotations

import contextlib
import itertools
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.apdu import acse, axdr, xdlms
from metersdk.apdu._dlms_cosem import ApduCodec, DlmsCosemCodec, OwnCodec
from metersdk.apdu.acse import Authentication, Conformance
from metersdk.apdu.cipher import Keys, Security, is_protected, split
from metersdk.apdu.xdlms import AttributeDescriptor, GetRequest, GetResponse, Invoke
from metersdk.dialog.association import Association, AssociationSettings
from metersdk.dialog.server_association import AccessRules, ServerAssociation
from metersdk.effects import Dialog, Effect, Emit, Now, Push, State
from metersdk.errors import (
    AssociationRefused,
    AuthenticationFailed,
    DecodeError,
    Finding,
    LimitExceeded,
    LocalProtocolError,
    MeterError,
    NoAnswer,
    SecurityError,
)

EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
SECRET = b"s3cr3t-pass-word"
CLIENT_TITLE, SERVER_TITLE = b"MSDKCLNT", b"MSDKSERV"
CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
BOTH = Security.AUTHENTICATED_ENCRYPTED
PUSH = bytes.fromhex("0F4000000000") + b"\x00"

Wire = Callable[[bytes], list[bytes]]


class Meter:
    """Enough of a device for ``ServerAssociation`` with an application of its own."""

    system_title = SERVER_TITLE


class MemoryLink:
    """A link whose other end is a function: each APDU sent gives the APDUs that come back."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.pushes: deque[bytes] = deque()
        self.findings: list[Finding] = []
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.waiting: deque[bytes] = deque()
        self.opened = self.closed = 0
        self.deadlines: list[float] = []

    def open(self, deadline: float) -> Dialog[None]:
        self.opened += 1
        yield from ()

    def send(self, apdu: bytes, deadline: float) -> Dialog[None]:
        self.sent.append(apdu)
        self.waiting.extend(self.wire(apdu))
        yield from ()

    def receive(self, deadline: float) -> Dialog[bytes]:
        self.deadlines.append(deadline)
        yield from ()
        if not self.waiting:
            raise NoAnswer("silence", layer="link")
        self.received.append(self.waiting[0])
        return self.waiting.popleft()

    def settle(self) -> Dialog[bool]:
        yield from ()
        return True

    def close(self, deadline: float) -> Dialog[None]:
        self.closed += 1
        yield from ()


def run(dialog: Dialog[Any], events: list[object] | None = None) -> Any:
    answer: object = None
    try:
        while True:
            effect: Effect = dialog.send(answer)
            answer = 1000.0 if isinstance(effect, Now) else None
            if isinstance(effect, Emit) and events is not None:
                events.append(effect.event)
    except StopIteration as stop:
        return stop.value


def answer_get(plain: bytes) -> bytes | None:
    request = xdlms.decode(plain)
    assert isinstance(request, GetRequest)
    return GetResponse(request.invoke, axdr.encode(axdr.u32(4711))).encode()


def keys(title: bytes = CLIENT_TITLE, **more: Any) -> Keys:
    return Keys(EK, AK, **{"system_title": title, "invocation_counter": 0, **more})


def meter(rules: AccessRules | None, **more: Any) -> ServerAssociation:
    return ServerAssociation(Meter(), 16, rules, lambda *_: answer_get, **more)  # type: ignore[arg-type]


def pair(
    settings: AssociationSettings, rules: AccessRules | None, codec: ApduCodec | None = None, **more: Any
) -> tuple[Association, MemoryLink, ServerAssociation]:
    server = meter(rules, **more)

    def wire(apdu: bytes) -> list[bytes]:
        answer = server.handle(apdu)
        return [] if answer is None else [answer]

    link = MemoryLink(wire)
    return Association(link, settings, codec), link, server


def get(association: Association) -> int:
    request = GetRequest(association.next_invoke(), CLOCK)
    answer = xdlms.decode(run(association.exchange(request.encode())))
    assert isinstance(answer, GetResponse) and answer.data is not None
    assert answer.invoke == request.invoke
    value = axdr.decode_all(answer.data).value
    assert isinstance(value, int)
    return value


def ivs(link: MemoryLink) -> list[tuple[bool, bool, int]]:
    """(from the client, dedicated, counter) of every protected APDU, those inside ACSE and the GMAC values too."""
    found = []
    for client, apdus in ((True, link.sent), (False, link.received)):
        for apdu in apdus:
            for part in _protected_in(apdu):
                found.append((client, split(part).dedicated, split(part).counter))
    return found


def _protected_in(apdu: bytes) -> Iterator[bytes]:
    if is_protected(apdu):
        yield apdu
        return
    decoders: dict[int, Callable[[bytes], Any]] = {
        0x60: acse.decode_aarq,
        0x61: acse.decode_aare,
        0x62: acse.decode_rlrq,
        0x63: acse.decode_rlre,
    }
    if apdu[0] in decoders and is_protected(decoders[apdu[0]](apdu).user_information or b""):
        yield decoders[apdu[0]](apdu).user_information


MECHANISMS = [mechanism for mechanism in Authentication if mechanism != Authentication.HIGH_ECDSA]
PROTECTIONS = [
    (Security.NONE, "service", False),
    *itertools.product((Security.AUTHENTICATED, Security.ENCRYPTED, BOTH), ("service", "general"), (False, True)),
    *((security, "ciphering", False) for security in (Security.AUTHENTICATED, Security.ENCRYPTED, BOTH)),
]


@pytest.mark.parametrize("codec", [DlmsCosemCodec(), OwnCodec()], ids=["dlms-cosem", "own"])
@pytest.mark.parametrize(("security", "envelope", "dedicated"), PROTECTIONS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_with_every_protection(
    mechanism: Authentication, security: Security, envelope: Any, dedicated: bool, codec: ApduCodec
) -> None:
    settings = AssociationSettings(
        authentication=mechanism,
        password=SECRET,
        keys=keys(),
        security=security,
        envelope=envelope,
        dedicated=dedicated,
    )
    rules = AccessRules(mechanism, SECRET, keys(SERVER_TITLE, invocation_counter=5000), security)
    association, link, server = pair(settings, rules, codec)
    events: list[object] = []
    run(association.open(), events)
    assert association.is_open and server.is_open and link.opened == 1
    assert any(isinstance(event, State) and event.name == "associated" for event in events)
    assert Conformance.GET in association.conformance and association.max_pdu_server == 1024
    assert [get(association) for _ in range(3)] == [4711] * 3
    if security:
        # Mirrored: the answer wears the envelope of the request.
        assert (
            link.received[-1][0]
            == {
                ("service", False): 0xCC,
                ("service", True): 0xD4,
                ("general", False): 0xDB,
                ("general", True): 0xDC,
                ("ciphering", False): 0xDD,
            }[envelope, dedicated]
        )
        assert split(link.received[-1]).control == security.value
        assert len(link.sent[-1]) <= len(GetRequest(Invoke(), CLOCK).encode()) + association.overhead
        assert association.server_title == SERVER_TITLE
    run(association.release())
    assert not association.is_open and not server.is_open and link.closed == 1
    assert association.findings == []
    used = ivs(link)
    assert len(used) == len(set(used)) and bool(used) == bool(security)


def test_gmac_value_and_the_action_around_it_take_two_counters() -> None:
    settings = AssociationSettings(
        authentication=Authentication.HIGH_GMAC, keys=keys(invocation_counter=7), security=BOTH
    )
    rules = AccessRules(Authentication.HIGH_GMAC, None, keys(SERVER_TITLE), BOTH)
    association, link, _ = pair(settings, rules)
    run(association.open())
    # AARQ 7, f(StoC) 8, ACTION 9; AARE 0, f(CtoS) 1, its ACTION response 2.
    assert [counter for client, _, counter in ivs(link) if client] == [7, 9]
    assert [counter for client, _, counter in ivs(link) if not client] == [0, 2]
    assert [finding.code for finding in association.findings] == ["counter-zero"]


def test_gmac_in_the_plain_context() -> None:
    settings = AssociationSettings(authentication=Authentication.HIGH_GMAC, keys=keys())
    association, link, _ = pair(settings, AccessRules(Authentication.HIGH_GMAC, None, keys(SERVER_TITLE)))
    run(association.open())
    aarq = acse.decode_aarq(link.sent[0])
    assert aarq.context == acse.ApplicationContext.LN and aarq.calling_title == CLIENT_TITLE
    assert get(association) == 4711


def test_sessions_that_share_keys_never_repeat_a_counter() -> None:
    shared, accepted = keys(invocation_counter=100), {}  # type: ignore[var-annotated]
    rules = AccessRules(keys=keys(SERVER_TITLE), security=BOTH)
    used: list[int] = []
    for _ in range(3):
        association, link, _ = pair(AssociationSettings(keys=shared, security=BOTH), rules, accepted=accepted)
        run(association.open())
        get(association)
        run(association.release())
        used += [counter for client, _, counter in ivs(link) if client]
    assert used == list(range(100, 109))


class StoredCounter:
    def __init__(self) -> None:
        self.given: list[int] = []

    def next(self) -> int:
        self.given.append(10 + 5 * len(self.given))
        return self.given[-1]


def test_a_counter_store_can_be_plugged_in() -> None:
    store = StoredCounter()
    association, link, _ = pair(
        AssociationSettings(keys=keys(invocation_counter=store), security=BOTH),
        AccessRules(keys=keys(SERVER_TITLE), security=BOTH),
    )
    run(association.open())
    get(association)
    assert [counter for client, _, counter in ivs(link) if client] == [10, 15] == store.given


def test_a_counter_that_goes_back_is_not_used() -> None:
    class Broken:
        def next(self) -> int:
            return 5

    association, link, _ = pair(
        AssociationSettings(keys=keys(invocation_counter=Broken()), security=BOTH),
        AccessRules(keys=keys(SERVER_TITLE), security=BOTH),
    )
    run(association.open())
    with pytest.raises(LocalProtocolError, match="an IV would be used twice"):
        get(association)
    assert len(link.sent) == 1


# --- Refused --------------------------------------------------------------------------------------------------------


def refused(
    settings: AssociationSettings, rules: AccessRules | None, error: type[MeterError], match: str
) -> MeterError:
    association, link, server = pair(settings, rules)
    with pytest.raises(error, match=match) as caught:
        run(association.open())
    assert not association.is_open and not server.is_open
    with pytest.raises(LocalProtocolError, match="no association"):
        get(association)
    run(association.release())
    assert link.closed == 1 and not any(apdu[0] == 0x62 for apdu in link.sent)
    return caught.value


def test_wrong_password() -> None:
    error = refused(
        AssociationSettings(authentication=Authentication.LOW, password="wrong-one"),
        AccessRules(Authentication.LOW, SECRET),
        AuthenticationFailed,
        "authentication failure",
    )
    assert "lock" in error.hint and not error.retryable


@pytest.mark.parametrize(
    "mechanism",
    [Authentication.HIGH, Authentication.HIGH_MD5, Authentication.HIGH_SHA1, Authentication.HIGH_SHA256],
)
def test_wrong_hls_secret(mechanism: Authentication) -> None:
    refused(
        AssociationSettings(authentication=mechanism, password="wrong-one"),
        AccessRules(mechanism, SECRET),
        AuthenticationFailed,
        "refused our proof: read-write-denied",
    )


def test_wrong_key() -> None:
    wrong = Keys(bytes(16), AK, system_title=CLIENT_TITLE, invocation_counter=0)
    rules = AccessRules(keys=keys(SERVER_TITLE), security=BOTH)
    refused(AssociationSettings(keys=wrong, security=BOTH), rules, AuthenticationFailed, "authentication failure")
    wrong = Keys(EK, bytes(16), system_title=CLIENT_TITLE, invocation_counter=0)
    refused(AssociationSettings(keys=wrong, security=BOTH), rules, AuthenticationFailed, "authentication failure")
    gmac = AccessRules(Authentication.HIGH_GMAC, None, keys(SERVER_TITLE))
    settings = AssociationSettings(authentication=Authentication.HIGH_GMAC, keys=wrong)
    refused(settings, gmac, AuthenticationFailed, "refused our proof")


@pytest.mark.parametrize(
    ("settings", "rules", "match", "hint"),
    [
        (AssociationSettings(), None, "no reason given", "client address"),
        (AssociationSettings(), AccessRules(Authentication.LOW, SECRET), "mechanism required", "must authenticate"),
        (
            AssociationSettings(authentication=Authentication.LOW, password=SECRET),
            AccessRules(),
            "mechanism not recognized",
            "another authentication",
        ),
        (
            AssociationSettings(),
            AccessRules(keys=keys(SERVER_TITLE), security=BOTH),
            "context not supported",
            "ciphering",
        ),
        (AssociationSettings(keys=keys(), security=BOTH), AccessRules(), "context not supported", "ciphering"),
        (AssociationSettings(max_pdu=5), AccessRules(), "initiate, pdu-size-too-short", ""),
        (AssociationSettings(conformance=Conformance.READ), AccessRules(), "incompatible-conformance", ""),
    ],
)
def test_refusals_say_why(settings: AssociationSettings, rules: AccessRules | None, match: str, hint: str) -> None:
    assert hint in refused(settings, rules, AssociationRefused, match).hint


def test_settings_that_cannot_work_are_refused_before_anything_is_sent() -> None:
    for wrong in (
        {"security": BOTH},
        {"authentication": Authentication.HIGH_GMAC},
        {"authentication": Authentication.LOW},
        {"authentication": Authentication.HIGH_ECDSA, "password": "x"},
        {"dedicated": True},
        {"dedicated": True, "envelope": "ciphering", "security": BOTH, "keys": keys()},
        {"max_pdu": 65536},
        {"challenge": b"short"},
    ):
        with pytest.raises(LocalProtocolError):
            AssociationSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="authentication key"):
        Association(MemoryLink(lambda _: []), AssociationSettings(keys=Keys(EK), security=BOTH))


def scripted(*answers: str | bytes, **settings: Any) -> tuple[Association, MemoryLink]:
    """A meter that says what it is told to, one APDU for each request."""
    script = [bytes.fromhex(answer) if isinstance(answer, str) else answer for answer in answers]
    link = MemoryLink(lambda _: [script.pop(0)] if script else [])
    return Association(link, AssociationSettings(**settings)), link


AARE_OK = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007"


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        ("d80101", AssociationRefused, "service-not-allowed"),
        ("0e010604", AssociationRefused, "refused"),
        ("c401c100", DecodeError, "where an AARE belongs"),
        ("6129a109", DecodeError, "claims"),
        ("611fa109060760857405080101a203020101a305a10302010dbe0604040e010602", AuthenticationFailed, "incompatible"),
        ("6117a109060760857405080101a203020102a305a203020102", AssociationRefused, "for now: no common acse version"),
        ("6117a109060760857405080101a203020100a305a103020100", DecodeError, "no InitiateResponse"),
        ("6117a109060760857405080101a203020100a305a10302010e", AssociationRefused, "high-level"),
        (AARE_OK.replace("080006", "080005"), AssociationRefused, "version 5"),
        (AARE_OK.replace("5f1f04", "5f2f04"), DecodeError, "conformance block"),
        ("d8010600000100", SecurityError, "names 256"),
        ("", DecodeError, "no octets"),
    ],
)
def test_strange_answers_to_the_aarq(answer: str, error: type[MeterError], match: str) -> None:
    association, _ = scripted(answer)
    with pytest.raises(error, match=match):
        run(association.open())
    assert not association.is_open


def test_transient_refusal_may_be_retried() -> None:
    association, _ = scripted("6117a109060760857405080101a203020102a305a103020101")
    with pytest.raises(AssociationRefused) as caught:
        run(association.open())
    assert caught.value.retryable


def test_services_not_proposed_are_not_used() -> None:
    association, _ = scripted(AARE_OK.replace("00501f", "ffffff"))
    run(association.open())
    assert association.conformance == association.settings.conformance
    assert [finding.code for finding in association.findings] == ["conformance"]


# --- Attacks on a ciphered association ------------------------------------------------------------------------------


def ciphered(change: Wire, **settings: Any) -> tuple[Association, MemoryLink]:
    """An open ciphered association whose answers then go through ``change``."""
    rules = AccessRules(keys=keys(SERVER_TITLE, invocation_counter=500), security=BOTH)
    association, link, _ = pair(AssociationSettings(keys=keys(), security=BOTH, **settings), rules)
    run(association.open())
    honest = link.wire
    link.wire = lambda apdu: [changed for answer in honest(apdu) for changed in change(answer)]
    return association, link


def test_every_flipped_bit_is_seen() -> None:
    association, link = ciphered(lambda answer: [answer])
    get(association)
    good = link.received[-1]
    for at in range(len(good)):
        link.wire = lambda _, at=at: [good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]]  # type: ignore[misc]
        with pytest.raises(MeterError):
            get(association)


def test_replayed_answer_is_refused_and_the_association_goes_on() -> None:
    association, link = ciphered(lambda answer: [answer])
    get(association)
    honest, old = link.wire, link.received[-1]
    link.wire = lambda _: [old]
    with pytest.raises(SecurityError, match="replay"):
        get(association)
    link.wire = honest
    assert get(association) == 4711


PLAIN_ANSWER = GetResponse(Invoke(1), axdr.encode(axdr.u32(1))).encode()


def test_plaintext_answer_is_refused() -> None:
    association, _ = ciphered(lambda _: [PLAIN_ANSWER])
    with pytest.raises(SecurityError, match="in clear") as caught:
        get(association)
    assert "allow_plaintext" in caught.value.hint


def test_plaintext_answer_may_be_allowed() -> None:
    association, _ = ciphered(lambda _: [PLAIN_ANSWER], allow_plaintext=True)
    assert run(association.exchange(GetRequest(Invoke(1), CLOCK).encode())) == PLAIN_ANSWER
    assert [finding.code for finding in association.findings] == ["plaintext-answer"]


def test_plaintext_errors_are_handed_on() -> None:
    for error in (b"\xd8\x01\x02", b"\x0e\x05\x05\x01"):
        association, _ = ciphered(lambda _, error=error: [error])  # type: ignore[misc]
        assert run(association.exchange(GetRequest(Invoke(), CLOCK).encode())) == error
        assert association.is_open


def test_counter_error_names_the_counter() -> None:
    association, _ = ciphered(lambda _: [bytes.fromhex("d8010600000100")])
    with pytest.raises(SecurityError, match="names 256") as caught:
        get(association)
    assert "above 256" in caught.value.hint


def test_meter_refuses_a_replayed_request_and_names_its_counter() -> None:
    server = meter(AccessRules(keys=keys(SERVER_TITLE), security=BOTH))
    link = MemoryLink(lambda apdu: [server.handle(apdu) or b""])
    association = Association(link, AssociationSettings(keys=keys(invocation_counter=40), security=BOTH))
    run(association.open())
    get(association)
    assert server.handle(link.sent[-1]) == bytes.fromhex("d80106" + "00000029")
    assert server.handle(link.sent[0]) == bytes.fromhex("d80106" + "00000029")


def test_a_counter_below_that_of_an_earlier_session_is_refused() -> None:
    accepted: dict[tuple[bytes, str], int] = {}
    rules = AccessRules(keys=keys(SERVER_TITLE), security=BOTH)
    first, _, _ = pair(AssociationSettings(keys=keys(invocation_counter=90), security=BOTH), rules, accepted=accepted)
    run(first.open())
    second, _, _ = pair(AssociationSettings(keys=keys(invocation_counter=10), security=BOTH), rules, accepted=accepted)
    with pytest.raises(SecurityError, match="names 90"):
        run(second.open())


def test_meter_takes_no_plaintext_and_no_weaker_protection() -> None:
    association, link = ciphered(lambda answer: [answer])
    server_says = link.wire(GetRequest(Invoke(), CLOCK).encode())
    assert server_says == [bytes.fromhex("d80101")]
    weaker = Association(link, AssociationSettings(keys=keys(), security=Security.ENCRYPTED))
    assert association.is_open
    with pytest.raises(AuthenticationFailed):
        run(weaker.open())


def test_an_aare_without_ciphering_is_a_downgrade() -> None:
    association, _ = scripted(AARE_OK, keys=keys(), security=BOTH)
    with pytest.raises(SecurityError, match="context LN where LN_CIPHERED"):
        run(association.open())
    association, _ = scripted(
        AARE_OK.replace("08010", "08010").replace("0760857405080101", "0760857405080103"), keys=keys(), security=BOTH
    )
    with pytest.raises(SecurityError, match="in clear"):
        run(association.open())


def test_another_meter_at_the_address() -> None:
    settings = AssociationSettings(keys=keys(server_title=b"MSDKELSE"), security=BOTH)
    association, _, _ = pair(settings, AccessRules(keys=keys(SERVER_TITLE), security=BOTH))
    with pytest.raises(SecurityError, match="title"):
        run(association.open())


def test_a_meter_that_returns_our_challenge_learns_nothing() -> None:
    challenge = b"0123456789abcdef"
    aare = acse.Aare(
        0,
        1,
        14,
        bytes.fromhex("0800065f1f040000501f01f40007"),
        mechanism=Authentication.HIGH_MD5,
        authentication_value=challenge,
    )
    association, link = scripted(
        aare.encode(), authentication=Authentication.HIGH_MD5, password=SECRET, challenge=challenge
    )
    with pytest.raises(AuthenticationFailed, match="our own challenge"):
        run(association.open())
    assert len(link.sent) == 1


@pytest.mark.parametrize(
    ("returned", "match"),
    [
        ("c701c10001000910" + "00" * 16, "does not know the secret"),
        ("c701c10000", "no proof"),
        ("c701c10001000600000000", "does not know the secret"),
        ("c701c10300", "read-write-denied"),
        ("d80101", "service-not-allowed"),
    ],
)
def test_pass_4_must_prove_the_meter(returned: str, match: str) -> None:
    aare = acse.Aare(
        0,
        1,
        14,
        bytes.fromhex("0800065f1f040000501f01f40007"),
        mechanism=Authentication.HIGH_MD5,
        authentication_value=b"challenge of it",
    )
    association, _ = scripted(aare.encode(), returned, authentication=Authentication.HIGH_MD5, password=SECRET)
    with pytest.raises(AuthenticationFailed, match=match):
        run(association.open())
    assert not association.is_open


# --- Pushes ---------------------------------------------------------------------------------------------------------


def test_pushes_are_set_aside_before_the_aare_and_after() -> None:
    rules = AccessRules()
    association, link, _ = pair(AssociationSettings(), rules)
    honest = link.wire
    link.wire = lambda apdu: [PUSH, *honest(apdu)]
    events: list[object] = []
    run(association.open(), events)
    assert get(association) == 4711
    run(association.release())
    assert list(association.pushes) == [PUSH] * 3
    assert [event for event in events if isinstance(event, Push)] == [Push(PUSH)]


@pytest.mark.parametrize("ciphered_push", [False, True])
def test_what_the_link_set_aside_is_told_too(ciphered_push: bool) -> None:
    """UI frames of HDLC come beside the answers; a push in one has the lower counter."""
    rules = AccessRules(keys=keys(SERVER_TITLE), security=BOTH)
    association, link, server = pair(AssociationSettings(keys=keys(), security=BOTH), rules)
    run(association.open())
    honest = link.wire

    def wire(apdu: bytes) -> list[bytes]:
        link.pushes.append(server.push(PUSH) if ciphered_push else PUSH)
        link.findings.append(Finding("hdlc-echo", "own frames come back", "link"))
        return honest(apdu)

    link.wire = wire
    events: list[object] = []
    request = GetRequest(association.next_invoke(), AttributeDescriptor(3, bytes((1, 0, 1, 8, 0, 255)), 2)).encode()
    run(association.exchange(request), events)
    assert Push(PUSH) in events and list(association.pushes) == [PUSH]
    assert [event.code for event in events if isinstance(event, Finding)] == ["hdlc-echo"]


@pytest.mark.parametrize("envelope", ["service", "general"])
def test_ciphered_pushes_are_deciphered(envelope: Any) -> None:
    rules = AccessRules(keys=keys(SERVER_TITLE), security=BOTH)
    association, link, server = pair(AssociationSettings(keys=keys(), security=BOTH, envelope=envelope), rules)
    run(association.open())
    honest = link.wire
    link.wire = lambda apdu: [server.push(PUSH), *honest(apdu)]
    assert get(association) == 4711
    assert link.received[-2][0] == 0xDB and list(association.pushes) == [PUSH]


def test_a_push_under_foreign_keys_is_kept_as_it_came() -> None:
    association, _ = ciphered(lambda answer: [bytes.fromhex("db08" + "41" * 8 + "0a3000000001aabbccddee"), answer])
    assert get(association) == 4711
    assert len(association.pushes) == 1 and [finding.code for finding in association.findings] == ["push-unread"]


def test_endless_pushes_end() -> None:
    association, link, _ = pair(AssociationSettings(), AccessRules())
    run(association.open())
    link.wire = lambda _: [PUSH] * 1000
    with pytest.raises(LimitExceeded):
        get(association)
    assert len(association.pushes) == 256


# --- Time, leaving --------------------------------------------------------------------------------------------------


def test_one_deadline_for_a_whole_exchange() -> None:
    association, link, _ = pair(AssociationSettings(timeout=7), AccessRules())
    run(association.open())
    honest = link.wire
    link.wire = lambda apdu: [PUSH, PUSH, *honest(apdu)]
    link.deadlines.clear()
    get(association)
    assert set(link.deadlines) == {1007.0}


def test_silence_ends_in_no_answer_and_leaves_the_association_open() -> None:
    association, link, _ = pair(AssociationSettings(), AccessRules())
    run(association.open())
    honest, link.wire = link.wire, lambda _: []
    with pytest.raises(NoAnswer):
        get(association)
    link.wire = honest
    assert get(association) == 4711


def test_release_never_raises_because_of_the_meter() -> None:
    for answers, code in (
        ([], "release"),
        ([b"\xd8\x01\x01"], "release"),
        ([bytes.fromhex("6311800100")], "rlre-length"),
    ):
        association, link, _ = pair(AssociationSettings(), AccessRules())
        run(association.open())
        link.wire = lambda _, answers=answers: list(answers)  # type: ignore[misc]
        run(association.release())
        assert [finding.code for finding in association.findings] == [code]
        assert link.closed == 1 and not association.is_open


def test_release_without_rlrq_where_the_link_says_it() -> None:
    association, link, _ = pair(AssociationSettings(release=False), AccessRules())
    run(association.open())
    run(association.release())
    assert link.closed == 1 and len(link.sent) == 1


def test_release_of_a_ciphered_association_is_proven() -> None:
    for rlre in ("6300", "6303800100"):
        association, _ = ciphered(lambda _, rlre=rlre: [bytes.fromhex(rlre)])  # type: ignore[misc]
        run(association.release())
        assert [finding.code for finding in association.findings] == ["release-not-authenticated"]


def test_meter_keeps_a_ciphered_association_against_a_bare_rlrq() -> None:
    association, link = ciphered(lambda answer: [answer])
    assert link.wire(bytes.fromhex("6203800100")) == [bytes.fromhex("6303800101")]
    assert get(association) == 4711


def test_meter_serves_nothing_before_pass_3() -> None:
    server = meter(AccessRules(Authentication.HIGH_MD5, SECRET))
    assert server.handle(GetRequest(Invoke(), CLOCK).encode()) == bytes.fromhex("d80101")
    aarq = acse.Aarq(acse.InitiateRequest().encode(), mechanism=Authentication.HIGH_MD5, authentication_value=b"x" * 8)
    aare = acse.decode_aare(server.handle(aarq.encode()) or b"")
    assert aare.diagnostic == 14 and aare.authentication_value
    assert server.handle(GetRequest(Invoke(), CLOCK).encode()) == bytes.fromhex("d80101")
    assert not server.is_open


def test_meter_answers_noise_with_typed_refusals() -> None:
    server = meter(AccessRules(keys=keys(SERVER_TITLE), security=BOTH))
    aarq = acse.Aarq(acse.InitiateRequest().encode()).encode()
    for at in range(1, len(aarq)):
        answer = server.handle(aarq[:at])
        assert answer is not None and acse.decode_aare(answer).result == 1
    assert server.handle(b"") is None
    assert server.handle(b"\x62\x05\x80") == bytes.fromhex("6303800101")


@given(
    st.lists(st.binary(max_size=30), max_size=4), st.sampled_from([b"", b"\xd8", b"\x0e", b"\xcc", b"\xdb", b"\x61"])
)
def test_noise_from_the_meter_ends_in_typed_errors(noise: list[bytes], head: bytes) -> None:
    answers = [head + piece for piece in noise]
    for association in (ciphered(lambda _: answers)[0], scripted(AARE_OK, *answers)[0]):
        if not association.is_open:
            run(association.open())
        with contextlib.suppress(MeterError):
            run(association.exchange(GetRequest(Invoke(), CLOCK).encode()))
        run(association.release())
    for first in answers:
        with contextlib.suppress(MeterError):
            run(scripted(first)[0].open())
        meter(AccessRules()).handle(first)


# --- Secrets --------------------------------------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """All an error may show in a report: text, arguments, attributes, and those of the errors behind it."""
    seen, queue = "", [error]
    while queue:
        now = queue.pop()
        seen += f"{now!s} {now!r} {now.args!r} {vars(now)!r} " + "".join(traceback.format_exception(now))
        queue += [before for before in (now.__context__, now.__cause__) if before is not None]
    return seen


def test_no_secret_in_any_repr_or_error() -> None:
    password = b"hunter2-hunter2!"
    forms = [password.decode(), password.hex(), repr(password), EK.hex(), AK.hex(), repr(EK), repr(AK)]
    settings = AssociationSettings(authentication=Authentication.LOW, password=password, keys=keys(), security=BOTH)
    rules = AccessRules(Authentication.LOW, SECRET, keys(SERVER_TITLE), BOTH)
    association, link, server = pair(settings, rules)
    with pytest.raises(AuthenticationFailed) as caught:
        run(association.open())
    aarq = acse.decode_aarq(link.sent[0])
    texts = [shown(caught.value), repr(settings), str(settings), repr(rules), repr(aarq), repr(settings.keys)]
    texts += [f"{settings.password}", f"{settings.password!r:>20}", repr(association._context), repr(server)]
    broken = link.sent[0][:-3]
    for decode in (acse.decode_aarq,):
        with pytest.raises(DecodeError) as cut:
            decode(broken)
        texts.append(shown(cut.value))
    for text in texts:
        for form in forms:
            assert form not in text
