"""The client asks what a client in a capture asked, and gets what that meter answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from metersdk.apdu import xdlms
from metersdk.apdu.xdlms import Invoke
from metersdk.dialog import dlms
from metersdk.errors import DataAccessError, DecodeError

MakeRig = Callable[..., Any]


def dialogue(content: bytes) -> list[tuple[bytes, bytes]]:
    """(request, answer) of the GETs in a capture of WPDUs, in order."""
    lines = re.findall(r"^(\S+) 0001.{12}(c[04][0-9a-f]+)$", content.decode("ascii"), re.M)
    apdus = [bytes.fromhex(apdu) for _, apdu in lines]
    return list(zip(apdus[::2], apdus[1::2], strict=True))


@pytest.mark.parametrize("name", ["wsdlms_output_payloads"])
def test_captured_reads_are_repeated(rig: MakeRig, corpus: Any, name: str) -> None:
    exchanges = dialogue(corpus.case("wrapper_session", name).bytes)
    known = {
        case.meta["expected"]["request"]: case
        for case in corpus.cases("get_exchange")
        if not case.name.startswith("wsx_output_ciphered")
    }
    at = values = refused = broken = 0

    def answer(apdu: bytes) -> bytes:
        nonlocal at
        request, reply = exchanges[at]
        assert apdu == request
        at += 1
        return reply

    it = rig().against(answer)
    it.ex.next_invoke = lambda: Invoke.decode(0x81)
    while at < len(exchanges):
        raw = exchanges[at][0]
        request = xdlms.decode(raw)
        assert isinstance(request, xdlms.GetRequest)
        target = request.attribute
        try:
            value = it.run(dlms.get(it.ex, target.class_id, target.obis, target.attribute, request.selection))
        except DataAccessError:
            refused += 1
        except DecodeError:
            # A simulator whose array holds a row more than it says.
            assert known[raw.hex()].meta["integrity"]["axdr_rest"] == 21
            broken += 1
        else:
            values += 1
            if raw.hex() in known:
                assert value == known[raw.hex()].bytes
    assert values > 100 and broken == 2
    assert it.findings == []
