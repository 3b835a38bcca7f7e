"""ACSE, Initiate and ciphered APDUs of the corpus: captures and the examples other projects test with."""

from __future__ import annotations

from typing import Any

import pytest

from metersdk.apdu import acse
from metersdk.apdu.cipher import Keys, Secret, Security, SecurityContext, is_protected, split, unwrap_key
from metersdk.apdu.initiate import decode_initiate_request, decode_initiate_response
from metersdk.errors import DecodeError, SecurityError

DECODERS: dict[int, Any] = {
    0x01: decode_initiate_request,
    0x08: decode_initiate_response,
    0x60: acse.decode_aarq,
    0x61: acse.decode_aare,
    0x62: acse.decode_rlrq,
    0x63: acse.decode_rlre,
}
# Wrapper: version, source, destination, length.
WRAPPER_HEADER = 8


@pytest.mark.captures("acse")
def test_acse_captures(capture: Any) -> None:
    unit = DECODERS[capture.bytes[0]](capture.bytes)
    if capture.bytes[0] == 0x63 and unit.findings:
        # This one writes 16 where 14 octets follow; nothing of it is lost.
        assert [finding.code for finding in unit.findings] == ["rlre-length"] and unit.user_information is not None
        return
    assert unit.encode() == capture.bytes


@pytest.mark.captures("axdr_or_initiate")
def test_initiate_captures(capture: Any) -> None:
    if "initiate" not in capture.name:
        return
    raw = capture.bytes
    unit = DECODERS[raw[0]](raw)
    if "quality" in capture.name:
        assert unit.quality_of_service is not None
    assert unit.encode() == raw


@pytest.mark.captures("ciphered_apdu", "green_book")
def test_ciphered_captures_come_apart(capture: Any) -> None:
    raw = capture.bytes
    if not is_protected(raw):
        return
    try:
        parts = split(raw)
    except DecodeError:
        # An ACTION wrongly written with the tag of a ciphered GET, as a test of another project has it.
        assert "wrong_tag" in capture.name
        return
    keys = {name: bytes.fromhex(value) for name, value in capture.meta["keys"].items()}
    if "EK" not in keys:
        return
    own = Keys(keys["EK"], keys.get("AK", keys["EK"]))
    title = parts.title or keys.get("ST")
    context = SecurityContext(own, Security(parts.control & 0x30), peer_title=title)
    opened = context.unprotect(raw)
    expected = (capture.meta["expected"] or {}).get("plain")
    assert expected is None or opened.plain == bytes.fromhex(expected)


@pytest.mark.captures("green_book")
def test_published_examples_of_gmac_and_key_wrap(capture: Any) -> None:
    keys = {name: bytes.fromhex(value) for name, value in capture.meta["keys"].items()}
    if "challenge" in keys:
        context = SecurityContext(Keys(keys["EK"], keys["AK"]), Security.NONE, peer_title=keys["ST"])
        assert context.verify_gmac(capture.bytes, keys["challenge"])
    if "KEK" in keys:
        assert unwrap_key(Secret(keys["KEK"]), capture.bytes) == bytes.fromhex(capture.meta["expected"]["unwrapped"])


@pytest.mark.captures("wrapper")
def test_ciphered_udp_pushes(capture: Any) -> None:
    """Real pushes: each deciphers to a DataNotification, and each counter is taken once."""
    keys = capture.meta["keys"]
    if "EK" not in keys:
        return
    context = SecurityContext(Keys(keys["EK"], keys["AK"]), Security.AUTHENTICATED_ENCRYPTED)
    apdu = capture.bytes[WRAPPER_HEADER:]
    assert context.unprotect(apdu).plain[0] == 0x0F
    with pytest.raises(SecurityError, match="replay"):
        context.unprotect(apdu)


@pytest.mark.captures("wrapper_session")
def test_whole_ciphered_sessions(capture: Any) -> None:
    """Every protected APDU of a session between two foreign stacks deciphers, in order, under the counters it gives."""
    keys = {name: bytes.fromhex(value) for name, value in capture.meta["keys"].items()}
    if "EK" not in keys:
        return
    contexts = {
        title: SecurityContext(Keys(keys["EK"], keys["AK"]), Security.NONE, peer_title=keys[title])
        for title in ("client_ST", "server_ST")
    }
    good = 0
    for apdu in session_apdus(capture.path.read_text(encoding="ascii")):
        for raw in protected_in(apdu):
            from_client = raw[0] in (0x21, 0xC8, 0xC9, 0xCB)
            good += bool(contexts["client_ST" if from_client else "server_ST"].unprotect(raw).plain)
    assert good >= 260


def session_apdus(text: str) -> list[bytes]:
    found = []
    for line in text.splitlines():
        word = line.split()[-1] if line.split() else ""
        try:
            raw = bytes.fromhex(word)
        except ValueError:
            continue
        if raw[:2] == b"\x00\x01" and int.from_bytes(raw[6:8], "big") == len(raw) - WRAPPER_HEADER:
            found.append(raw[WRAPPER_HEADER:])
    return found


def protected_in(apdu: bytes) -> list[bytes]:
    if is_protected(apdu):
        return [apdu]
    if apdu[:1] and apdu[0] in (0x60, 0x61, 0x62, 0x63):
        inner = DECODERS[apdu[0]](apdu).user_information
        return [inner] if inner is not None and is_protected(inner) else []
    return []
