"""Programming mode of a simulated meter: what its image says, through the door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import metersdk
from metersdk.errors import AuthenticationFailed, LocalProtocolError, MeterReportedError
from metersdk.simulator.device import MeterDevice
from metersdk.simulator.image import Image
from metersdk.simulator.programming import Bank, ProgrammingSpec, programming_side
from session_rig import SMALL, Rig


def device(**spec: object) -> MeterDevice:
    image = Image.load("residential")
    return image.model_copy(update={"programming": ProgrammingSpec.model_validate(spec)}).device()


def bank(**spec: object) -> Bank:
    made = device(**spec)
    side = programming_side(made, made.image.programming)
    assert side is not None and isinstance(side.registers, Bank)
    return side.registers


def test_registers_are_those_of_the_readout() -> None:
    shelf = bank()
    assert shelf.read("C.1.0", "", "R1") == b"C.1.0(12345678)"
    assert [line[:5] for line in shelf.read("1.8.0", "3", "R1").split(b"\r\n")] == [b"1.8.0"] * 3
    for address in ("", "9.9.9", "1.8"):
        with pytest.raises(MeterReportedError) as refused:
            shelf.read(address, "", "R1")
        assert refused.value.code == "ERROR"


@pytest.mark.parametrize("value", ["120000", "12:00:00", "1120000"])
def test_the_clock_is_set(value: str) -> None:
    made = device(writable=["0.9.1", "0.9.2"])
    side = programming_side(made, made.image.programming)
    assert side is not None
    side.registers.write("0.9.2", "260301", "W1")
    side.registers.write("0.9.1", value, "W1")
    assert side.registers.read("0.9.1", "", "R1") in (b"0.9.1(120000)", b"0.9.1(120001)")
    assert side.registers.read("0.9.2", "", "R1") == b"0.9.2(260301)"
    for bad in ("", "99", "256199", "246060"):
        with pytest.raises(MeterReportedError):
            side.registers.write("0.9.1", bad, "W1")


def test_what_may_be_written_and_executed() -> None:
    shelf = bank(writable=["C.90"], executable=["RESET"])
    shelf.write("C.90", "a)(b", "W1")
    assert shelf.read("C.90", "", "R1") == b"C.90(a)(b)"
    assert shelf.execute("RESET", "", "E2") == b"" and shelf.executed == [("RESET", "")]
    for refused in (lambda: shelf.write("1.8.0", "0", "W1"), lambda: shelf.execute("FORMAT", "", "E2")):
        with pytest.raises(MeterReportedError) as error:
            refused()
        assert error.value.code == "ER01"


def test_a_device_answers_profiles_with_its_provider() -> None:
    made = device()

    def provider(address: str, values: str) -> Iterator[bytes] | None:
        return iter((b"P.01(0)\r\n", values.encode())) if address == "P.01" else None

    made.block_provider = provider
    rig = Rig(speech="optical", protocol="iec62056-21")
    with rig.connect(rig.port(made)) as meter, meter.programming() as p:
        assert p.read_blocks("P.01", "from;to") == b"P.01(0)\r\nfrom;to"
        assert p.read_blocks("C.1.0") == b"C.1.0(12345678)"


def test_an_image_names_a_known_algorithm() -> None:
    with pytest.raises(LocalProtocolError, match="algorithm"):
        Image.parse(SMALL.replace("[programming]\n", '[programming]\nalgorithm = "nobody"\n'))


def test_the_door_keeps_its_rules() -> None:
    with metersdk.connect("sim://residential", protocol="iec62056-21") as meter:
        p = meter.programming(password="12345678")
        with pytest.raises(LocalProtocolError, match="not entered"):
            p.read("1.8.0")
        with p:
            assert p.read("C.1.0")
        with pytest.raises(LocalProtocolError, match="not entered"):
            p.read("1.8.0")
        with pytest.raises(AuthenticationFailed), meter.programming(password="no"):
            pass
        assert meter.readout().data_sets
        entered = meter.programming(password="12345678")
        entered.__enter__()
    entered.close()
    with metersdk.connect("sim://residential") as meter, pytest.raises(LocalProtocolError, match="not of DLMS"):
        meter.programming().__enter__()
