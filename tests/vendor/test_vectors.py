"""Every family that is built in, against its own vectors; each fact says how sure it is, and where it is from."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

import pytest

from metersdk.cli.vendor_check import check
from metersdk.vendor.book import BUILT_IN, Book, load
from metersdk.vendor.family import Family, IdentificationVector


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("METERSDK_VENDORS", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


NAMES = sorted(
    file.name.removesuffix(".toml") for file in resources.files(BUILT_IN).iterdir() if file.name.endswith(".toml")
)


def family(name: str) -> tuple[Family, Book]:
    book = load()
    return book.family(name), book


@pytest.mark.parametrize("name", NAMES)
def test_vectors_of_a_family(name: str) -> None:
    assert list(check(*family(name))) == []


def test_every_file_is_a_family() -> None:
    assert len(NAMES) >= 25
    assert sorted(load().families) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_family_that_changes_the_sign_on_proves_it(name: str) -> None:
    """What is sent, and when, is a matter of octets: a transcript says it, not a switch."""
    found, _ = family(name)
    opening = {
        "request_start",
        "request_end",
        "wake_up",
        "wake_up_octets",
        "initial_baud",
        "baud_characters",
        "max_baud",
    }
    if opening & set(found.differs) and found.said.supported:
        assert any(vector.kind in ("sign-on", "programming") for vector in found.said.vectors)


def test_no_identification_is_claimed_twice() -> None:
    book = load()
    for each in book.families.values():
        for vector in each.said.vectors:
            if isinstance(vector, IdentificationVector):
                claims = [other.name for other in book.families.values() if other.length(vector.line)]
                assert claims == [each.name], vector.line


def test_importing_reads_no_vendor_data() -> None:
    code = "import metersdk, metersdk.meter\nfrom metersdk.vendor.book import _load\nprint(_load.cache_info().currsize)"
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "0"
