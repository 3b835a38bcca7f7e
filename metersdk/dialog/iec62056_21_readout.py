"""The reader's side of IEC 62056-21, second half: take the data of a meter that signed on.

::

    sign_on ─── A, B, C ─── readout ── Readout
    decode ──── a capture ──────────── Readout, each one in it

A damaged block is asked for again with NAK; what was given out of it is withdrawn. Every dialog ends within its total
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from metersdk.apdu.dataset import DataSet, DataSetParser, raise_error_message
from metersdk.dialog.iec62056_21 import SignedOn, sign_off
from metersdk.dialog.optical import OpticalLine, ParityTally
from metersdk.effects import Dialog, Emit, Now, Progress, Sleep
from metersdk.errors import (
    Cancel,
    ChecksumError,
    DecodeError,
    Finding,
    LimitExceeded,
    LocalProtocolError,
    MeterReportedError,
    NoAnswer,
    RemoteProtocolError,
)
from metersdk.frame.iec62056_21 import (
    ACK,
    NAK,
    SIGN_OFF,
    BlockEnd,
    BlockScanner,
    Identification,
    find_identification,
    from_line,
    high_octets,
    line_format,
)

# A readout of this size takes 2.4 hours at 19200 Bd; what is longer does not end.
TEXT_LIMIT = 16 << 20
# A capture is worked through in pieces: partial blocks start over at each EOT, and must not copy it all each time.
_PIECE = 4096
# A block is asked for again three times at most (own choice; the standard names no number).
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Emitted when a block was damaged: the data sets emitted from this ``offset`` on are void, and come again."""

    offset: int


@dataclass(frozen=True, slots=True)
class Readout:
    """The data of one readout.

    Attributes:
        text: the data block as it came, 7-bit, without STX, ETX and BCC.
        proved: every block's BCC was right; None where there was none to prove it (mode D, STX lost).
        tail: what followed ``!``: a P1 CRC, or nothing.
        complete: False where the data broke off (offline captures only; a dialog raises instead).
    """

    identification: Identification | None
    data_sets: tuple[DataSet, ...]
    text: bytes
    proved: bool | None
    tail: str = ""
    complete: bool = True
    findings: tuple[Finding, ...] = ()
    baud: int = 0


