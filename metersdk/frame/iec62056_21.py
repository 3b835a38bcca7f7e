"""IEC 62056-21 messages: bytes <-> request, identification, option select, block, command.

All functions take and give 7-bit characters; ``to_line`` and ``from_line`` add and take off the even parity bit (7E1
done in software, the UART runs 8N1). The parsers are tolerant: noise, echoes and NULs before a message are stepped
over, and what was tolerated is reported as a ``Finding``.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from enum import Enum

from metersdk import fast
from metersdk.errors import ChecksumError, DecodeError, Finding, LocalProtocolError

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15

INITIAL_BAUD = 300
# 6.3.14: in modes C and E the sixth character of the identification is the speed; 7, 8 and 9 are reserved.
BAUD_C = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
# What meters that use the reserved characters mean by them. Only on request: the standard gives them no meaning.
BAUD_RESERVED = {"7": 38400, "8": 57600, "9": 115200}
BAUD_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}

# 6.3.2: at most 32 characters; digits, letters, space.
ADDRESS_LIMIT = 32
# 6.3.14: at most 16 characters; 64 leaves room for \W sequences and for meters that give more.
IDENTIFICATION_LIMIT = 64
# Before a block: an echo of ours (14), noise, an identification line. More than this is no answer.
PREAMBLE_LIMIT = 512

_ADDRESS = re.compile(r"[0-9A-Za-z ]*")
_IDENTIFICATION = re.compile(rb"/([A-Za-z0-9]{3})([ \x22-.0-~])([^!/\r\n]{0,%d})" % IDENTIFICATION_LIMIT)
_DATA_LINE = re.compile(rb"(?:\A|(?<=\n))(?!/)[^\n(]*\([^\n)]*\)[^\n]*\n")
_HIGH = bytes(range(0x80, 0x100))
_PRINTABLE = re.compile(rb"[ -~]*")


def to_line(text: bytes) -> bytes:
    """7-bit characters -> octets as an 8N1 UART sends them: bit 7 makes the parity even (7E1)."""
    return fast.parity_add(text)


def from_line(octets: bytes) -> tuple[bytes, array[int]]:
    """Octets -> 7-bit characters, and the positions whose parity was odd."""
    return fast.parity_strip(octets)


def check_address(address: str) -> str:
    """The device address as given, once it is one (6.3.2).

    Raises:
        LocalProtocolError: longer than 32, or a character other than digits, letters and space.
    """
    if len(address) > ADDRESS_LIMIT or not _ADDRESS.fullmatch(address):
        raise LocalProtocolError(
            f"device address {address[:40]!r}: at most {ADDRESS_LIMIT} digits, letters and spaces", layer="frame"
        )
    return address


def same_address(one: str, other: str) -> bool:
    """Leading zeros are not evaluated on either side (6.3.2): 10203 is 010203. Case and spaces count."""
    return one.lstrip("0") == other.lstrip("0")


@dataclass(frozen=True, slots=True)
class Request:
    """``/ ? address ! CR LF``. ``start`` is ``/?`` and ``end`` ``! CR LF`` but for some families (``/#`` ``/2``)."""

    address: str = ""
    start: str = "/?"
    end: str = "!\r\n"

    def encode(self) -> bytes:
        return f"{self.start}{check_address(self.address)}{self.end}".encode("latin-1")

    def is_for(self, address: str) -> bool:
        """True for a meter of this address; no address calls every meter, all zeros is an address of its own."""
        return not self.address or same_address(self.address, address)


def find_request(text: bytes) -> tuple[Request, int] | None:
    """The first whole request in ``text`` and the offset after it; what stands before is noise."""
    at = 0
    while (end := text.find(b"!", at)) >= 0:
        start = text.rfind(b"/", at, end)
        if start >= 0 and end - start >= 2:
            if len(text) < end + 3:
                return None
            address = text[start + 2 : end].decode("latin-1")
            if text[end + 1 : end + 3] == b"\r\n" and len(address) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(address):
                return Request(address, text[start : start + 2].decode("latin-1")), end + 3
        at = end + 1
    return None


@dataclass(frozen=True, slots=True)
class Identification:
    """``/ XXX Z [\\W]* identification CR LF`` (6.3.14).

    ``manufacturer`` the three letters, ``baud_character`` Z, ``options`` the W of each ``\\W`` sequence in order
    (``"2"``: HDLC, mode E; others reserved or the manufacturer's), ``text`` the identification itself, ``raw`` the
    whole line without CR LF.
    """

    manufacturer: str
    baud_character: str
    options: tuple[str, ...]
    text: str
    raw: bytes
    findings: tuple[Finding, ...] = ()

    @property
    def is_fast(self) -> bool:
        """The third letter is lower case: the meter reacts after 20 ms instead of 200 (6.3.14)."""
        return self.manufacturer[2:3].islower()

    @property
    def offers_hdlc(self) -> bool:
        return "2" in self.options

    @property
    def mode(self) -> str:
        """``A``, ``B``, ``C`` or, where ``\\2`` is offered with a speed of mode C, ``E``."""
        if self.baud_character.isdigit():
            return "E" if self.offers_hdlc else "C"
        return "B" if "A" <= self.baud_character <= "I" else "A"

    def baud(self, *, reserved: bool = False) -> int | None:
        """The speed offered; None if the character is reserved. 300 in mode A, which has no switch."""
        if self.baud_character.isdigit():
            return BAUD_C.get(self.baud_character) or (BAUD_RESERVED[self.baud_character] if reserved else None)
        return BAUD_B.get(self.baud_character) if self.mode == "B" else INITIAL_BAUD

    def encode(self) -> bytes:
        return self.raw + b"\r\n"


def parse_identification(line: bytes) -> Identification | None:
    """An identification from one line without its end; None if it is none. The last ``/`` starts it."""
    start = line.rfind(b"/")
    match = _IDENTIFICATION.fullmatch(line[start:]) if start >= 0 else None
    if match is None:
        return None
    found: list[Finding] = []
    if line[:start].strip(b"\0"):
        found.append(_finding("before-identification", f"{start} octets before the identification", 0))
    manufacturer, baud, rest = (part.decode("latin-1") for part in match.groups())
    if not manufacturer.isalpha():
        found.append(_finding("manufacturer", f"manufacturer {manufacturer!r}: three letters expected", start + 1))
    options = []
    while rest.startswith("\\") and len(rest) > 1:
        options.append(rest[1])
        rest = rest[2:]
    if "\\" in rest:
        found.append(_finding("backslash", "a backslash inside the identification opens no sequence", start + 5))
    if len(rest) > 16:
        found.append(_finding("identification-length", f"identification of {len(rest)} characters, 16 allowed", start))
    if not _PRINTABLE.fullmatch(match[3]):
        found.append(_finding("identification-characters", "unprintable characters in the identification", start))
    return Identification(manufacturer, baud, tuple(options), rest, line[start:], tuple(found))


def find_identification(text: bytes, at: int = 0) -> tuple[Identification, int, int] | None:
    """The first identification line from ``at`` on as ``(identification, start, end)``; lines before it are noise."""
    while (end := text.find(b"\n", at)) >= 0:
        line = text[at:end]
        # Noise may end in CR LF too; the line that counts is short, so look at its tail only.
        head = max(0, len(line) - 4 * IDENTIFICATION_LIMIT)
        # NUL and DEL are what light makes; no identification holds them.
        identification = parse_identification(line[head:].translate(None, b"\0\x7f\r"))
        if identification is not None:
            return identification, at + line.rindex(b"/"), end + 1
        at = end + 1
    return None


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """``ACK V Z Y CR LF`` (6.3.5): protocol V (0 normal, 1 secondary, 2 HDLC), speed Z, option Y."""

    protocol: str
    baud_character: str
    option: str

    def encode(self) -> bytes:
        return b"\x06" + f"{self.protocol}{self.baud_character}{self.option}\r\n".encode("ascii")


def find_option_select(text: bytes) -> tuple[OptionSelect, int] | None:
    """The first option select message in ``text`` and the offset after it."""
    start = text.find(ACK)
    while start >= 0:
        message = text[start : start + 6]
        if len(message) == 6 and message.endswith(b"\r\n"):
            return OptionSelect(chr(message[1]), chr(message[2]), chr(message[3])), start + 6
        start = text.find(ACK, start + 1)
    return None


def bcc(octets: bytes) -> int:
    """Block check character: XOR of everything after the first SOH or STX, up to and with ETX or EOT (6.3.1)."""
    return fast.bcc(octets)


def block_check(octets: bytes, *, add: bool = False) -> int:
    """The BCC of the standard, or the 7-bit sum that one maker sends instead (Energomera)."""
    return sum(octets) & 0x7F if add else fast.bcc(octets)


def block(text: bytes, *, partial: bool = False, add: bool = False) -> bytes:
    """``STX text ETX BCC``; ``partial``: EOT instead of ETX, another block follows."""
    body = text + bytes((EOT if partial else ETX,))
    return b"\x02" + body + bytes((block_check(body, add=add),))


@dataclass(frozen=True, slots=True)
class Command:
    """``SOH C D [STX data set] ETX BCC`` (6.3.3): a programming command, its type, and its data set if it has one.

    The data of ``P`` is a password or derived from one, so the repr gives no more than its length.
    """

    command: str
    type: str
    data: bytes | None = None
    partial: bool = False

    def encode(self, *, add: bool = False) -> bytes:
        text = f"{self.command}{self.type}".encode("ascii")
        if self.data is not None:
            text += b"\x02" + self.data
        text += bytes((EOT if self.partial else ETX,))
        return b"\x01" + text + bytes((block_check(text, add=add),))

    def __repr__(self) -> str:
        shown = f"{len(self.data)} octets" if self.command == "P" and self.data is not None else repr(self.data)
        return f"Command({self.command}{self.type}, {shown})"

    @classmethod
    def decode(cls, frame: bytes, *, add: bool = False) -> Command:
        """The command in one whole frame, SOH to BCC; ``add``: the BCC is a 7-bit sum.

        Raises:
            ChecksumError: the BCC is wrong.
            DecodeError: no command message.
        """
        if len(frame) < 5 or frame[0] != SOH or frame[-2] not in (ETX, EOT) or frame[3] not in (STX, ETX, EOT):
            raise DecodeError("no command message: SOH C D [STX data] ETX BCC", layer="frame", data=frame[:1])
        if block_check(frame[1:-1], add=add) != frame[-1]:
            raise ChecksumError("BCC of a command is wrong", layer="frame", offset=len(frame) - 1, retryable=True)
        if frame[3] != STX and len(frame) != 5:
            raise DecodeError("octets between the command and ETX, without STX", layer="frame", offset=3)
        data = frame[4:-2] if frame[3] == STX else None
        return cls(chr(frame[1]), chr(frame[2]), data, frame[-2] == EOT)


SIGN_OFF = Command("B", "0").encode()


def find_command(text: bytes) -> tuple[bytes, int] | None:
    """The first whole command frame in ``text``, BCC not yet proved, and the offset after it."""
    start = text.find(SOH)
    if start < 0:
        return None
    ends = [end for end in (text.find(ETX, start), text.find(EOT, start)) if end >= 0]
    if not ends or min(ends) + 1 >= len(text):
        return None
    end = min(ends) + 2
    return text[start:end], end


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """How a block ended.

    ``partial``: by EOT, another block follows. ``proved``: its BCC is right, is wrong, or (None) proves nothing, for
    STX or the BCC itself is missing; ``check`` is the BCC as it came.
    """

    partial: bool
    proved: bool | None
    check: int | None = None


class _At(Enum):
    """Where in a message the scanner stands."""

    PREAMBLE = 0
    TEXT = 1
    CHECK = 2
    LATE_MARK = 3
    DONE = 4


class BlockScanner:
    """One data message, fed as it arrives: steps over what precedes it, gives its text, proves its BCC.

    Takes ``STX text ETX|EOT BCC``, also ``? STX``, ``ETX`` before ``!``, and, without STX, whatever starts with a line
    that holds a data set (mode A of some; mode C whose STX was lost). ``add``: the BCC is a 7-bit sum instead of XOR
    (Energomera). Holds at most ``PREAMBLE_LIMIT`` octets.
    """

    __slots__ = (
        "_add",
        "_at",
        "_check",
        "_end_mark",
        "_late",
        "_partial",
        "end",
        "findings",
        "framed",
        "preamble",
    )

    def __init__(self, *, add: bool = False) -> None:
        self.preamble = b""
        self.end: BlockEnd | None = None
        self.findings: list[Finding] = []
        # STX was seen, so that the BCC can prove the text.
        self.framed = False
        self._add = add
        self._at = _At.PREAMBLE
        self._check = 0
        self._partial = False
        # "!" has come behind the last data set.
        self._end_mark = False
        # How much of CR LF has come behind a "!" behind ETX.
        self._late = 0

    @property
    def started(self) -> bool:
        return self._at is not _At.PREAMBLE

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Take ``data``; returns the text in it and how many octets belong to the message (all, until ``end``).

        NULs are left out of the text: light makes them, and the BCC does not see them.
        """
        text, used = self._feed(data)
        if b"\0" in text:
            if not any(finding.code == "nul" for finding in self.findings):
                self._note("nul", "NULs amid the data")
            text = text.replace(b"\0", b"")
        return text, used

    def _feed(self, data: bytes) -> tuple[bytes, int]:
        if self._at is _At.PREAMBLE:
            seen = self.preamble + data
            start = self._start(seen)
            if start is None:
                self.preamble = seen[-PREAMBLE_LIMIT:]
                return b"", len(data)
            self.preamble = seen[: start - self.framed]
            self._at = _At.TEXT
            text, used = self._take(seen[start:])
            return text, max(0, start + used - (len(seen) - len(data)))
        return self._take(data)

    def finish(self) -> BlockEnd | None:
        """Nothing more comes: the end, if the message is whole but for what is missing after it; else None."""
        if self.end is None and self._at in (_At.CHECK, _At.LATE_MARK):
            self._note("bcc-missing", "the block ends without its BCC")
            self.end = BlockEnd(self._partial, None)
        elif self.end is None and self._at is _At.TEXT and self._end_mark:
            self._note("etx-missing", "the data end with '!', without ETX and BCC")
            self.end = BlockEnd(False, None)
        return self.end

    def _start(self, seen: bytes) -> int | None:
        stx = seen.find(STX)
        line = _data_line(seen if stx < 0 else seen[:stx])
        if line is not None:
            self._note("stx-missing", "data without STX: the BCC cannot prove them")
            return line
        if stx < 0:
            return None
        self.framed = True
        if seen[:stx].endswith(b"?"):
            self._note("question-mark", "'?' before STX")
        return stx + 1

    def _take(self, data: bytes) -> tuple[bytes, int]:
        if self._at is not _At.TEXT:
            return b"", self._ending(data)
        ends = [at for at in (data.find(ETX), data.find(EOT)) if at >= 0]
        stop = min(ends) if ends else len(data)
        self._prove(data[: stop + 1])
        self._watch_end_mark(data[:stop])
        if not ends:
            return data, stop
        self._at = _At.CHECK
        self._partial = data[stop] == EOT
        return data[:stop], stop + 1 + self._ending(data[stop + 1 :])

    def _prove(self, octets: bytes) -> None:
        self._check = (self._check + sum(octets)) & 0x7F if self._add else self._check ^ fast.bcc(octets)

    def _watch_end_mark(self, data: bytes) -> None:
        mark, close = data.rfind(b"!"), data.rfind(b")")
        if mark > close or (self._end_mark and close < 0):
            self._end_mark = True
        elif close >= 0:
            self._end_mark = False

    def _ending(self, data: bytes) -> int:
        """The octets after ETX or EOT; returns how many there are."""
        for at, octet in enumerate(data):
            if self._at is _At.CHECK and octet == ord("!") != self._check:
                # Some meters put ETX before the end mark: ETX ! CR LF BCC.
                self._at = _At.LATE_MARK
                self._note("etx-before-end", "ETX stands before '!'")
            elif self._at is _At.LATE_MARK and (place := b"\r\n".find(octet, self._late)) >= 0:
                self._late = place + 1
            elif self._at is not _At.DONE:
                accepted = {self._check}
                if self._at is _At.LATE_MARK:
                    accepted.add(self._check ^ fast.bcc(b"!\r\n"))
                self.end = BlockEnd(self._partial, octet in accepted if self.framed else None, octet)
                self._at = _At.DONE
                return at + 1
        return len(data) if self._at is not _At.DONE else 0

    def _note(self, code: str, text: str) -> None:
        self.findings.append(_finding(code, text, -1))


def _data_line(seen: bytes) -> int | None:
    """Offset of the first whole line that holds a data set."""
    found = _DATA_LINE.search(seen)
    return found.start() if found else None


def echo_of(sent: bytes, seen: bytes) -> tuple[str, int]:
    """How much of the start of ``seen`` is an echo of ``sent``: ``("none" | "full" | "partial", octets)``.

    Some heads return their own light, some with octets missing or damaged: up to three missing in a row and a quarter
    damaged are taken for a partial echo, half of ``sent`` at least must be there.
    """
    if sent and seen.startswith(sent):
        return "full", len(sent)
    matched = damaged = expected = end = 0
    for at, octet in enumerate(seen):
        skip = sent.find(octet, expected, expected + 4)
        if skip >= 0:
            matched += 1
            expected, end = skip + 1, at + 1
        else:
            damaged += 1
            expected += 1
        if damaged * 4 > len(sent) or expected >= len(sent):
            break
    # Damaged octets at the end are not counted: they may belong to the answer.
    return ("partial", end) if matched * 2 >= len(sent) > 0 else ("none", 0)


# What an 8N1 receiver makes of a slower sender: it resynchronises at each falling edge, the start bit's remainder is
# low, and each bit of the sender fills several of its own (confirmed with an ideal UART model).
_SLOWER_2 = frozenset(a | b | c | d for a in (0, 0x06) for b in (0, 0x18) for c in (0, 0x60) for d in (0, 0x80))
_SLOWER_4 = frozenset(b"\x00\x80\x78\xf8")
# From 8 times on an octet holds one edge at most, in a real UART anywhere: ones follow zeros.
_SLOWER_8 = frozenset(b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfe\xff")


def looks_slower(octets: bytes, ratio: float) -> bool:
    """True if ``octets``, read at ``ratio`` times the speed they were sent with, can be nothing else.

    Three octets are enough from a ratio of 8 on, four for 4, six for 2.
    """
    if ratio >= 8:
        return len(octets) >= 3 and set(octets) <= _SLOWER_8 and 0 in octets
    wanted, known = (4, _SLOWER_4) if ratio >= 4 else (6, _SLOWER_2)
    return ratio >= 2 and len(octets) >= wanted and set(octets) <= known


def high_octets(octets: bytes) -> int:
    """How many of ``octets`` have bit 7 set."""
    return len(octets) - len(octets.translate(None, _HIGH))


def line_format(octets: int, odd: int, high: int) -> str:
    """What the sender's format is, from counts of octets, of those with odd parity and of those with bit 7 set.

    ``"7E1" "7O1" "8N1" "7N2"``, or ``""`` while it cannot be said: from 8 octets on a wrong guess has odds of 1:256.
    A few odd octets among even ones are 7E1 with errors, if any octet has bit 7 set: in 7E1 STX, SOH, ``/`` and CR do.
    """
    if octets < 8:
        return ""
    if odd == octets:
        return "7O1"
    if high == 0 and odd > 1:
        return "8N1"
    if high == octets and odd * 4 > octets:
        return "7N2"
    return "7E1" if odd * 4 <= octets else ""


def _finding(code: str, text: str, offset: int) -> Finding:
    return Finding(code, text, "frame", offset)
