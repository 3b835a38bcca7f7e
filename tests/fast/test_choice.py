"""METERSDK_IMPL chooses the kernel, and what cannot be had is said."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

BUILT = importlib.util.find_spec("metersdk._kernel") is not None
NO_KERNEL = "import sys; sys.modules['metersdk._kernel'] = None; "
SAY = "from metersdk import fast; print(fast.IMPL, fast.crc16(b'123456789'), fast.crc16.__module__)"


def run(code: str, choice: str | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "METERSDK_IMPL"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if choice is not None:
        environment["METERSDK_IMPL"] = choice
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not BUILT, reason="the C kernel is not built")
@pytest.mark.parametrize("choice", [None, "", "c"])
def test_c_when_it_was_built(choice: str | None) -> None:
    result = run(SAY, choice)
    assert (result.stdout, result.stderr) == ("c 36974 metersdk.fast.native\n", "")


def test_python_when_asked_for() -> None:
    result = run(SAY + "; import sys; assert 'metersdk._kernel' not in sys.modules", "python")
    assert (result.stdout, result.stderr) == ("python 36974 metersdk.fast.pure\n", "")


def test_python_in_silence_when_there_is_no_kernel() -> None:
    result = run(NO_KERNEL + SAY, None)
    assert (result.stdout, result.stderr) == ("python 36974 metersdk.fast.pure\n", "")


def test_c_asked_for_and_missing() -> None:
    result = run(NO_KERNEL + SAY, "c")
    assert result.returncode == 1
    assert "ImportError: METERSDK_IMPL=c, but the C kernel cannot be imported: " in result.stderr
    assert "metersdk._kernel" in result.stderr.splitlines()[-1]


def test_a_choice_that_does_not_exist() -> None:
    result = run(SAY, "rust")
    assert "ImportError: METERSDK_IMPL=rust: it is c or python" in result.stderr
