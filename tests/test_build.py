"""setup.py builds the kernel, goes without, or fails, as METERSDK_BUILD says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAY = "import metersdk.fast as fast; print(fast.IMPL, fast.crc16(b'123456789'))"

pytest.importorskip("setuptools", minversion="77", reason="the build needs setuptools 77")
pytest.importorskip("cffi", reason="the build needs cffi")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a build needs, without anything built."""
    copy = tmp_path / "metersdk-src"
    skip = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "bin", "test_csrc", "*.o")
    for name in ("metersdk", "csrc"):
        shutil.copytree(ROOT / name, copy / name, ignore=skip)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "tests").mkdir()
    shutil.copy(__file__, copy / "tests" / "test_build.py")
    return copy


def setup(tree: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("METERSDK_") and key != "PYTHONPATH"}
    arguments = [sys.executable, "setup.py", "-q", *command.split()]
    return subprocess.run(
        arguments, cwd=tree, env=clean | environment, capture_output=True, text=True, check=False, timeout=300
    )


def say(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("METERSDK_IMPL", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-c", SAY], cwd=tree, env=clean | environment, capture_output=True, text=True, check=False
    )


def test_skip_makes_a_pure_package(tree: Path) -> None:
    assert setup(tree, "build_ext --inplace", METERSDK_BUILD="skip").returncode == 0
    assert not list(tree.rglob("_kernel*"))
    assert say(tree).stdout == "python 36974\n"
    wheel = setup(tree, "bdist_wheel", METERSDK_BUILD="skip")
    assert wheel.returncode == 0, wheel.stderr
    assert [path.name for path in (tree / "dist").iterdir()] == ["metersdk-0.1.0-py3-none-any.whl"]
    with zipfile.ZipFile(tree / "dist" / "metersdk-0.1.0-py3-none-any.whl") as packed:
        inside = packed.namelist()
    for folder in ("metersdk/simulator/images", "metersdk/vendor/families"):
        here = {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.toml")}
        assert here and here <= set(inside)


@pytest.mark.skipif(sys.platform == "win32", reason="CC has no say there")
def test_auto_without_a_compiler_says_so_and_goes_on(tree: Path) -> None:
    build = setup(tree, "build_ext --inplace", CC="/bin/false")
    assert build.returncode == 0
    assert "metersdk: no working C compiler" in build.stderr
    assert not list(tree.rglob("_kernel*"))
    assert say(tree).stdout == "python 36974\n"
    assert "METERSDK_IMPL=c, but the C kernel cannot be imported" in say(tree, METERSDK_IMPL="c").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="CC has no say there")
def test_require_without_a_compiler_fails(tree: Path) -> None:
    build = setup(tree, "build_ext --inplace", METERSDK_BUILD="require", CC="/bin/false")
    assert build.returncode != 0
    assert not list((tree / "metersdk").glob("_kernel*"))


def test_a_mode_that_does_not_exist(tree: Path) -> None:
    build = setup(tree, "build_ext", METERSDK_BUILD="maybe")
    assert build.returncode != 0
    assert "METERSDK_BUILD=maybe: it is auto, require or skip" in build.stderr


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="no C compiler here")
def test_require_builds_one_wheel_for_all_versions(tree: Path) -> None:
    wheel = setup(tree, "bdist_wheel", METERSDK_BUILD="require")
    assert wheel.returncode == 0, wheel.stderr
    (name,) = [path.name for path in (tree / "dist").iterdir()]
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert ("-abi3-" in name) is not free_threaded
    target = tree / "unpacked"
    shutil.unpack_archive(tree / "dist" / name, target, "zip")
    assert say(target).stdout == "c 36974\n"
    # What the compiler says about our own sources is listened to.
    assert not re.search(r"csrc/\w+\.[ch]:\d+.*warning", wheel.stderr), wheel.stderr


def test_the_source_archive_holds_the_kernel_even_without_a_compiler(tree: Path) -> None:
    build = setup(tree, "sdist", CC="/bin/false")
    assert build.returncode == 0, build.stderr
    (archive,) = (tree / "dist").iterdir()
    # Python 3.14 asks for a filter; 3.11 knows it from 3.11.4 on.
    kept = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    shutil.unpack_archive(archive, tree / "unpacked", **kept)
    (top,) = (tree / "unpacked").iterdir()
    shipped = {path.name for path in (top / "csrc").iterdir()}
    assert {path.name for path in (ROOT / "csrc").glob("*.[ch]")} - {"test_csrc.c"} <= shipped
    assert "build_ffi.py" in shipped
    assert {"LICENSE", "README.md"} <= {path.name for path in top.iterdir()} and not (top / "tests").exists()