class _Collected:
    """What a readout has brought home so far, and how to go back to the last proved block."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.parser = DataSetParser()
        self.sets: list[DataSet] = []
        self.pieces: list[bytes] = []
        self.octets = 0
        # The first two sets of all, kept or not: a lone one may be an error message.
        self.head: list[DataSet] = []
        # Of the block under way, of the one before it, and of one that nothing proved: the same text twice is proof
        # enough.
        self._block_octets = 0
        self._check = 0
        self._before: int | None = None
        self._unproved: int | None = None
        self._proved: tuple[DataSetParser, int, int, list[DataSet]] = self._state()

    def _state(self) -> tuple[DataSetParser, int, int, list[DataSet]]:
        return self.parser.copy(), len(self.sets), len(self.pieces), self.head.copy()

    def add(self, text: bytes) -> list[DataSet]:
        self.octets += len(text)
        self._block_octets += len(text)
        self._check = crc32(text, self._check)
        if self.octets > TEXT_LIMIT:
            raise LimitExceeded(f"a readout of more than {TEXT_LIMIT} octets", layer="data", offset=TEXT_LIMIT)
        if self.keep:
            self.pieces.append(text)
        return self.took(self.parser.feed(text))

    def took(self, sets: list[DataSet]) -> list[DataSet]:
        if len(self.head) < 2:
            self.head += sets[: 2 - len(self.head)]
        if self.keep:
            self.sets += sets
        return sets

    def same_again(self, end: BlockEnd) -> bool:
        """True for a block without proof that came with the same text just before."""
        before, self._unproved = self._unproved, self._check if end.proved is None else None
        return before is not None and before == self._unproved

    def is_block_before(self) -> bool:
        """Whether the block under way has the text of the one before it."""
        return self._check == self._before

    def prove(self) -> bool:
        """The block under way is right, there is no way back; False if it was empty."""
        self._proved = self._state()
        self._before, self._check, self._unproved = self._check, 0, None
        held, self._block_octets = self._block_octets, 0
        return held > 0

    def withdraw(self) -> Withdrawn:
        parser, sets, pieces, self.head = self._proved
        self.parser = parser.copy()
        self._check = 0
        del self.sets[sets:], self.pieces[pieces:]
        return Withdrawn(self.parser.position)


def readout(signed: SignedOn, *, total: float = 900.0, keep: bool = True) -> Dialog[Readout]:
    """Take the data block of a meter that signed on in mode A, B or C.

    Emits each ``DataSet`` as it arrives, ``Progress`` in octets, and ``Withdrawn`` where a damaged block is asked for
    again. ``keep=False`` leaves data sets and text to the listener, so that memory stays bounded for any size.
    At 300 Bd 25 kB take the 900 s of ``total``.

    Raises:
        ChecksumError: a block stayed damaged after three repeats.
        NoAnswer: silence, or not whole after ``total`` seconds.
        MeterReportedError: an error message, or SOH B0.
        LimitExceeded: more than ``TEXT_LIMIT``, or a data set without end.
    """
    if signed.mode == "E":
        raise LocalProtocolError("signed on for HDLC: there is no readout", hint="SignOn(mode='C')")
    line = signed.line
    now: float = yield Now()
    try:
        return (yield from _blocks(signed, now + total, _Collected(keep)))
    except (Cancel, RemoteProtocolError, NoAnswer):
        yield from sign_off(signed)
        line.buffer.clear()
        raise


def conforming(home: Readout) -> Readout:
    """The readout, if it keeps to the grammar of the data block (6.5).

    Raises:
        DecodeError: it takes a liberty, the first of them.
    """
    for finding in home.findings:
        if finding.layer == "data":
            more = f", and {len(home.findings) - 1} more findings" if len(home.findings) > 1 else ""
            raise DecodeError(
                f"{finding.text} ({finding.code}){more}", layer="data", offset=finding.offset, data=home.text
            )
    return home


def _blocks(signed: SignedOn, deadline: float, home: _Collected) -> Dialog[Readout]:
    line = signed.line
    reaction = line.timing.reaction(signed.identification is not None and signed.identification.is_fast)
    failures = empty = 0
    # Nothing came for an ACK: either it was lost, or the block behind it was. NAK brings back either.
    doubt = False
    proved: bool | None = True
    while True:
        scanner = BlockScanner(add=signed.settings.checksum == "add")
        whole = yield from _block(line, scanner, deadline, home)
        if SIGN_OFF in scanner.preamble:
            raise MeterReportedError("the meter signed off instead of answering", code="B0", layer="data")
        end = scanner.end
        if whole and end is not None and (_trusted(signed, end, scanner.framed, line) or home.same_again(end)):
            line.findings += scanner.findings + line.parity_findings()
            proved = None if end.proved is None else proved
            if not end.partial:
                break
            failures = 0
            if doubt and home.is_block_before():
                line.note("block-duplicate", "a block came twice, for the acknowledgement of the first was lost")
                yield Emit(home.withdraw())
            else:
                empty = 0 if home.prove() else empty + 1
            if empty > REPEATS:
                raise LimitExceeded("partial blocks without data, one after the other", layer="frame", state="readout")
            doubt = False
            # tr binds the reader, too.
            yield Sleep(reaction)
            yield from line.send(bytes((ACK,)))
            continue
        doubt = doubt or not (scanner.started or scanner.preamble)
        failures += 1
        if failures > REPEATS:
            raise _given_up(line, scanner)
        line.findings += line.parity_findings()
        line.note("block-repeated", f"a damaged block is asked for again, {failures} of {REPEATS}")
        yield Emit(home.withdraw())
        yield from line.flush(line.timing.flush_silence, deadline)
        yield from line.send(bytes((NAK,)))
    for data_set in home.took(home.parser.finish()):
        yield Emit(data_set)
    raise_error_message(home.head)
    findings = (*line.findings, *home.parser.findings)
    text = b"".join(home.pieces)
    tail = home.parser.tail.strip("\r\n")
    return Readout(signed.identification, tuple(home.sets), text, proved, tail, True, findings, line.baud)


def _block(line: OpticalLine, scanner: BlockScanner, deadline: float, home: _Collected) -> Dialog[bool]:
    """One block; False if it did not come whole.

    Raises:
        NoAnswer: the total time is up.
    """
    timing = line.timing
    line.tally = ParityTally()
    now: float = yield Now()
    start_by = now + timing.reply_max + timing.latency
    while scanner.end is None:
        if not len(line.buffer):
            now = yield Now()
            if now >= deadline:
                raise NoAnswer("the readout did not end in time", layer="line", state="readout")
            patience = timing.octet_gap + timing.latency if scanner.started else start_by - now
            if patience <= 0 or not (yield from line.wait(min(patience, deadline - now))):
                now = yield Now()
                if now < deadline:
                    return scanner.finish() is not None
                continue
        text, used = scanner.feed(line.peek())
        # Only what belongs to the block is taken; the rest may be another protocol's.
        line.take(used)
        for data_set in home.add(text):
            yield Emit(data_set)
        yield Emit(Progress(home.octets, None, "octets"))
    return True


def _trusted(signed: SignedOn, end: BlockEnd, framed: bool, line: OpticalLine) -> bool:
    """Whether a whole block may be believed."""
    if end.proved:
        # The BCC is even parity by column. One wrong parity bit and a right BCC: the parity bit itself was hit. Two
        # may be one column hit twice, which the BCC cannot see.
        return line.parity_errors < 2
    # Without STX in mode C most likely we switched late, and the first line is cut; without BCC the end is. An
    # identification that lost its speed reads like mode A: whoever sends STX has a BCC, too. Where there is neither,
    # parity is all there is.
    return end.proved is None and not framed and signed.mode != "C" and not line.parity_errors


def _given_up(line: OpticalLine, scanner: BlockScanner) -> NoAnswer | ChecksumError:
    if not scanner.started:
        return NoAnswer(
            "no data after the sign-on", layer="line", state="readout", data=scanner.preamble, retryable=True
        )
    return ChecksumError(
        f"a block is damaged after {REPEATS} repeats", layer="frame", offset=line.position, retryable=True
    )


def decode(capture: bytes, *, strict: bool = False) -> tuple[Readout, ...]:
    """Every readout in a capture of what a meter sent, in any of the modes A to D; parity bits are taken off.

    A capture may start amid a readout. ``strict`` raises where the grammar of the data sets is broken.

    Raises:
        DecodeError: ``strict``, and the grammar is broken.
        LimitExceeded: a data set without end.
    """
    text, odd = from_line(capture)
    high = high_octets(capture)
    if not high or line_format(len(capture), len(odd), high) != "7E1":
        text = capture
    segments: list[tuple[Identification | None, int, int]] = []
    identification, begun = None, 0
    while (found := find_identification(text, begun)) is not None:
        segments.append((identification, begun, found[1]))
        identification, begun = found[0], found[2]
    segments.append((identification, begun, len(text)))
    readouts = (_decode_one(who, text[start:stop], strict) for who, start, stop in segments)
    return tuple(one for one in readouts if one is not None)


def _decode_one(identification: Identification | None, text: bytes, strict: bool) -> Readout | None:
    scanner, parser = BlockScanner(), DataSetParser(strict=strict)
    sets: list[DataSet] = []
    pieces: list[bytes] = []
    ends: list[BlockEnd | None] = []
    findings: list[Finding] = [*identification.findings] if identification else []
    at = 0
    while at < len(text) and (not ends or scanner.end is None):
        piece, used = scanner.feed(text[at : at + _PIECE])
        at += used
        pieces.append(piece)
        sets += parser.feed(piece)
        if scanner.end is not None:
            ends.append(scanner.end)
            findings += scanner.findings
            if scanner.end.partial:
                scanner = BlockScanner()
    if scanner.end is None and (scanner.started or not ends):
        ends.append(scanner.finish())
        findings += scanner.findings
    sets += parser.finish()
    if not sets and (identification is None or not (pieces and any(pieces))):
        return None
    proofs = [end.proved if end else None for end in ends]
    proved = False if False in proofs else None if None in proofs else True
    last = ends[-1]
    complete = last is not None and not last.partial
    tail = parser.tail.strip("\r\n")
    return Readout(identification, tuple(sets), b"".join(pieces), proved, tail, complete, (*findings, *parser.findings))
