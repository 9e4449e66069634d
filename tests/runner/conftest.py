"""One check of the reference server that many tests look at."""

from __future__ import annotations

import pytest
from checks import ASKED_FOR, Checked, tailproof


@pytest.fixture(scope="session")
def reference_check(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A part of the gate on the honest server with the plain client, one trial at a time. `python -m bench.variants` plays that server in
    every situation of a variant."""
    out = tmp_path_factory.mktemp("reference")
    wanted = [word for name in ASKED_FOR for word in ("--scenario", name)]
    return tailproof("check", "reference", "--client", "plain", *wanted, "--out", str(out))
