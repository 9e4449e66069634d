"""The server of Toxiproxy: what is missing, and how to get it, is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailproof.provision import toxiproxy
from tailproof.provision.errors import Unavailable
from tailproof.waiting import Budget


def test_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv(toxiproxy.VARIABLE, raising=False)
    said = toxiproxy.available()
    assert said is not None
    assert "go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0" in said
    assert "needs a Go toolchain" in said
    with pytest.raises(Unavailable, match="needs a Go toolchain"):
        toxiproxy.build(Budget(10))
    monkeypatch.setenv(toxiproxy.VARIABLE, str(tmp_path / "none"))
    assert toxiproxy.available() == f"{toxiproxy.VARIABLE} names {tmp_path}/none, which cannot be executed"
