"""The hot loops: the C kernel, or its Python twin with the same contract.

``METERSDK_IMPL=c|python`` chooses; asked for and missing is an ImportError. Unset: C if it was built. ``IMPL`` says
which one is in use.
"""

from __future__ import annotations

import os

IMPL = os.environ.get("METERSDK_IMPL", "")

if IMPL not in ("", "c", "python"):
    raise ImportError(f"METERSDK_IMPL={IMPL}: it is c or python")
if IMPL != "python":
    try:
        import metersdk._kernel  # noqa: F401
    except ImportError as reason:
        if IMPL == "c":
            raise ImportError(f"METERSDK_IMPL=c, but the C kernel cannot be imported: {reason}") from reason
        IMPL = "python"
    else:
        IMPL = "c"

# The A-XDR names come from native_axdr and pure_axdr, in the same two branches.
if IMPL == "c":
    from metersdk.fast.native import Reason, bcc, crc16, parity_add, parity_strip, scan_c1218, scan_hdlc, scan_iec
    from metersdk.fast.native_c1219 import read_blocks
    from metersdk.fast.native_dataset import data_sets
else:
    from metersdk.fast.pure import Reason, bcc, crc16, parity_add, parity_strip, scan_c1218, scan_hdlc, scan_iec
    from metersdk.fast.pure_c1219 import read_blocks
    from metersdk.fast.pure_dataset import data_sets

__all__ = [
    "IMPL",
    "Reason",
    "bcc",
    "crc16",
    "data_sets",
    "parity_add",
    "parity_strip",
    "read_blocks",
    "scan_c1218",
    "scan_hdlc",
    "scan_iec",
]
