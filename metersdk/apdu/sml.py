"""SML messages: payload of an SML file <-> typed values (BSI TR-03109-1 annex, SML 1.03 to 1.05).

A file is a row of messages, each with a check sequence of its own over everything in front of it::

    76 transaction group abort-on-error [ tag body ] CRC 00          tag 0101 open, 0201 close, 0701 list, ...

Meters push Open, GetList, Close. Their CRC is CRC-16/X.25 written low octet first into an unsigned, whose leading zero
octet may be left out; Kermit in some firmware. A message that is damaged is left out with a finding, the others are
read: ``decode`` fails only where no message is good. What is tolerated is a ``Finding``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from metersdk import fast
from metersdk.apdu.sml_tl import DEPTH, END_OF_MESSAGE, INTEGER, LIST, UNSIGNED, Node, bad, ended, head, read
from metersdk.apdu.sml_types import (
    ATTENTION,
    CLOSE,
    GET_LIST,
    OPEN,
    PROC_PARAMETER,
    PROFILE_LIST,
    PROFILE_PACK,
    AttentionResponse,
    Body,
    CloseResponse,
    File,
    GetListResponse,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    ListEntry,
    Message,
    OpenResponse,
    OtherBody,
    Period,
    ProfileColumn,
    Time,
    TimeKind,
    Tree,
)
from metersdk.errors import DecodeError, Finding

# A message of a damaged file is looked for at so many places at most.
_TRIES = 64
_MESSAGE = b"\x76"

Checksum: TypeAlias = Literal["auto", "x25", "none"]


def decode(payload: bytes, *, checksum: Checksum = "auto") -> File:
    """The messages of a payload.

    Args:
        payload: of an ``SmlFrame``, also of one whose CRC is wrong.
        checksum: ``auto`` takes X.25 and, with a finding, Kermit; ``x25`` nothing else; ``none`` does not look.

    Raises:
        DecodeError: not one good message; the error is that of the first.
    """
    return _Decoder(bytes(payload), checksum).file()


class _Decoder:
    def __init__(self, data: bytes, checksum: Checksum) -> None:
        self._data = data
        self._checksum = checksum
        self._findings: list[Finding] = []
        self._seen: set[str] = set()

    def file(self) -> File:
        data, at, tries = self._data, 0, 0
        found: list[Message] = []
        first: DecodeError | None = None
        while at < len(data) and tries <= _TRIES:
            if data[at] == 0:
                # Fill octets that the end of the file did not count.
                at += 1
                continue
            try:
                message, at = self._message(at)
            except DecodeError as error:
                first = first or error
                self._note("sml-message-lost", f"a message is damaged: {error.message}", at)
                tries += 1
                at = data.find(_MESSAGE, at + 1)
                if at < 0:
                    break
                continue
            found.append(message)
        if not found:
            raise first or bad("no message", data, 0)
        return File(tuple(found), tuple(self._findings))

    def _note(self, code: str, text: str, at: int, hint: str = "") -> None:
        """Once for each code: a meter does it in every message."""
        if code not in self._seen:
            self._seen.add(code)
            self._findings.append(Finding(code, text, "apdu", at, hint))

    def _message(self, start: int) -> tuple[Message, int]:
        data = self._data
        if data[start] != 0x76:
            raise bad(f"a message begins with 76, not {data[start]:02X}", data, start)
        transaction, at = self._octets(start + 1)
        group, at = self._number(at)
        abort, at = self._number(at)
        if data[at : at + 1] != b"\x72":
            raise bad("a message body is a list of two", data, at)
        tag, body_at = self._number(at + 1)
        mark = len(self._findings), set(self._seen)
        try:
            reader = _BODIES.get(tag or 0)
            if reader is None:
                value, at = read(data, body_at)
                body: Body = OtherBody(tag or 0, value)
            else:
                body, at = reader(self, body_at)
            check, at = self._check(start, at)
        except DecodeError:
            # What was found in a message that is none was not found.
            del self._findings[mark[0] :]
            self._seen = mark[1]
            raise
        if data[at : at + 1] == END_OF_MESSAGE:
            at += 1
        else:
            self._note("sml-end-missing", "a message without its end octet 00", at)
        return Message(transaction or b"", group or 0, abort or 0, body, check, start), at

    def _check(self, start: int, at: int) -> tuple[str, int]:
        """What the CRC at ``at`` is, and where it ends.

        It is a number whose octets are those of the CRC in the order of the line: a low octet of 00 is not sent.
        """
        kind, size, here = head(self._data, at)
        if kind != UNSIGNED or size > 2 or here != at + 1:
            raise bad("no CRC behind the message body", self._data, at)
        if self._checksum == "none":
            return "", here + size
        told = int.from_bytes(self._data[here : here + size], "big")
        proved = self._data[start:at]
        crc = fast.crc16(proved)
        if told == (crc & 0xFF) << 8 | crc >> 8:
            if size == 1:
                self._note("sml-crc-short", "a CRC of one octet: its leading zero was left out", at)
            return "x25", here + size
        value = crc ^ fast.crc16(bytes(len(proved)))
        if self._checksum == "auto" and told in (value, (value & 0xFF) << 8 | value >> 8):
            self._note("sml-crc-kermit", "messages are checked by CRC-16/KERMIT instead of X.25", at)
            return "kermit", here + size
        raise bad(f"CRC of a message is wrong: {told:04X}, computed {(crc & 0xFF) << 8 | crc >> 8:04X}", self._data, at)

    # ---- fields

    def _octets(self, at: int) -> tuple[bytes | None, int]:
        value, after = read(self._data, at, DEPTH)
        if value is not None and not isinstance(value, bytes):
            raise bad("an octet string is needed", self._data, at)
        return value, after

    def _name(self, at: int) -> tuple[bytes, int]:
        value, after = self._octets(at)
        return value or b"", after

    def _number(self, at: int) -> tuple[int | None, int]:
        value, after = read(self._data, at, DEPTH)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise bad("a number is needed", self._data, at)
        return value, after

    def _list(self, at: int, count: int | None = None) -> tuple[int, int]:
        kind, length, here = head(self._data, at)
        if kind != LIST or length != (length if count is None else count):
            raise bad("a list is needed" if count is None else f"a list of {count} is needed", self._data, at)
        return length, here

    def _time(self, at: int) -> tuple[Time | None, int]:
        data = self._data
        octet = data[at] if at < len(data) else 0
        if octet == 0x01:
            return None, at + 1
        if octet >> 4 == UNSIGNED:
            # The choice around it was forgotten: Holley DTZ541 and others; it is the secIndex they mean.
            seconds, after = self._number(at)
            self._note("sml-time-bare", "a time without its choice: taken for a secIndex", at)
            return Time(TimeKind.SEC_INDEX, seconds or 0), after
        _, here = self._list(at, 2)
        choice, here = self._number(here)
        if choice not in (1, 2, 3):
            raise bad(f"a time of kind {choice}", data, at)
        kind = TimeKind(choice)
        if kind is not TimeKind.LOCAL:
            seconds, after = self._number(here)
            return Time(kind, seconds or 0), after
        _, here = self._list(here, 3)
        parts = []
        for _ in range(3):
            part, here = self._number(here)
            parts.append(part or 0)
        return Time(kind, *parts), here

    def _path(self, at: int) -> tuple[tuple[bytes, ...], int]:
        count, at = self._list(at)
        names = []
        for _ in range(count):
            name, at = self._name(at)
            names.append(name)
        return tuple(names), at

    # ---- lists

    def _entries(self, at: int) -> tuple[tuple[ListEntry, ...], int]:
        count, at = self._list(at)
        found = []
        for _ in range(count):
            entry, at = self._entry(at)
            found.append(entry)
        return tuple(found), at

    def _entry(self, start: int) -> tuple[ListEntry, int]:
        """SML_ListEntry, what a telegram mostly consists of: read in one go, without a call for each field."""
        data = self._data
        try:
            if data[start] != 0x77 or data[start + 1] != 0x07:
                return self._entry_slowly(start)
            at = start + 8
            name = data[start + 2 : at]
            # Status, a number of any size.
            octet = data[at]
            if octet == 0x01:
                status, at = None, at + 1
            else:
                status, at = self._number(at)
            if data[at] == 0x01:
                time, at = None, at + 1
            else:
                time, at = self._time(at)
            if data[at] == 0x62:
                unit, at = data[at + 1], at + 2
            else:
                unit, at = self._number(at)  # type: ignore[assignment]
            if data[at] == 0x52:
                octet = data[at + 1]
                scaler, at = octet - (octet >> 7 << 8), at + 2
            else:
                scaler, at = self._number(at)  # type: ignore[assignment]
            octet = data[at]
            kind, size = octet >> 4, (octet & 15) - 1
            if 0 < size <= 8 and kind in (INTEGER, UNSIGNED):
                here = at + 1
                at = here + size
                if at > len(data):
                    raise ended(data, here)
                value: Node = int.from_bytes(data[here:at], "big", signed=kind == INTEGER)
            else:
                kind, size = 0, 0
                value, at = read(data, at)
            if data[at] == 0x01:
                return ListEntry(name, status, time, unit, scaler, value, None, kind == INTEGER, size), at + 1
        except IndexError:
            raise ended(data, start) from None
        signature, at = self._octets(at)
        return ListEntry(name, status, time, unit, scaler, value, signature, kind == INTEGER, size), at

    def _entry_slowly(self, start: int) -> tuple[ListEntry, int]:
        _, at = self._list(start, 7)
        name, at = self._name(at)
        status, at = self._number(at)
        time, at = self._time(at)
        unit, at = self._number(at)
        scaler, at = self._number(at)
        kind, size, _ = head(self._data, at)
        value, at = read(self._data, at)
        signature, at = self._octets(at)
        if kind not in (INTEGER, UNSIGNED):
            size = 0
        return ListEntry(name, status, time, unit, scaler, value, signature, kind == INTEGER, size), at

    def get_list(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 7)
        client, at = self._octets(at)
        server, at = self._name(at)
        name, at = self._octets(at)
        time, at = self._time(at)
        entries, at = self._entries(at)
        signature, at = self._octets(at)
        gateway, at = self._time(at)
        return GetListResponse(client, server, name, time, entries, signature, gateway), at

    # ---- the others

    def open(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 6)
        codepage, at = self._octets(at)
        client, at = self._octets(at)
        file_id, at = self._octets(at)
        server, at = self._octets(at)
        time, at = self._time(at)
        version, at = self._number(at)
        return OpenResponse(codepage, client, file_id, server, time, version), at

    def close(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 1)
        signature, at = self._octets(at)
        return CloseResponse(signature), at

    def profile_pack(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 8)
        server, at = self._name(at)
        time, at = self._time(at)
        period, at = self._number(at)
        path, at = self._path(at)
        count, at = self._list(at)
        columns = []
        for _ in range(count):
            _, at = self._list(at, 3)
            name, at = self._name(at)
            unit, at = self._number(at)
            scaler, at = self._number(at)
            columns.append(ProfileColumn(name, unit, scaler))
        count, at = self._list(at)
        rows = []
        for _ in range(count):
            row, at = self._period(at)
            rows.append(row)
        raw, at = self._octets(at)
        signature, at = self._octets(at)
        return (
            GetProfilePackResponse(server, time, period or 0, path, tuple(columns), tuple(rows), raw, signature),
            at,
        )

    def _period(self, at: int) -> tuple[Period, int]:
        _, at = self._list(at, 4)
        time, at = self._time(at)
        status, at = self._number(at)
        count, at = self._list(at)
        values = []
        for _ in range(count):
            _, at = self._list(at, 2)
            value, at = read(self._data, at)
            _, at = self._octets(at)
            values.append(value)
        signature, at = self._octets(at)
        return Period(time, status, tuple(values), signature), at

    def profile_list(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 9)
        server, at = self._name(at)
        time, at = self._time(at)
        period, at = self._number(at)
        path, at = self._path(at)
        row_time, at = self._time(at)
        status, at = self._number(at)
        count, at = self._list(at)
        entries = []
        for _ in range(count):
            # SML_PeriodEntry: as SML_ListEntry, without status and time.
            _, at = self._list(at, 5)
            name, at = self._name(at)
            unit, at = self._number(at)
            scaler, at = self._number(at)
            kind, size, _ = head(self._data, at)
            value, at = read(self._data, at)
            signature, at = self._octets(at)
            entries.append(
                ListEntry(
                    name, None, None, unit, scaler, value, signature, kind == INTEGER, size if kind in (5, 6) else 0
                )
            )
        raw, at = self._octets(at)
        signature, at = self._octets(at)
        body = GetProfileListResponse(server, time, period or 0, path, row_time, status, tuple(entries), raw, signature)
        return body, at

    def proc_parameter(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 3)
        server, at = self._name(at)
        path, at = self._path(at)
        tree, at = self._tree(at)
        return GetProcParameterResponse(server, path, tree), at

    def attention(self, at: int) -> tuple[Body, int]:
        _, at = self._list(at, 4)
        server, at = self._name(at)
        code, at = self._name(at)
        text, at = self._octets(at)
        details: Tree | None = None
        if self._data[at : at + 1] == b"\x01":
            at += 1
        else:
            details, at = self._tree(at)
        return AttentionResponse(server, code, None if text is None else text.decode("utf-8", "replace"), details), at

    def _tree(self, at: int, depth: int = 0) -> tuple[Tree, int]:
        if depth == DEPTH:
            raise bad(f"a tree deeper than {DEPTH}", self._data, at)
        _, at = self._list(at, 3)
        name, at = self._name(at)
        value: tuple[int, Node] | None = None
        if self._data[at : at + 1] == b"\x01":
            at += 1
        else:
            _, at = self._list(at, 2)
            choice, at = self._number(at)
            held, at = read(self._data, at)
            value = choice or 0, held
        children = []
        if self._data[at : at + 1] == b"\x01":
            at += 1
        else:
            count, at = self._list(at)
            for _ in range(count):
                child, at = self._tree(at, depth + 1)
                children.append(child)
        return Tree(name, value, tuple(children)), at


_BODIES = {
    OPEN: _Decoder.open,
    CLOSE: _Decoder.close,
    PROFILE_PACK: _Decoder.profile_pack,
    PROFILE_LIST: _Decoder.profile_list,
    PROC_PARAMETER: _Decoder.proc_parameter,
    GET_LIST: _Decoder.get_list,
    ATTENTION: _Decoder.attention,
}
