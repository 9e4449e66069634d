"""One check of the reference server that many tests look at."""

from __future__ import annotations

import pytest
from checks import Checked, tailproof


@pytest.fixture(scope="session")
def reference_check(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """The gate tier on the honest server with the plain client, one trial at a time."""
    out = tmp_path_factory.mktemp("reference")
    return tailproof("check", "reference", "--client", "plain", "--out", str(out))
