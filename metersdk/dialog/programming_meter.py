"""Programming mode of IEC 62056-21, the meter's side: operand, password, commands, partial blocks, error replies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from metersdk.apdu.keys import Secret
from metersdk.apdu.secure import Algorithm, energomera
from metersdk.dialog.optical import OpticalLine, ParityTally
from metersdk.effects import Dialog, Emit, Now, Sleep, State
from metersdk.errors import ChecksumError, DecodeError, MeterReportedError
from metersdk.frame.iec62056_21 import ACK, NAK, PREAMBLE_LIMIT, Command, block, find_command, find_request

# Text of a message by its address and the values in its brackets, block by block; None: not one of its addresses.
BlockProvider: TypeAlias = Callable[[str, str], Iterator[bytes] | None]
Access: TypeAlias = Literal["open", "password"]

_SESSIONLESS = re.compile(rb"/\?([0-9A-Za-z ]{0,32})!(?=\x01)")
_MEMBER = re.compile(r"([^()]+)\(\)")
# A reader that answers every block with NAK gets it so often.
_REPEATS = 10
# Characters of a command that is written in partial blocks, all together.
_WRITE_LIMIT = 1 << 16
# What a meter says to what it does not understand, may not do, or has not got.
UNKNOWN, DENIED = "ERROR", "ER01"


class Registers(Protocol):
    """What the commands work on; ``MeterReportedError`` refuses, its ``code`` is what the reader is told."""

    def read(self, address: str, values: str, command: str) -> bytes:
        """The text of the answer to R1 to R6: ``1.8.0(0012345.678*kWh)``."""

    def write(self, address: str, values: str, command: str) -> None:
        """Carry out W1 to W5; ``values`` as they stand between the first bracket and the last."""

    def execute(self, address: str, values: str, command: str) -> bytes:
        """Carry out E2; empty for a plain ACK."""


@dataclass(frozen=True, slots=True)
class CommandFaults:
    """Faults to make in programming mode, each so many times, after ``good_commands``.

    Attributes:
        deaf: commands not heard.
        refused: commands answered with NAK.
        bad_bcc: answers with a wrong BCC.
        cut: answers that break off in the middle.
        swallowed: answers not sent at all; the command is carried out.
    """

    good_commands: int = 0
    deaf: int = 0
    refused: int = 0
    bad_bcc: int = 0
    cut: int = 0
    swallowed: int = 0


@dataclass(frozen=True, slots=True)
class ProgrammingMeter:
    """Programming mode of a meter.

    Attributes:
        registers: what is read and written.
        blocks: asked first, by R5, R6 and whatever reads ``P.``.
        greeting: P0 with the operand, a lone ACK, or nothing.
        operand: of P0.
        passwords: by level, 1 and 2; none: nobody is asked for one.
        algorithm: what P2 must bring for ``operand`` and the password of level 2.
        reads: whether reading wants the password, too.
        wrong: what a wrong password is answered with; the session is over.
        block_size: characters of one partial block of R3 to R6; a provider's blocks go as they are.
        add: the BCC is a 7-bit sum.
        group: name of a register that reads others at once: ``GRPNM(A()B())``.
        sessionless: a command that comes with the request, ``/?address!`` SOH R1 .., is answered without a session.
        inactivity: seconds; None: that of the optical port.
    """

    registers: Registers
    blocks: BlockProvider | None = None
    greeting: Literal["operand", "ack", "none"] = "operand"
    operand: bytes = b"00000000"
    passwords: Mapping[int, Secret] = field(default_factory=dict)
    algorithm: Algorithm = energomera
    reads: Access = "open"
    wrong: Literal["B0", "NAK", "ERROR"] = "B0"
    block_size: int = 128
    add: bool = False
    group: str = ""
    sessionless: bool = False
    inactivity: float | None = None
    faults: CommandFaults = field(default_factory=CommandFaults)


def serve_programming(
    line: OpticalLine, meter: ProgrammingMeter, faults: FaultsLeft, reaction: float, inactivity: float
) -> Dialog[None]:
    """Be a meter in programming mode, from its acknowledgement to B0, a wrong password, a request or inactivity."""
    yield from _Session(line, meter, faults, reaction, meter.inactivity or inactivity).run()


def find_sessionless(text: bytes) -> tuple[str, bytes, int] | None:
    """The address of the first request that a command follows at once, the command's frame, and the offset after it."""
    start = _SESSIONLESS.search(text)
    found = find_command(text[start.end() :]) if start is not None else None
    if start is None or found is None:
        return None
    return start[1].decode("latin-1"), found[0], start.end() + found[1]


