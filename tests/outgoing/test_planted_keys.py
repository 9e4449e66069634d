"""Keys planted in real trials: a server that knows one tells it in every form and place, and nothing that a check leaves holds it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from secret_forms import FORMS

from tailproof.waiting import Budget

KEY = "s3s/Sion+k3y=" + "0aC9~xQ7"
PASSWORD = "pl4nted-p@ss/word"
SERVER = Path(__file__).with_name("telling_server.py")
PIECE = 16
"""Half of the key or more of it gives it away."""
CHECK_S = 300


@pytest.mark.parametrize("place", ["what it says", "ids", "errors", "refusal"])
def test_a_key_that_a_server_tells_stands_nowhere(tmp_path: Path, place: str) -> None:
    with telling(place, tmp_path) as port:
        said = check(tmp_path, f"url:http://127.0.0.1:{port}", "--model-url", f"http://127.0.0.1:{free_port()}")
    left = {"standard output": said.stdout, "standard error": said.stderr, **files(tmp_path / "out")}
    assert any(name.endswith("client.jsonl") or name.endswith("wire.jsonl") for name in left), "no trial was made"
    assert any(name.endswith("junit.xml") for name in left)
    assert any(name.endswith("-result.json") for name in left), "Allure wrote nothing"
    assert told(left, KEY) == []
    assert any("<secret:session key>" in text for text in left.values()), "nobody told the key"


@pytest.mark.parametrize(
    "arguments",
    [
        (f"url:http://me:{PASSWORD}@127.0.0.1:9",),
        ("url:http://127.0.0.1:9", "--model-url", f"http://me:{PASSWORD}@127.0.0.1:9"),
        ("reference", "--seed", f"http://me:{PASSWORD}@127.0.0.1:9"),
        ("reference", "--baseline", f"http://me:{PASSWORD}@127.0.0.1:9"),
        ("reference", "--scenario", f"tier:http://me:{PASSWORD}@127.0.0.1:9"),
        ("reference", "--client", f"http://me:{PASSWORD}@127.0.0.1:9"),
    ],
    ids=["target", "model", "a number", "a file", "a tier", "a client"],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = check(tmp_path, *arguments)
    assert said.returncode == 64
    assert "@127.0.0.1:9" in said.stderr
    assert "Traceback" not in said.stderr
    assert told({"": said.stdout + said.stderr, **files(tmp_path / "out")}, PASSWORD) == []


def test_a_key_that_cannot_be_masked_is_refused(tmp_path: Path) -> None:
    said = check(tmp_path, "url:http://127.0.0.1:9", "--model-url", "http://127.0.0.1:9", key="abc")
    assert said.returncode == 64
    assert "TAILPROOF_SESSION_KEY is too short" in said.stderr
    assert "Traceback" not in said.stderr


def check(place: Path, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    """`tailproof check`, as a user calls it, with the results below `place`."""
    files = (
        "--out",
        str(place / "out"),
        "--junit",
        str(place / "out" / "junit.xml"),
        "--alluredir",
        str(place / "out" / "allure"),
    )
    everything = ("--scenario", "calm", "--client", "plain", *files)
    return subprocess.run(
        [sys.executable, "-m", "tailproof.cli", "check", *arguments, *everything],
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        env={**os.environ, "TAILPROOF_SESSION_KEY": key, "COLUMNS": "100"},
        cwd=place,
        check=False,
    )


@contextmanager
def telling(place: str, directory: Path) -> Iterator[int]:
    """The port of a server that tells its key there."""
    port = free_port()
    mine = {name: str(directory / "server" / name) for name in ("OH_CONVERSATIONS_PATH", "OH_WORKSPACE_PATH")}
    environment = {**os.environ, **mine, "SESSION_API_KEY": KEY, "TELLS": place}
    with (directory / "server.log").open("wb") as log:
        command = [sys.executable, str(SERVER), "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        Budget(30).wait_for("the server to listen", lambda: listens(port))
        yield port
    finally:
        server.terminate()
        server.wait(10)


def listens(port: int) -> bool:
    """Somebody takes a connection there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return int(nobody.getsockname()[1])


def files(out: Path) -> dict[str, str]:
    """What stands in every file below `out`, and what the files are called."""
    found = [path for path in out.rglob("*") if path.is_file()]
    return {"names": "\n".join(map(str, found)), **{str(path): path.read_text("latin-1") for path in found}}


def told(left: Mapping[str, str], key: str) -> list[tuple[str, str, str]]:
    """Where something of the key is left: what was left, in which form, and what stands around it."""
    found = []
    for form, spell in FORMS.items():
        # Around what is wrapped stands something else, which is no secret.
        spelled = "" if "wrapped" in form else spell(key)
        # Its beginning and its end: what was cut must be gone, too.
        for part in dict.fromkeys((spelled[:PIECE], spelled[-PIECE:])):
            for name, text in left.items():
                at = text.find(part)
                if part and at >= 0:
                    found.append((name, form, text[max(0, at - 80) : at + 120]))
    return found
