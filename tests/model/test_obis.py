"""OBIS codes in every spelling (IEC 62056-61; IEC 62056-21 reduced codes)."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metersdk.errors import DecodeError, LocalProtocolError
from metersdk.model.obis import Obis, name


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1.0.1.8.0.255", "0100010800ff"),
        ("1-0:1.8.0*255", "0100010800ff"),
        ("1-0:1.8.0", "0100010800ff"),
        ("1.8.0", "0100010800ff"),
        (" 1.8.0 ", "0100010800ff"),
        ("1.8", "0100010800ff"),
        ("1.8.1*01", "010001080101"),
        ("1.8.1&01", "010001080101"),
        ("1.8.1.01", "010001080101"),
        ("7-1:3.0.0", "0701030000ff"),
        ("C.1.0", "0000600100ff"),
        ("c.1.0", "0000600100ff"),
        ("96.1.0", "0000600100ff"),
        ("F.F", "0000616100ff"),
        ("L.1", "0100620100ff"),
        ("P.01", "0100630100ff"),
        ("P.98", "0100636200ff"),
        ("0.9.1", "0100000901ff"),
        ("1-0:P.01", "0100630100ff"),
    ],
)
def test_reads_every_spelling(text: str, octets: str) -> None:
    assert Obis(text).octets == bytes.fromhex(octets)
    assert Obis(text) == Obis(bytes.fromhex(octets)) == Obis.parse(text)


@pytest.mark.parametrize(
    ("code", "reduced", "idis"),
    [
        ("1.0.1.8.0.255", "1.8.0", "1-0:1.8.0*255"),
        ("1.0.1.8.0.1", "1.8.0*01", "1-0:1.8.0*1"),
        ("0.0.96.1.0.255", "C.1.0", "0-0:96.1.0*255"),
        ("0.0.97.97.0.255", "F.F", "0-0:97.97.0*255"),
        ("1.0.99.1.0.255", "P.1.0", "1-0:99.1.0*255"),
        ("8.0.1.0.0.255", "8-0:1.0.0", "8-0:1.0.0*255"),
        ("1.0.96.1.0.255", "1-0:C.1.0", "1-0:96.1.0*255"),
    ],
)
def test_writes_reduced_and_full(code: str, reduced: str, idis: str) -> None:
    assert Obis(code).reduced == reduced
    assert Obis(code).idis == idis


@given(st.binary(min_size=6, max_size=6))
def test_every_spelling_leads_back(octets: bytes) -> None:
    code = Obis(octets)
    assert Obis(str(code)) == Obis(code.idis) == Obis(code.reduced) == Obis(bytes(code)) == code
    assert (code.a, code.b, code.c, code.d, code.e, code.f) == tuple(octets)


@given(st.text(max_size=24))
def test_any_text_is_a_code_or_a_typed_error(text: str) -> None:
    try:
        assert len(Obis(text).octets) == 6
    except LocalProtocolError as error:
        assert error.layer == "data"


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.8.0.255.1", "1.0.1.8.0.256", "256.8.0", "1.8.x", "1..0", "1-0:1.8.0*255*1", "1.8.0.1*1", "١.8.0"],
)
def test_refuses(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        Obis(text)


def test_octets_of_a_meter_are_the_meters_fault() -> None:
    assert Obis.from_octets(bytes.fromhex("0100010800ff")) == Obis("1.8.0")
    with pytest.raises(DecodeError):
        Obis.from_octets(b"\x01\x00\x01")
    with pytest.raises(LocalProtocolError):
        Obis(b"\x01\x00\x01")


def test_is_a_value() -> None:
    code = Obis("1.8.0")
    assert {code: 1}[Obis("1-0:1.8.0*255")] == 1
    assert sorted([Obis("2.8.0"), Obis("1.8.1"), Obis("C.1.0")]) == [Obis("C.1.0"), Obis("1.8.1"), Obis("2.8.0")]
    assert code != "1.0.1.8.0.255"
    assert pickle.loads(pickle.dumps(code)) == copy.deepcopy(code) == code
    assert repr(code) == "Obis('1.0.1.8.0.255')"
    with pytest.raises(AttributeError):
        code.octets = b""  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del code.octets


@pytest.mark.parametrize(
    ("code", "english"),
    [
        ("1.8.0", "Active energy import (+A)"),
        ("1.8.2", "Active energy import (+A), tariff 2"),
        ("2.8.0*03", "Active energy export (-A), billing period 3"),
        ("1-0:21.7.0", "Active power import (+A), L1"),
        ("1-0:72.7.0", "Voltage, L3"),
        ("31.7.0", "Current, L1"),
        ("14.7.0", "Frequency"),
        ("1.6.0", "Active demand import (+A), maximum"),
        ("0.0.1.0.0.255", "Clock"),
        ("0.0.43.1.0.255", "Invocation counter"),
        ("1.0.99.1.0.255", "Load profile 1"),
        ("8-0:1.0.0", "Cold water volume"),
        ("7-0:3.1.0", "Gas volume, unconverted"),
        ("6-0:1.0.0", "Heat energy"),
        ("0.1.24.2.1.255", "M-Bus value, channel 1"),
        ("1.0.200.200.200.200", ""),
    ],
)
def test_names(code: str, english: str) -> None:
    assert name(code) == english
