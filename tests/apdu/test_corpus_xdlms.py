"""The APDUs of real captures: read and written again, or refused with a typed error where they are damaged."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from metersdk.apdu import axdr, xdlms
from metersdk.errors import DecodeError

# What each APDU of the unit-test group is: its type where it is sound, None where it is bent on purpose or no APDU.
SERVICES = {
    "dc_est_global_cip_authentication_key_40": None,  # a key
    "dc_a_xdr_test_decode_long_122": "GetResponseBlock",
    "dc_dlms_connection_test_receive_get_response_sets_state_to_ready_96": "GetResponse",
    "dc_security_test_encrypt_authenticated_49": "GetRequest",
    "dc_action_test_transform_bytes_9": "ActionRequest",
    "dc_action_test_transform_bytes_without_data_26": "ActionRequest",
    "dc_action_test_wrong_tag_raises_valueerror_43": None,
    "dc_action_test_wrong_request_type_raises_valueerror_49": None,
    "dc_action_test_wrong_tag_raises_valueerror_68": None,
    "dc_action_test_any_other_type_than_normal_raises_notimplementederror_73": None,
    "dc_action_test_transform_bytes_80": "ActionResponse",
    # Wrong for the other stack, which wants type 1; read as a block it is sound.
    "dc_action_test_wrong_type_raises_valueerror_96": "ActionResponseBlock",
    "dc_action_test_has_data_raises_valueerror_101": "ActionResponse",
    "dc_action_test_holds_error_instead_of_data_raises_valueerror_137": "ActionResponse",
    "dc_action_test_transform_bytes_144": "ActionResponse",
    "dc_action_test_wrong_type_raises_valueerror_161": None,
    "dc_selective_access_test_range_descriptor1_29": "GetRequest",
    "dc_selective_access_test_range_descriptor1_50": "GetRequest",
    "dc_selective_access_test_range_descriptor_is_not_parsed_90": "GetRequest",
    "dc_set_test_transform_bytes_9": "SetRequest",
    "dc_set_test_wrong_tag_raises_value_error_26": None,
    "dc_set_test_wrong_type_raises_value_error_32": None,
    "dc_set_test_set_request_with_block_raises_not_implemented_error_54": None,
    "dc_set_test_set_with_list_raises_not_implemented_error_59": None,
    "dc_set_test_set_request_with_list_first_block_raises_not_implemented_block_64": None,
    "dc_set_test_transform_bytes_71": "SetResponse",
    "dc_set_test_wrong_tag_raises_value_error_82": None,
    "dc_set_test_wrong_type_raises_value_error_87": None,
    "dc_set_test_set_response_last_block_raises_not_implemented_error_109": None,
    "dc_set_test_set_response_last_block_with_list_raises_not_implemented_error_114": None,
    "dc_set_test_set_response_with_list_raises_not_implemented_error_119": "SetResponseList",  # an empty list
    "jdlms_kaifa_action_req": "ActionRequest",
    "jdlms_kaifa_action_resp": "ActionResponse",
}
# Not one whole Data: Initiate units, a list without its tag, a value with octets after it.
NO_DATA = {
    "dc_initiate_test_parse_simple_8",
    "dc_initiate_test_decode_with_dedicated_key_72",
    "dc_initiate_test_parse_simple_144",
    "dc_initiate_test_decode_with_non_default_quality_200",
    "dc_selective_access_test_range_descriptor_to_bytes_77",
    "u9n_a_xdr_test_decode_array_and_structure_with_limit_112",
}


@pytest.mark.captures("xdlms_service")
def test_service(capture: Any) -> None:
    expected = SERVICES[capture.name]
    if expected is None:
        with pytest.raises(DecodeError) as caught:
            xdlms.decode(capture.bytes)
        assert caught.value.layer == "apdu" and caught.value.offset >= 0
    else:
        apdu = xdlms.decode(capture.bytes)
        assert type(apdu).__name__ == expected
        assert apdu.encode() == capture.bytes


@pytest.mark.captures("apdu_push")
def test_push(capture: Any) -> None:
    raw = capture.bytes.removeprefix(bytes.fromhex("e6e700"))
    if raw[0] == 0xDB or not capture.meta["valid"]:
        with pytest.raises(DecodeError):
            xdlms.decode(raw)
        return
    apdu = xdlms.decode(raw)
    assert isinstance(apdu, xdlms.DataNotification)
    assert apdu.encode() == raw
    assert axdr.decode_all(apdu.data)
    tagged = capture.meta["integrity"]["apdus"][0]["kaifa_tagged_dt"]
    assert (apdu.finding is not None) == tagged


@pytest.mark.captures("axdr_or_initiate", "get_exchange")
def test_value(capture: Any) -> None:
    raw = capture.bytes
    rest = capture.meta["integrity"].get("axdr_rest", 0)
    if capture.name in NO_DATA or rest:
        with pytest.raises(DecodeError):
            axdr.decode_all(raw)
        return
    assert axdr.end_of(raw) == len(raw)
    assert axdr.encode(axdr.decode_all(raw)) == raw


def wpdus(stream: bytes) -> Iterator[bytes]:
    """The APDUs of a TCP stream of WPDUs, up to the first octets that begin none."""
    while stream[:2] == b"\x00\x01" and len(stream) >= 8:
        end = 8 + int.from_bytes(stream[6:8], "big")
        yield stream[8:end]
        stream = stream[end:]


def from_text(content: bytes) -> dict[str, bytes]:
    """Direction -> stream, from lines ``from>to hex``."""
    streams: dict[str, bytes] = {}
    for way, payload in re.findall(r"^(\S+) ([0-9a-f]+)$", content.decode("ascii"), re.M):
        streams[way] = streams.get(way, b"") + bytes.fromhex(payload)
    return streams


def from_pcap(content: bytes) -> dict[str, bytes]:
    """Direction -> stream, from Ethernet frames with IPv4 and TCP."""
    streams: dict[str, bytes] = {}
    at = 24
    while at < len(content):
        (size,) = struct.unpack_from("<I", content, at + 8)
        frame, at = content[at + 16 : at + 16 + size], at + 16 + size
        packet = frame[14 : 14 + int.from_bytes(frame[16:18], "big")]
        if frame[12:14] != b"\x08\x00" or packet[9] != 6:
            continue
        segment = packet[(packet[0] & 15) * 4 :]
        source, target = struct.unpack_from(">HH", segment)
        payload = segment[(segment[12] >> 4) * 4 :]
        if payload:
            streams[f"{source}>{target}"] = streams.get(f"{source}>{target}", b"") + payload
    return streams


@pytest.mark.captures("wrapper_session", "dlms_pcap")
def test_session(capture: Any) -> None:
    content = capture.bytes
    streams = from_pcap(content) if capture.path.suffix == ".pcap" else from_text(content)
    seen: Counter[str] = Counter()
    for stream in streams.values():
        for apdu in wpdus(stream):
            if apdu[0] in (0x60, 0x61, 0x62, 0x63):
                seen["ACSE"] += 1
                continue
            try:
                decoded = xdlms.decode(apdu)
            except DecodeError as error:
                assert "ciphered" in error.message or apdu[0] == 0
                seen["ciphered" if apdu[0] else "unknown"] += 1
            else:
                assert decoded.encode() == apdu
                seen[type(decoded).__name__] += 1
    if "ciphered" in capture.name:
        assert seen["ciphered"] >= 258
    else:
        assert seen["GetRequest"] + seen["GetRequestNext"] == 129
        assert seen["GetResponse"] + seen["GetResponseBlock"] == 129
        assert seen["AccessRequest"] == seen["AccessResponse"] == 1
