"""programming: registers of a meter in programming mode of IEC 62056-21, read, written, executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

from metersdk.apdu.dataset import DataSet
from metersdk.apdu.keys import Secret
from metersdk.cli.data_sets import fields
from metersdk.cli.options import Connection
from metersdk.cli.output import describe, grid
from metersdk.cli.secrets import password
from metersdk.cli.speech import ask
from metersdk.errors import LocalProtocolError, MeterReportedError
from metersdk.meter import Programming

_What = Literal["read", "write", "execute"]
_PARTIAL = 8


def programming(
    connection: Connection,
    command: str | None,
    raw: bool,
    level: int | None,
    algorithm: str | None,
    may_write: bool,
    yes: bool,
    what: _What,
    words: tuple[str, ...],
) -> int:
    if raw and what != "read":
        raise LocalProtocolError("--raw is for read")
    if raw:
        connection.out.refuse_json("--raw")
    address, *values = words
    if what == "write" and not values:
        raise LocalProtocolError("write needs an address and a value")
    if what != "read":
        if not may_write:
            raise LocalProtocolError(f"{what} changes the meter", hint="say so with --write")
        ask(f"{what.capitalize()} {address}?", yes)
    hidden = "-" in values
    # What does not stand on the command line stays out of a trace, too.
    given = [Secret(sys.stdin.readline().rstrip("\r\n")) if value == "-" else value for value in values]
    secret = password(connection.password_from) if connection.password_from is not None else None
    # The password is that of P1 or P2; to DLMS it means nothing.
    plain = replace(connection, protocol="iec62056-21", password_from=None)
    kind = cast(Literal[1, 2] | None, level)
    with (
        plain.open() as meter,
        meter.programming(password=secret, level=kind, algorithm=algorithm, write=may_write) as session,
    ):
        if what == "read":
            return _read(connection, session, words, command or "R1", raw)
        if what == "write":
            session.write(address, given, command=command or "W1")
            told: Sequence[DataSet] = ()
        else:
            told = session.execute(address, given or "", command=command or "E2")
    out = connection.out
    if out.is_text:
        out.say(f"{address}: {'written' if what == 'write' else 'done'}")
        _show(connection, [(address, one) for one in told])
    else:
        shown: dict[str, object] = {} if hidden else {"values": values}
        kind_of = "written" if what == "write" else "done"
        out.one(connection.name, kind_of, {"address": address, **shown, "answer": list(map(fields, told))})
    return 0


def _read(connection: Connection, session: Programming, words: Sequence[str], command: str, raw: bool) -> int:
    """Some registers; where one is refused the others come nevertheless."""
    out = connection.out
    found: list[tuple[str, DataSet]] = []
    refused: list[tuple[str, MeterReportedError]] = []
    for word in words:
        address, data = _parts(word)
        try:
            if raw:
                sys.stdout.write(session.read_blocks(address, data, command=command).decode("latin-1") + "\n")
                continue
            found += [(address, one) for one in session.read(address, data, command=command)]
        except MeterReportedError as error:
            # A meter that signed off says no more.
            if len(words) == 1 or error.code.startswith("B"):
                raise
            refused.append((address, error))
    if out.is_text:
        _show(connection, found)
        for address, why in refused:
            out.say(f"refused: {address}: {why.code}", "red")
    elif not raw:
        rows = [fields(one, address) for address, one in found]
        more = {"refused": [{"address": address, "error": describe(why)} for address, why in refused]}
        out.records("data_set", "data_sets", rows, target=connection.name, **more)
        if out.mode == "jsonl":
            for address, why in refused:
                out.record("refused", address=address, error=describe(why))
    if refused:
        return _PARTIAL if found else refused[0][1].exit_code
    return 0


def _parts(word: str) -> tuple[str, list[str]]:
    """``P.01(a)(b)`` -> address and the values of its brackets."""
    address, opening, rest = word.partition("(")
    if opening and not rest.endswith(")"):
        raise LocalProtocolError(f"{word}: a bracket is not closed")
    return address, rest[:-1].split(")(") if opening else [""]


def _show(connection: Connection, found: Sequence[tuple[str, DataSet]]) -> None:
    if found:
        rows = [[one.address or asked, " ".join(f"({value})" for value in one.values)] for asked, one in found]
        connection.out.show(grid(connection.out.data, ("Address", "Values"), rows))
