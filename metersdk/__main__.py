"""``python -m metersdk``: the command line."""

from __future__ import annotations

from metersdk.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
