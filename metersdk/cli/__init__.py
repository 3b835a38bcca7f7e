"""The command line; ``main`` is the console script ``metersdk``."""

from __future__ import annotations

import sys

from metersdk.cli.stopping import leave_at_once, stay


def main() -> int:
    """Run the command of ``sys.argv`` and give its exit code (docs/cli.md); 2 where click or rich is not installed.

    For a process of its own: signals that come once the command has ended are ignored.
    """
    leave_at_once()
    try:
        from metersdk.cli.app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(f'{missing.name} is not installed; the command line needs it: pip install "metersdk[cli]"\n')
        return 2
    code = run(sys.argv[1:])
    stay()
    return code
