"""The command line; ``main`` is the console script ``metersdk``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command of ``sys.argv`` and give its exit code (docs/cli.md); 2 where click or rich is not installed."""
    try:
        from metersdk.cli.app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(f'{missing.name} is not installed; the command line needs it: pip install "metersdk[cli]"\n')
        return 2
    return run(sys.argv[1:])
