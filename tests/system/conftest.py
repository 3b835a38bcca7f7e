"""The rig of whole sessions, as a fixture."""

from __future__ import annotations

import pytest

from session_rig import Rig


@pytest.fixture
def rig() -> type[Rig]:
    return Rig
