"""The commands about ports, files and simulated meters: what can be typed. ``carry_out`` names what they do."""

from __future__ import annotations

from typing import Any

import click

from metersdk.cli.declared import ChoiceOf, carry_out, speaks

_KIND = click.Choice(("hdlc", "iec62056-21", "c1218", "sml"))


class _Simulate(click.Command):
    """Its help names what is simulated, and what may be wrong with it."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from metersdk.cli.simulate import EPILOG

        self.epilog = EPILOG
        super().format_epilog(ctx, formatter)


@click.command()
@speaks
def ports(**given: Any) -> Any:
    """The serial ports of this computer: stable name, driver, chip, and who has them open. None: exit code 1."""
    return carry_out("ports", "ports", given)


@click.command()
@click.argument("device", required=False)
@click.option("--idle", type=click.FloatRange(0, 3600), default=3.0, metavar="S", help="Seconds to listen. [3]")
@click.option("--paper", is_flag=True, help="The probe lies on white paper: does its light come back?")
@click.option("--no-send", is_flag=True, help="Send nothing, not even six octets to see whether they come back.")
@click.option("--wait", type=click.FloatRange(0), metavar="S", help="Wait so long for a probe that is unplugged.")
@click.option("--live", is_flag=True, help="DEVICE is a target: run one session with its meter, and judge the line.")
@click.option("--fix", is_flag=True, help="Show what mends the findings, and do what this user may.")
@click.option("--yes", is_flag=True, help="With --fix: do it without asking. With --paper: it lies there already.")
@click.option(
    "--rules", metavar="FILE", default="70-metersdk-probe.rules", show_default=True, help="With --fix: udev rules."
)
@speaks
def doctor(**given: Any) -> Any:
    """Check a port, or without DEVICE all of them unopened; say what is wrong, and what mends it.

    Exit codes: 0 all is well, 1 a finding, 3 DEVICE cannot be opened, 9 it is in use.
    """
    return carry_out("doctor", "doctor", given)


@click.command()
@click.argument("target")
@click.option(
    "--for", "seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="End after so many seconds."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many bursts.")
@click.option("--trace", metavar="FILE", help="Record what is heard; passwords are masked.")
@speaks
def watch(**given: Any) -> Any:
    """Warn of all traffic on a line with no session of ours. Nothing is sent; Ctrl-C ends it.

    Exit code 1 where there was any.
    """
    return carry_out("watch", "watch", given)


@click.group()
def line() -> None:
    """What earlier sessions taught: the moment to change the speed, the speeds that hold, the length of frames."""


@line.command()
@click.argument("target", required=False)
@speaks
def show(**given: Any) -> Any:
    """What is remembered, of all probes and meters or of those at TARGET."""
    return carry_out("line", "show", given)


@line.command()
@click.argument("target", required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@speaks
def forget(**given: Any) -> Any:
    """Forget what is remembered, all of it or what concerns TARGET."""
    return carry_out("line", "forget", given)


@click.command()
@click.argument("name", required=False)
@click.option("--check", "file", type=click.Path(), metavar="FILE", help="Carry out the vectors of a file of your own.")
@speaks
def vendors(**given: Any) -> Any:
    """Meter families: how each is recognised, and what differs from the standard. Exit code 1 where a vector fails."""
    return carry_out("vendors", "vendors", given)


@click.command()
@click.argument("file", type=click.Path())
@click.option("--kind", required=True, type=_KIND, help="What it holds.")
@click.option("--hex", "is_hex", is_flag=True, help="The file is hexadecimal text.")
@click.option("--all", "everything", is_flag=True, help="List good frames too.")
@speaks
def scan(**given: Any) -> Any:
    """Find and prove every frame of a capture; FILE - is stdin. Exit code 1 where frames are damaged, or none found."""
    return carry_out("scan", "scan", given)


@click.command()
@click.argument("source", nargs=-1)
@click.option("--as", "kind", type=ChoiceOf("metersdk.cli.trace", "KINDS"), help="What it is. [by its first octets]")
@click.option("--key-file", metavar="FILE", help="TOML file with keys and titles, to decipher.")
@click.option("--all", "everything", is_flag=True, help="Show every value of long arrays.")
@speaks
def trace(**given: Any) -> Any:
    """Decode a session or octets, layer by layer.

    The layers: line, frame, ciphering, APDU, values. SOURCE is a file (session.jsonl, hexadecimal text or raw octets),
    octets in hexadecimal, or - for stdin. Exit code 1 where something could not be decoded.
    """
    return carry_out("trace", "trace", given)


@click.command(cls=_Simulate)
@click.option("--image", "images", multiple=True, default=("residential",), help="A built-in image, or a TOML file.")
@click.option(
    "--listen",
    multiple=True,
    default=("pty",),
    metavar="PLACE",
    help="pty, tcp://127.0.0.1:4059, udp://..., rfc2217://...; port 0 takes a free one. Keys as in ?mode=C.",
)
@click.option("--framing", type=click.Choice(("wrapper", "hdlc")), help="What TCP carries. [wrapper]")
@click.option("--fault", "faults", multiple=True, metavar="NAME[=VALUE]", help="What is wrong; see below.")
@click.option("--count", type=click.IntRange(1, 10_000), default=1, help="So many meters of each image.")
@click.option("--no-pace", is_flag=True, help="Octets take no time on a line.")
@click.option("--for", "seconds", type=click.FloatRange(0), metavar="S", help="End after so many seconds.")
@speaks
def simulate(**given: Any) -> Any:
    """Simulated meters that can be read by anything. Ctrl-C ends them."""
    return carry_out("simulate", "simulate", given)


@click.command()
@click.option(
    "--meter",
    "kind",
    type=ChoiceOf("metersdk.cli.demo_tours", "TOURS"),
    default="mode-e",
    show_default=True,
    help="classic: mode C, profile as text; battery: woken up, 300 Bd; sml: it speaks by itself; ansi: C12.18.",
)
@click.option("--out", "folder", type=click.Path(file_okay=False), default="demo-out", show_default=True, metavar="DIR")
@click.option("--speed", type=click.Choice(("real", "fast")), default="real", help="fast: octets take no time.")
@speaks
def demo(**given: Any) -> Any:
    """A tour: a simulated meter, read at real speed.

    A household meter on a pseudo terminal is signed on at 300 Bd and read through the serial stack, in ten seconds.
    Leaves the recorded session.jsonl in DIR, and profile.csv where the meter has a load profile.
    """
    return carry_out("demo", "demo", given)
