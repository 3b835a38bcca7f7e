"""Programming mode of a simulated meter: the registers of its readout, its clock, what its image lets be written."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, field_validator

from metersdk.apdu.dataset import parse
from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import algorithm_for
from metersdk.dialog.programming_meter import DENIED, UNKNOWN, BlockProvider, ProgrammingMeter
from metersdk.errors import LocalProtocolError, MeterReportedError
from metersdk.simulator.objects import Meter

_TIME, _DATE = "0.9.1", "0.9.2"
_Password = Annotated[
    InstanceOf[Secret], BeforeValidator(lambda value: Secret(value) if isinstance(value, str) else value)
]


class ProgrammingSpec(BaseModel):
    """Programming mode in the TOML of an image.

    ``password`` is that of P1, ``secure_password`` that of P2 through ``algorithm``. ``writable`` and ``executable``
    are addresses; the clock (0.9.1, 0.9.2) is set when it is among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    greeting: Literal["operand", "ack", "none"] = "operand"
    operand: str = Field(default="00000000", pattern="^[ -'*-~]{0,32}$")
    password: _Password | None = None
    secure_password: _Password | None = None
    algorithm: str = "energomera"
    reads: Literal["open", "password"] = "open"
    wrong: Literal["B0", "NAK", "ERROR"] = "B0"
    writable: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    block_size: int = Field(default=128, gt=0)
    block_check: Literal["xor", "add"] = "xor"
    inactivity: float | None = Field(default=None, gt=0)

    @field_validator("algorithm")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            algorithm_for(name)
        except LocalProtocolError as error:
            raise ValueError(error.message) from None
        return name


class Device(Meter, Protocol):
    """What programming mode needs of a meter in software."""

    block_provider: BlockProvider | None

    def readout(self) -> bytes: ...


class Bank:
    """The registers of a device as its readout shows them; what was written replaces what stood there."""

    def __init__(self, device: Device, spec: ProgrammingSpec) -> None:
        self._device = device
        self._spec = spec
        self.written: dict[str, str] = {}
        self.executed: list[tuple[str, str]] = []

    def read(self, address: str, values: str, command: str) -> bytes:
        """The data set of ``address``; R1 with a number gives so many, from there on, one a line."""
        lines = self._lines()
        names = list(lines)
        if address not in lines:
            raise _refusal(UNKNOWN, f"there is no {address}")
        count = int(values) if values.isascii() and values.isdigit() and len(values) < 5 else 1
        start = names.index(address)
        return "\r\n".join(lines[name] for name in names[start : start + max(1, count)]).encode("ascii", "replace")

    def write(self, address: str, values: str, command: str) -> None:
        """Raises: MeterReportedError: not to be written, or no time of day."""
        if address not in self._spec.writable:
            raise _refusal(DENIED, f"{address} is not to be written")
        if address in (_TIME, _DATE):
            self._set_clock(address, values.rpartition("(")[2])
        else:
            self.written[address] = values

    def execute(self, address: str, values: str, command: str) -> bytes:
        """Raises: MeterReportedError: nothing of that name is to be executed."""
        if address not in self._spec.executable:
            raise _refusal(DENIED, f"{address} is not to be executed")
        self.executed.append((address, values))
        return b""

    def _lines(self) -> dict[str, str]:
        sets, _ = parse(self._device.readout())
        shown = {one.address: one.encode().decode("latin-1") for one in sets}
        return shown | {address: f"{address}({values})" for address, values in self.written.items()}

    def _set_clock(self, address: str, value: str) -> None:
        digits = "".join(filter(str.isdigit, value))[-6:]
        there = self._device.zone
        now = self._device.seconds()
        local = datetime.fromtimestamp(now - there.at(now)[0] * 60, UTC)
        first, second, third = (int(digits[at : at + 2] or -1) for at in (0, 2, 4))
        try:
            if address == _TIME:
                local = local.replace(hour=first, minute=second, second=third)
            else:
                local = local.replace(year=2000 + first, month=second, day=third)
        except ValueError:
            raise _refusal(UNKNOWN, "no time or date") from None
        utc_ms = there.utc_ms(timegm(local.timetuple()) * 1000)
        self._device.set_clock(datetime.fromtimestamp(utc_ms / 1000, UTC))


def programming_side(device: Device, spec: ProgrammingSpec | None, **more: Any) -> ProgrammingMeter | None:
    """Programming mode as the image of ``device`` describes it, with fields replaced; None where it has none."""
    if spec is None:
        return None
    passwords = {1: spec.password, 2: spec.secure_password}
    given: dict[str, Any] = {
        "registers": Bank(device, spec),
        "blocks": device.block_provider,
        "greeting": spec.greeting,
        "operand": spec.operand.encode("ascii"),
        "passwords": {level: secret for level, secret in passwords.items() if secret is not None},
        "algorithm": algorithm_for(spec.algorithm),
        "reads": spec.reads,
        "wrong": spec.wrong,
        "block_size": spec.block_size,
        "add": spec.block_check == "add",
        "inactivity": spec.inactivity,
    }
    return ProgrammingMeter(**(given | more))


def _refusal(code: str, why: str) -> MeterReportedError:
    return MeterReportedError(why, code=code, layer="data")