def answer_sessionless(
    line: OpticalLine, meter: ProgrammingMeter, faults: FaultsLeft, frame: bytes, reaction: float
) -> Dialog[None]:
    """Answer one command without a session: only what reads, and only where nobody needs a password for it."""
    yield from _Session(line, meter, faults, reaction, 0.0).once(frame)


class FaultsLeft:
    """Faults still to be made; one for all sessions of a meter."""

    def __init__(self, faults: CommandFaults) -> None:
        self.good = faults.good_commands
        self.armed = not self.good
        names = ("deaf", "refused", "bad_bcc", "cut", "swallowed")
        self.counts: dict[str, int] = {name: getattr(faults, name) for name in names}

    def command(self) -> None:
        """Another command has come."""
        self.armed = not self.good
        self.good -= not self.armed

    def takes(self, name: str) -> bool:
        if not self.armed or not self.counts[name]:
            return False
        self.counts[name] -= 1
        return True


class _Session:
    def __init__(
        self, line: OpticalLine, meter: ProgrammingMeter, faults: FaultsLeft, reaction: float, inactivity: float
    ) -> None:
        self._line = line
        self._meter = meter
        self._reaction = reaction
        self._inactivity = inactivity
        self._faults = faults
        self._allowed = not meter.passwords
        self._said = b""
        self._written = b""

    def run(self) -> Dialog[None]:
        meter = self._meter
        if meter.greeting == "operand":
            yield from self._say(Command("P", "0", b"(" + meter.operand + b")").encode(add=meter.add))
        elif meter.greeting == "ack":
            yield from self._say(bytes((ACK,)))
        while (heard := (yield from self._hear())) is not None:
            if isinstance(heard, int):
                # NAK: the last message again. An ACK outside of blocks means nothing.
                if heard == NAK and self._said:
                    yield from self._say(self._said)
                continue
            if not (yield from self._obey(heard)):
                return
        yield Emit(State("ended", "inactivity"))

    def once(self, frame: bytes) -> Dialog[None]:
        """One command; a damaged one is not answered at all."""
        self._faults.command()
        try:
            command = Command.decode(frame, add=self._meter.add)
        except (ChecksumError, DecodeError):
            return
        if command.command == "R" and not self._faults.takes("deaf"):
            yield from self._obey(command)

    def _obey(self, command: Command) -> Dialog[bool]:
        """Carry out one command; False if the session is over."""
        if command.command == "B":
            yield Emit(State("ended", f"B{command.type}"))
            return False
        if self._faults.takes("refused"):
            yield from self._say(bytes((NAK,)))
            return True
        if command.command == "P":
            return (yield from self._password(command))
        try:
            yield from self._carry_out(command)
        except MeterReportedError as refusal:
            yield from self._answer(f"({refusal.code})".encode("ascii", "replace"))
        return True

    def _password(self, command: Command) -> Dialog[bool]:
        meter = self._meter
        level = int(command.type) if command.type in "12" else 0
        expected = meter.passwords.get(level)
        if expected is not None:
            wanted = bytes(expected) if level == 1 else meter.algorithm(meter.operand, expected)
            self._allowed = Secret(b"(" + wanted + b")") == (command.data or b"")
        elif meter.passwords:
            self._allowed = False
        if self._allowed:
            yield Emit(State("password", "taken"))
            yield from self._say(bytes((ACK,)))
            return True
        yield Emit(State("password", "refused"))
        match meter.wrong:
            case "NAK":
                yield from self._say(bytes((NAK,)))
            case "ERROR":
                yield from self._answer(b"(ERROR)")
            case _:
                yield from self._say(Command("B", "0").encode(add=meter.add))
        return False

    def _carry_out(self, command: Command) -> Dialog[None]:
        kind = command.command
        if kind not in ("R", "W", "E"):
            raise _refusal(UNKNOWN)
        if not self._allowed and (kind != "R" or self._meter.reads == "password"):
            raise _refusal(DENIED)
        if kind == "R":
            yield from self._read(kind + command.type, *_parts(command.data or b""))
        else:
            yield from self._change(command)

    def _read(self, name: str, address: str, values: str) -> Dialog[None]:
        provider, pieces = self._meter.blocks, None
        if provider is not None and (name in ("R5", "R6") or address.startswith("P.")):
            pieces = provider(address, values)
        if pieces is not None:
            yield from self._partial_blocks(pieces)
            return
        if self._meter.group and address == self._meter.group:
            members = _MEMBER.findall(values)
            text = b"".join(self._meter.registers.read(one, "", name) for one in members)
        else:
            text = self._meter.registers.read(address, values, name)
        if name in ("R3", "R4", "R5", "R6"):
            size = self._meter.block_size
            yield from self._partial_blocks(text[at : at + size] for at in range(0, max(1, len(text)), size))
            return
        yield from self._answer(text)

    def _change(self, command: Command) -> Dialog[None]:
        self._written += command.data or b""
        if len(self._written) > _WRITE_LIMIT:
            self._written = b""
            raise _refusal(UNKNOWN)
        if command.partial:
            yield from self._say(bytes((ACK,)))
            return
        whole, self._written = self._written, b""
        address, values = _parts(whole)
        name = command.command + command.type
        answer = b""
        if command.command == "W":
            self._meter.registers.write(address, values, name)
        else:
            answer = self._meter.registers.execute(address, values, name)
        yield Emit(State("written" if command.command == "W" else "executed", address))
        if answer:
            yield from self._answer(answer)
        else:
            yield from self._say(bytes((ACK,)))

    def _partial_blocks(self, pieces: Iterator[bytes]) -> Dialog[None]:
        """Each but the last ends with EOT, and the next one waits for ACK; a NAK has it again."""
        piece = next(pieces, b"")
        for following in pieces:
            yield from self._answer(piece, partial=True)
            for _ in range(_REPEATS):
                heard = yield from self._hear(keep=True)
                if heard == NAK:
                    yield from self._say(self._said)
                    continue
                break
            if heard != ACK:
                # A command, B0, a request: the reader has had enough. What it says stays in the buffer.
                return
            piece = following
        yield from self._answer(piece)

    def _answer(self, text: bytes, *, partial: bool = False) -> Dialog[None]:
        yield from self._say(block(text, partial=partial, add=self._meter.add))

    def _say(self, message: bytes) -> Dialog[None]:
        line = self._line
        self._said = message
        if self._faults.takes("swallowed"):
            return
        yield Sleep(self._reaction)
        if len(message) > 1 and self._faults.takes("bad_bcc"):
            message = message[:-1] + bytes((message[-1] ^ 0x15,))
        elif self._faults.takes("cut"):
            message = message[: (len(message) + 1) // 2]
        yield from line.send(message)
        # Half duplex: what came while the meter was sending was not heard.
        yield from line.wait(0.0)
        line.take()

    def _hear(self, *, keep: bool = False) -> Dialog[Command | int | None]:
        """A command, ACK or NAK; None after inactivity, or for a request, which stays in the buffer.

        ``keep``: a command stays there, too, and 0 stands for it.
        """
        line = self._line
        now: float = yield Now()
        deadline = now + self._inactivity
        while True:
            seen = line.peek()
            found = find_command(seen)
            if found is not None:
                if keep:
                    return 0
                frame, end = found
                line.tally = ParityTally()
                line.take(end)
                self._faults.command()
                if self._faults.takes("deaf"):
                    continue
                try:
                    if line.parity_errors:
                        raise DecodeError("a character of wrong parity", layer="line")
                    return Command.decode(frame, add=self._meter.add)
                except (ChecksumError, DecodeError):
                    yield from self._say(bytes((NAK,)))
                    continue
            if find_request(seen) is not None:
                return None
            if seen.strip(b"\0")[:1] != b"\x01":
                for octet in (ACK, NAK):
                    if octet in seen:
                        line.take()
                        return octet
            if len(line.buffer) > PREAMBLE_LIMIT + _WRITE_LIMIT:
                line.take()
            now = yield Now()
            # A command that breaks off was noise, or its reader is gone.
            patience = line.timing.octet_gap if seen else deadline - now
            if now >= deadline:
                return None
            if not (yield from line.wait(max(0.0, min(patience, deadline - now)))) and seen:
                line.take()


def _parts(data: bytes) -> tuple[str, str]:
    """``address(values)``; several values keep the brackets between them."""
    text = data.decode("latin-1")
    address, opening, rest = text.partition("(")
    if not opening or not rest.endswith(")"):
        raise _refusal(UNKNOWN)
    return address, rest[:-1]


def _refusal(code: str) -> MeterReportedError:
    return MeterReportedError(f"refused: {code}", code=code, layer="data")
