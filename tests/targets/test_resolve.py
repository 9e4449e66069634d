"""What a target may be called, and what is said of everything else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.adapters.openhands.targets import KINDS
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import known_releases
from tailproof.resources import folder
from tailproof.targets.kind import BadTarget, TargetSpec
from tailproof.targets.resolve import resolve
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "is none of executor:reference[:VARIANT], docker:IMAGE"),
        ("1.58.0", "did you mean pypi:1.58.0?"),
        ("http://127.0.0.1:8000", "did you mean url:http://127.0.0.1:8000?"),
        ("tailproof/agent-server", "did you mean docker:tailproof/agent-server?"),
        ("pod:agent", "is none of"),
        ("pypi:", "names nothing behind the colon"),
        ("pypi:latest", "'latest' is not a release"),
        ("pypi:1.58", None),
        ("pypi:../../etc", "is not a release"),
        ("docker:", "names nothing"),
        ("docker:Not An Image", "is not an image reference"),
        ("docker:-v", "is not an image reference"),
        ("src:/nowhere/at/all", "/nowhere/at/all is not a directory"),
        ("url:127.0.0.1:8000", "is not the address of a server"),
        ("url:http://host:port", "is not the address of a server"),
        ("url:ftp://host", "is not the address of a server"),
        ("url:http://host/?key=s3cret-w0rd", "is not the address of a server"),
    ],
)
def test_a_malformed_target_is_said_with_what_would_be_one(spec: str, told: str | None) -> None:
    if told is None:
        assert resolve(spec).spec == spec
        return
    with pytest.raises(BadTarget) as error:
        resolve(spec)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "model_url"),
    [
        ("http://me:s3cret-w0rd@host:8000", None),
        ("http://me:s3cret-w0rd%2F@host", None),
        ("http://me:/s3cret-w0rd@host", None),
        ("http://me:s3cret-w0rd@1@host", None),
        ("me:s3cret-w0rd@host", None),
        ("https://s3cret-w0rd@host", None),
        ("http://host/x?key=s3cret-w0rd@host", None),
        ("http://host", "http://me:s3cret-w0rd@host"),
    ],
)
def test_a_user_or_a_password_in_an_address_is_refused_and_not_repeated(url: str, model_url: str | None) -> None:
    with pytest.raises(BadTarget, match="the variable TAILPROOF_SESSION_KEY") as error:
        resolve(f"url:{url}", model_url=model_url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("key", ["abc", "7", "password", "a b c d e f g h"])
def test_a_key_that_cannot_be_kept_out_of_reports_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILPROOF_SESSION_KEY", key)
    with pytest.raises(BadTarget, match=r"TAILPROOF_SESSION_KEY is (too short|no key)"):
        resolve("url:http://host")
    assert resolve("reference").spec == "reference", "it is for running servers only"


@pytest.mark.parametrize(
    "image",
    ["tailproof/agent-server:1.58.0", "registry.example:5000/a/b:1.2-python", f"name@sha256:{'0' * 64}", "name"],
)
def test_image_references_are_taken_as_they_are(image: str) -> None:
    assert resolve(f"docker:{image}").spec == f"docker:{image}"


def test_newest_is_the_newest_locked_release() -> None:
    target = resolve("pypi:newest")
    assert (target.spec, target.version) == (f"pypi:{known_releases(RELEASES)[-1]}", known_releases(RELEASES)[-1])


def test_the_reference_is_the_release_that_it_says_it_is() -> None:
    """Else the SDK of "its" release would be of another one than the server, and its lists would not be judged."""
    says = "from reference.settings import Settings; print(Settings.of({}).version)"
    ran = subprocess.run(
        [sys.executable, "-c", says], cwd=folder("fixtures"), capture_output=True, text=True, check=True
    )
    assert resolve("reference:silent").version == ran.stdout.strip()
    assert ran.stdout.strip() in known_releases(RELEASES)


def test_a_directory_that_holds_no_server_is_said(tmp_path: Path) -> None:
    target = resolve(f"src:{tmp_path}")
    with pytest.raises(Unavailable, match="neither a virtual environment"):
        target.prepare(Budget(10))


def test_a_model_address_is_for_running_servers_only() -> None:
    with pytest.raises(BadTarget, match="url: targets only"):
        resolve("pypi:1.58.0", model_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize(("model_url", "capabilities"), [(None, set()), ("http://10.0.0.1:1/v1", {"model"})])
def test_a_running_server_takes_what_the_wire_can_do(model_url: str | None, capabilities: set[str]) -> None:
    target = resolve("url:http://127.0.0.1:8000", model_url=model_url)
    assert target.capabilities == capabilities


def test_a_running_server_that_nobody_runs_is_said() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = resolve(f"url:http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(TargetError, match="nobody answers at 127"):
            target.prepare(Budget(10))


@pytest.mark.parametrize(("word", "what"), [("docker", "example/image:1"), ("url", "http://127.0.0.1:1")])
def test_a_target_keeps_the_word_it_was_asked_for_by(word: str, what: str) -> None:
    """The trial resolves it again, in another process: under another word it would speak another protocol."""
    asked = TargetSpec(spec=f"of-somebody-else:{what}", what=what, adapter=OpenHands())
    assert KINDS[word].make(asked).spec == asked.spec
