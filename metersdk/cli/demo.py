"""demo: a simulated meter on a pseudo terminal, at real speed, read through the real serial stack."""

from __future__ import annotations

from pathlib import Path

import click

from metersdk.cli.demo_show import Show
from metersdk.cli.demo_tours import TOURS
from metersdk.cli.output import Output, pairs, program
from metersdk.cli.speech import speaks
from metersdk.simulator.server import Simulator


@click.command()
@click.option(
    "--meter",
    "kind",
    type=click.Choice(tuple(TOURS)),
    default="mode-e",
    show_default=True,
    help="classic: mode C, profile as text; battery: woken up, 300 Bd; sml: it speaks by itself.",
)
@click.option("--out", "folder", type=click.Path(file_okay=False), default="demo-out", show_default=True, metavar="DIR")
@click.option("--speed", type=click.Choice(("real", "fast")), default="real", help="fast: octets take no time.")
@speaks
def demo(out: Output, kind: str, folder: str, speed: str) -> None:
    """A tour: a simulated meter, read at real speed.

    A household meter on a pseudo terminal is signed on at 300 Bd and read through the serial stack, in ten seconds.
    Leaves the recorded session.jsonl in DIR, and profile.csv where the meter has a load profile.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    show, tour = Show(out), TOURS[kind]
    session, csv = place / "session.jsonl", place / "profile.csv"
    with Simulator(tour.image, [tour.listen], pace=speed == "real") as simulator:
        target = simulator.targets[0]
        show.head(tour.title)
        show.step("Simulated meter", f"{target}, octets at {'their real speed' if speed == 'real' else 'full speed'}")
        home = tour.read(show, target, session)
    files = {"session": str(session)}
    if home is not None:
        home.to_csv(csv)
        files = {"profile": str(csv), **files}
    if not out.is_text:
        count = 0 if home is None else len(home)
        out.one(target, "demo", {"steps": show.steps, "rows": count, "files": files, "seconds": round(show.total, 2)})
        return
    show.head(f"All done in {show.total:.1f} s")
    out.show(
        pairs(
            (
                *(((" Load profile", f"{csv}"),) if home is not None else ()),
                (" Recorded session", f"{session}"),
                (" Look at it", f"{program()} trace {session}"),
                (" Play with it", f"{program()} simulate --listen pty --listen tcp://127.0.0.1:4059"),
            )
        )
    )
