"""Which client a word means, what is wrong with a wrong one, and that all that is needed is built side by side and once."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.recipes import RELEASES, SDK, SERVER
from tailproof.clients.kind import BadClient
from tailproof.clients.spec import prepare, resolved
from tailproof.extensions import table
from tailproof.provision import environments
from tailproof.provision.environments import environment
from tailproof.provision.errors import Unavailable
from tailproof.provision.installations import installation_of
from tailproof.provision.locks import known_releases
from tailproof.waiting import Budget
from tests.clients.conftest import NEWEST

NAMED = "1.2.3"


@pytest.mark.parametrize(
    ("asked", "target", "version", "means"),
    [
        pytest.param("", f"pypi:{NAMED}", NAMED, f"sdk:{NAMED}", id="nothing-asked"),
        pytest.param("", "reference:late", NEWEST, "reference", id="nothing-asked-of-the-reference"),
        pytest.param("", "url:http://127.0.0.1:1", "", "plain", id="nothing-asked-of-an-unknown-release"),
        pytest.param("sdk", f"docker:agent:{NAMED}", NAMED, f"sdk:{NAMED}", id="the-release-of-the-target"),
        pytest.param("sdk", "reference", NEWEST, f"sdk:{NEWEST}", id="the-release-that-the-reference-plays"),
        pytest.param("sdk:newest", f"pypi:{NAMED}", NAMED, f"sdk:{known_releases(RELEASES)[-1]}", id="newest"),
        pytest.param("sdk:1.7.0", f"pypi:{NAMED}", NAMED, "sdk:1.7.0", id="another-release"),
        pytest.param("reference:silent", f"pypi:{NAMED}", NAMED, "reference:silent", id="a-variant"),
        pytest.param("plain", f"pypi:{NAMED}", NAMED, "plain", id="plain"),
        pytest.param(f"script:{__file__}", f"pypi:{NAMED}", NAMED, f"script:{__file__}", id="a-script"),
    ],
)
def test_a_spec_means_one_client(asked: str, target: str, version: str, means: str) -> None:
    assert resolved(asked, target=target, version=version, adapter=OpenHands()) == means


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("curl", r"there is no client 'curl'; there are plain, .*script:FILE, sdk:VERSION, src:DIR"),
        ("sdk:", r"client 'sdk:' names nothing behind the colon: sdk:VERSION"),
        ("sdk:latest", r"'latest' is not a release: sdk:VERSION, for example sdk:"),
        ("sdk", r"the release of url:http://127\.0\.0\.1:1 is not known before it runs: name the client, sdk:VERSION"),
        ("src", r"src names no directory: src:DIR"),
        ("src:/nowhere/at/all", r"/nowhere/at/all is not a directory: src:DIR"),
        (f"src:{Path(__file__).parent}", r"is neither a virtual environment .* nor a checkout .* openhands-sdk"),
        ("plain:1", r"the plain client takes nothing behind a colon"),
        *((word, rf"{word}.*:") for word in table("clients") if word in ("ts", "script")),
        ("script:nowhere.py", r"nowhere\.py"),
    ],
)
def test_a_wrong_spec_is_said_in_one_sentence(asked: str, says: str) -> None:
    with pytest.raises(BadClient, match=says) as bad:
        resolved(asked, target="url:http://127.0.0.1:1", version="", adapter=OpenHands())
    assert "\n" not in str(bad.value)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Releases 0.0.1 and 0.0.2 in a cache of their own, with one package that needs no index; gives what is built."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    locks = tmp_path / "cache" / "locks"
    locks.mkdir(parents=True)
    for version in ("0.0.1", "0.0.2"):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (locks / f"{version}.txt").write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    built: list[str] = []
    build = environments._build

    def counted(lock: environments.Lock, *rest: object) -> None:
        built.append(lock.version)
        build(lock, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(environments, "_build", counted)
    return built


def test_what_several_clients_need_is_built_once(tiny: list[str]) -> None:
    specs = ["sdk:0.0.1", "plain", "sdk:0.0.2", "sdk:0.0.1", "reference"]
    prepare(specs, Budget(120))
    assert sorted(tiny) == ["0.0.1", "0.0.2"]
    prepare(specs, Budget(120))
    assert len(tiny) == 2


def test_one_that_cannot_be_had_does_not_keep_the_others_from_being_built(tiny: list[str]) -> None:
    broken = environments.cache() / "locks" / "0.0.3.txt"
    broken.write_text("tiny @ file:///nowhere/tiny-1.0-py3-none-any.whl --hash=sha256:00\n")
    with pytest.raises(Unavailable, match=r"installing release 0\.0\.3 failed"):
        prepare(["sdk:0.0.3", "sdk:0.0.1"], Budget(120))
    assert "0.0.1" in tiny
    assert environment(RELEASES, "0.0.1", Budget(0)).interpreter.exists()


def test_an_environment_without_the_sdk_is_said_in_one_sentence(tiny: list[str]) -> None:
    place = environment(RELEASES, "0.0.1", Budget(120)).directory
    assert resolved(f"src:{place}", target="reference", version=NEWEST, adapter=OpenHands()) == f"src:{place}"
    with pytest.raises(Unavailable, match="holds no openhands-sdk: install it there"):
        prepare([f"src:{place}"], Budget(60))


@pytest.mark.release
def test_an_environment_of_the_user_holds_server_and_client() -> None:
    built = environment(RELEASES, NEWEST, Budget(600))
    prepare([f"src:{built.directory}"], Budget(60))
    for package in (SDK, SERVER):
        installed = installation_of(RELEASES, package, built.directory, Budget(60))
        assert (installed.version, installed.interpreter) == (NEWEST, built.interpreter)
