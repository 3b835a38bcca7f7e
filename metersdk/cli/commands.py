"""The commands about a meter: what can be typed. What they do lies in the modules they name."""

from __future__ import annotations

from typing import Any

import click

from metersdk.cli.declared import OBIS, ChoiceOf, carry_out, talks

_CLASS = click.IntRange(1, 0xFFFF)
_MEMBER = click.IntRange(-128, 127)
_TABLE = click.IntRange(0, 0xFFFF)
_LEVEL = ChoiceOf("metersdk.cli.exposure", "LEVELS")


@click.command()
@click.option("--line-report", is_flag=True, help="Also how the line did, and what it suffers from.")
@talks
def identify(**given: Any) -> Any:
    """Who is there: manufacturer, model, serial number, protocols."""
    return carry_out("reading", "identify", given)


@click.command()
@click.option("--raw", is_flag=True, help="The data block as it came, without STX, ETX and BCC.")
@click.option("--strict", is_flag=True, help="A liberty with the grammar of the data block is an error (exit code 5).")
@talks
def readout(**given: Any) -> Any:
    """The data message of IEC 62056-21, modes A to D."""
    return carry_out("reading", "readout", given)


@click.command()
@talks
@click.argument("codes", metavar="OBIS...", nargs=-1, required=True, type=OBIS)
def read(**given: Any) -> Any:
    """Some registers: value, unit, time, status. Where one is refused the others come nevertheless (exit code 8)."""
    return carry_out("reading", "read", given)


@click.command()
@talks
def registers(**given: Any) -> Any:
    """All registers of the meter."""
    return carry_out("reading", "registers", given)


@click.command()
@click.option("--set", "new", metavar="now|ISO", help="Set the clock, to this computer's or 2026-11-22T15:30+01:00.")
@click.option("--max-drift", type=click.FloatRange(0), metavar="S", help="More seconds off than this: exit code 1.")
@talks
def clock(**given: Any) -> Any:
    """The meter's clock, and how far it is off this computer's."""
    return carry_out("reading", "clock", given)


@click.command()
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many telegrams. [without end; 1 with --json]")
@talks
def listen(**given: Any) -> Any:
    """What a meter sends by itself: SML, mode D, P1, DLMS pushes. Nothing is sent to it."""
    return carry_out("listen", "listen", given)


@click.command()
@click.option("--obis", type=OBIS, help="Which profile. [the first load profile of the meter]")
@click.option("--last", metavar="SPAN", help="90m, 24h, 7d or 4w back from the meter's own clock.")
@click.option("--from", "start", metavar="TIME", help="2026-11-22 or 2026-11-22T15:30+01:00; without zone meter time.")
@click.option("--to", "stop", metavar="TIME", help="Up to and with this time.")
@click.option("--entries", metavar="A-B", help="By number, from 1: 1-96, or 97- to the end.")
@click.option("--columns", metavar="OBIS,...", help="Only these columns.")
@click.option("--chart", "as_chart", is_flag=True, help="Bars in place of rows; of an energy the mean power.")
@click.option("--out", "file", metavar="FILE", type=click.Path(dir_okay=False), help=".csv, .json or .parquet")
@talks
def profile(**given: Any) -> Any:
    """A load profile, billing profile or event log.

    A table on a terminal; CSV into a pipe; a file with --out. Where the meter falls silent amid the rows, those that
    came are kept (exit code 8).
    """
    return carry_out("profile", "profile", given)


@click.command()
@click.option("--log", type=OBIS, help="Which log. [all event logs; over IEC 62056-21 the log book P.98]")
@click.option("--last", metavar="SPAN", help="90m, 24h, 7d or 4w back from the meter's own clock.")
@click.option("--from", "start", metavar="TIME", help="2026-11-22 or 2026-11-22T15:30+01:00; without zone meter time.")
@click.option("--to", "stop", metavar="TIME", help="Up to and with this time.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout.")
@talks
def events(**given: Any) -> Any:
    """The event logs of a meter: when, which code, what it means. Where some came and not all, exit code 8."""
    return carry_out("events", "events", given)


@click.command()
@click.option("--class", "class_id", type=_CLASS, help="Only objects of this class.")
@talks
def objects(**given: Any) -> Any:
    """The objects this client may see, and its rights on them."""
    return carry_out("objects", "objects", given)


