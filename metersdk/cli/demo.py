"""demo: a simulated meter on a pseudo terminal, at real speed, read through the real serial stack."""

from __future__ import annotations

from pathlib import Path

from metersdk.cli.demo_show import Show
from metersdk.cli.demo_tours import TOURS
from metersdk.cli.output import Output, pairs, program
from metersdk.simulator.server import Simulator

_NETWORK = "--listen tcp://127.0.0.1:4059"


def demo(out: Output, kind: str, folder: str, speed: str) -> None:
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
                (" Play with it", f"{program()} simulate --image {tour.image} --listen {tour.listen} {_NETWORK}"),
            )
        )
    )
