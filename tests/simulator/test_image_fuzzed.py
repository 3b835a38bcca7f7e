"""What the fuzzer found in images: each once more."""

from __future__ import annotations

import pytest

from metersdk.errors import LocalProtocolError
from metersdk.simulator.image import Image


def test_brackets_without_end() -> None:
    with pytest.raises(LocalProtocolError, match="no TOML"):
        Image.parse("a = " + "[" * 20_000)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(LocalProtocolError, match="cannot be read"):
        Image.load("a\0b")