@click.command()
@click.option("--raw", is_flag=True, help="The encoded Data in hex, and nothing else.")
@talks
@click.argument("class_id", metavar="CLASS", type=_CLASS)
@click.argument("obis", type=OBIS)
@click.argument("attribute", metavar="ATTR", type=_MEMBER)
def get(**given: Any) -> Any:
    """Read one attribute."""
    return carry_out("objects", "get", given)


@click.command("set")
@click.option("--type", "kind", type=ChoiceOf("metersdk.cli.values", "TYPES"), help="[the type the attribute has now]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.argument("class_id", metavar="CLASS", type=_CLASS)
@click.argument("obis", type=OBIS)
@click.argument("attribute", metavar="ATTR", type=_MEMBER)
@click.argument("value")
def set_(**given: Any) -> Any:
    """Write one attribute. On a terminal it asks first.

    octets and axdr are written in hex, times in ISO 8601; a negative number goes behind --. VALUE - is read from stdin:
    so a new password or key stays off the command line.
    """
    return carry_out("objects", "set_", given)


@click.command()
@click.option("--data", "parameter", metavar="TYPE:VALUE|HEX", help="The parameter: u8:1, or encoded Data in hex.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.argument("class_id", metavar="CLASS", type=_CLASS)
@click.argument("obis", type=OBIS)
@click.argument("method", type=_MEMBER)
def action(**given: Any) -> Any:
    """Invoke a method. On a terminal it asks first."""
    return carry_out("objects", "action", given)


@click.command()
@click.option("--command", metavar="CD", help="Another command than R1, W1, E2: R5, W5, ..")
@click.option("--raw", is_flag=True, help="read: the text as it came, partial blocks joined.")
@click.option("--level", type=click.IntRange(1, 2), help="The password goes as P1 or P2. [by the meter's family]")
@click.option("--algorithm", metavar="NAME", help="What makes P2 of operand and password. [by the meter's family]")
@click.option("--write", "may_write", is_flag=True, help="Allow write and execute.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.argument("what", metavar="read|write|execute", type=click.Choice(("read", "write", "execute")))
@click.argument("words", metavar="ADDRESS...", nargs=-1, required=True)
def programming(**given: Any) -> Any:
    """Programming mode of IEC 62056-21.

    read ADDRESS... takes several, each with data in brackets where it needs some: 'P.01(;)'. write ADDRESS VALUE... and
    execute ADDRESS [VALUE...] want --write, and ask first on a terminal; VALUE - is read from stdin.
    """
    return carry_out("programming", "programming", given)


@click.command()
@click.option("--raw", is_flag=True, help="The octets in hex, and nothing else.")
@click.option("--set", "new", metavar="HEX", help="Write these octets; wants --write. - takes them from stdin.")
@click.option("--offset", type=click.IntRange(0, 0xFFFFFF), help="Write from this octet of the table on.")
@click.option("--write", "may_write", is_flag=True, help="Allow --set.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.argument("number", type=_TABLE)
def table(**given: Any) -> Any:
    """One table of an ANSI C12.19 meter: NUMBER, plus 2048 the manufacturer's own, plus 4096 pending."""
    return carry_out("tables", "table", given)


@click.command()
@click.option("--data", metavar="HEX", default="", help="The parameters; - takes them from stdin.")
@click.option("--manufacturer", is_flag=True, help="A procedure of the manufacturer.")
@click.option("--write", "may_write", is_flag=True, help="Allow what changes the meter.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@talks
@click.argument("name", metavar="NUMBER|NAME")
def procedure(**given: Any) -> Any:
    """Have an ANSI C12.19 meter carry out a procedure, by tables 7 and 8.

    What changes the meter wants --write; what clears data, restarts it or changes its mode must also be named in full:
    cold-start, clear-data, change-mode.
    """
    return carry_out("tables", "procedure", given)


@click.command()
@click.option("--out", "path", metavar="FILE", help="Write it to a file, as JSON.")
@talks
def snapshot(**given: Any) -> Any:
    """All that one visit tells: identity, clock, registers, findings, and the tables of an ANSI meter."""
    return carry_out("tables", "snapshot", given)


@click.command()
@click.option(
    "--fail-on",
    type=_LEVEL,
    default="high",
    show_default=True,
    help="Exit 1 from here on.",
)
@talks
def exposure(**given: Any) -> Any:
    """What the meter shows, and allows, to a client without a password.

    Nothing is written and no password is tried: writing is judged by the rights the meter tells, reading by what it
    answers. Exit codes: 0 nothing as bad as --fail-on, 1 something is.
    """
    return carry_out("exposure", "exposure", given)
