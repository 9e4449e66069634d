"""`url:` over https: with a CA of one's own, through a proxy, and past whoever is not who it should be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tls_stage import Authority, listening, proxy_to, tls_in_front_of

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.incoming.route import CA_VARIABLE
from tailproof.reports import json
from tailproof.targets.port import HOST, Port
from tailproof.targets.target import TargetError
from tailproof.targets.url import UrlTarget
from tailproof.waiting import Budget

ROOT = Path(__file__).resolve().parents[2]
NAME = "agent.example"
KEY = "the-session-key"
USER = "proxy-user:the-proxy-password"
SCENARIO = """\
name: short
family: calm
summary: A short run.
script:
  - tools: [{token: one}]
  - finish: All done.
seconds: 30
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[int]:
    """The port of an honest server over plain HTTP."""
    port = Port()
    environment = {
        **os.environ,
        "OH_SESSION_API_KEYS_0": KEY,
        "OH_SECRET_KEY": "a-secret-of-the-server",
        "OH_CONVERSATIONS_PATH": str(tmp_path / "conversations"),
        "OH_WORKSPACE_PATH": str(tmp_path / "workspace"),
    }
    command = [sys.executable, str(ROOT / "fixtures/reference_server.py"), "--port", str(port.number)]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        Budget(60).wait_for("the reference server to listen", lambda: _listens(port.number))
        yield port.number
    finally:
        process.kill()
        process.wait()
        port.release()


def _listens(port: int) -> bool:
    try:
        with closing(socket.create_connection((HOST, port), timeout=1)):
            return True
    except OSError:
        return False


def check(place: Path, url: str, *more: str, proxy: str = "") -> subprocess.CompletedProcess[str]:
    """`tailproof check url:URL`, as a user runs it."""
    scenario = place / "short.yaml"
    scenario.write_text(SCENARIO)
    model = Port()
    command = [sys.executable, "-m", "tailproof.cli", "check", f"url:{url}", "--client=plain", f"--out={place / 'out'}"]
    command += [f"--scenario={scenario}", f"--model-url=http://{HOST}:{model.number}", *more]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**clean, "TAILPROOF_SESSION_KEY": KEY, **({"HTTPS_PROXY": proxy} if proxy else {})}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    finally:
        model.release()


def doubt(ended: subprocess.CompletedProcess[str], place: Path) -> str:
    """Why a check could not tell: one sentence, and that nothing was played."""
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2, said
    assert "Traceback" not in said
    assert "defect of the harness" not in said
    result = json.read(place / "out/result.json")
    why, nothing = result.gate.doubts
    assert nothing == "no trial was run"
    assert "\n" not in why
    assert why in " ".join(said.split())
    return why


def test_a_server_over_https_is_judged_with_a_ca_of_ones_own(
    tmp_path: Path, authority: Authority, reference: int
) -> None:
    with tls_in_front_of(reference, authority.server("localhost")) as front:
        ended = check(tmp_path, f"https://localhost:{front}", f"--ca={authority.certificate}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.read(tmp_path / "out/result.json")
    assert [verdict.outcome for _, verdict in result.judged() if verdict.guarantee == "server.sane"] == ["holds"]


def test_a_server_behind_a_proxy_is_judged_and_every_connection_goes_through_it(
    tmp_path: Path, authority: Authority, reference: int
) -> None:
    asked: list[str] = []
    with tls_in_front_of(reference, authority.server(NAME)) as front, proxy_to(front, asked) as proxy:
        ended = check(
            tmp_path, f"https://{NAME}", f"--ca={authority.certificate}", proxy=f"http://{USER}@{HOST}:{proxy}"
        )
    # The tools of a server elsewhere leave their journal there: nobody here can say how often they ran.
    assert ended.returncode == 2, ended.stdout + ended.stderr
    (why,) = json.read(tmp_path / "out/result.json").gate.doubts
    assert why.startswith("loop.once[short] is inconclusive: nothing was compared")
    assert {head.splitlines()[0] for head in asked} == {f"CONNECT {NAME}:443 HTTP/1.1"}
    assert all("\r\nproxy-authorization: basic " in head.lower() for head in asked)
    assert "proxy-password" not in ended.stdout + ended.stderr
    written = [file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert not any(b"proxy-password" in text for text in written)


def test_a_certificate_that_nobody_known_has_signed_is_one_sentence(tmp_path: Path, authority: Authority) -> None:
    with tls_in_front_of(0, authority.server("localhost")) as front:
        said = doubt(check(tmp_path, f"https://localhost:{front}"), tmp_path)
    assert f"the certificate of localhost:{front} is not to be believed: " in said
    assert "give the CA that signed it with --ca FILE" in said


@pytest.fixture
def nobody_between(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return monkeypatch


def refusal(url: str) -> str:
    """Why no trial begins: what a check says in its one sentence."""
    with pytest.raises(TargetError) as refused:
        UrlTarget(f"url:{url}", url, adapter=OpenHands()).prepare(Budget(60))
    said = str(refused.value)
    assert "\n" not in said
    return said


def test_a_certificate_of_somebody_else_is_one_sentence(
    authority: Authority, nobody_between: pytest.MonkeyPatch
) -> None:
    nobody_between.setenv(CA_VARIABLE, str(authority.certificate))
    with tls_in_front_of(0, authority.server(NAME)) as front:
        said = refusal(f"https://localhost:{front}")
    assert said.startswith(f"the certificate of localhost:{front} is not to be believed: ")
    assert "not valid for 'localhost'" in said
    assert "--ca" not in said


def test_a_certificate_that_has_expired_is_one_sentence(
    authority: Authority, nobody_between: pytest.MonkeyPatch
) -> None:
    nobody_between.setenv(CA_VARIABLE, str(authority.certificate))
    with tls_in_front_of(0, authority.server("localhost", days=-1)) as front:
        said = refusal(f"https://localhost:{front}")
    assert said == f"the certificate of localhost:{front} is not to be believed: certificate has expired"


def test_a_port_without_tls_is_one_sentence(nobody_between: pytest.MonkeyPatch) -> None:
    def plain(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(plain) as port:
        assert f"localhost:{port} does not speak TLS" in refusal(f"https://localhost:{port}")


def test_a_port_that_says_nothing_is_one_sentence_in_time(nobody_between: pytest.MonkeyPatch) -> None:
    nobody_between.setattr("tailproof.targets.url.CONNECT_S", 0.5)

    def silent(sock: socket.socket) -> None:
        while sock.recv(1 << 16):
            pass

    with listening(silent) as port:
        assert refusal(f"https://localhost:{port}") == f"nobody answers at localhost:{port}: timed out"


@pytest.mark.parametrize("holds", ["none\n", "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n", ""])
def test_a_file_without_certificates_is_one_sentence(
    tmp_path: Path, nobody_between: pytest.MonkeyPatch, authority: Authority, holds: str
) -> None:
    none = tmp_path / "none.pem"
    none.write_text(holds)
    nobody_between.setenv(CA_VARIABLE, str(none))
    with tls_in_front_of(0, authority.server("localhost")) as front:
        said = refusal(f"https://localhost:{front}")
    assert said == f"the certificates of {none} cannot be read: it holds no certificate in PEM"


def test_a_file_of_certificates_that_is_not_there_is_one_sentence(
    tmp_path: Path, nobody_between: pytest.MonkeyPatch
) -> None:
    """`--ca` looks before the check begins; the variable is looked at when it is used."""
    nobody_between.setenv(CA_VARIABLE, str(tmp_path / "gone.pem"))
    with listening(lambda sock: None) as port:
        said = refusal(f"https://localhost:{port}")
    assert said == f"the certificates of {tmp_path / 'gone.pem'} cannot be read: No such file or directory"


def test_a_proxy_that_refuses_is_one_sentence(nobody_between: pytest.MonkeyPatch) -> None:
    with proxy_to(0, [], code="407 Proxy Authentication Required") as proxy:
        nobody_between.setenv("HTTPS_PROXY", f"http://{USER}@{HOST}:{proxy}")
        said = refusal(f"https://{NAME}")
    assert said == f"the proxy {HOST}:{proxy} does not let anybody through to {NAME}:443: 407"


def test_a_proxy_that_drips_is_one_sentence_in_time(nobody_between: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; what counts is when the answer is whole."""
    nobody_between.setattr("tailproof.targets.url.CONNECT_S", 1.0)

    def drip(sock: socket.socket) -> None:
        sock.settimeout(0.1)
        while True:
            sock.sendall(b"H")
            with suppress(TimeoutError):
                if not sock.recv(1 << 16):
                    return

    with listening(drip) as proxy:
        nobody_between.setenv("HTTPS_PROXY", f"http://{HOST}:{proxy}")
        assert refusal(f"https://{NAME}") == f"the proxy {HOST}:{proxy} cannot be reached: timed out"


def test_a_proxy_that_is_none_is_one_sentence(nobody_between: pytest.MonkeyPatch) -> None:
    def ssh(sock: socket.socket) -> None:
        sock.sendall(b"SSH-2.0-OpenSSH_9.7\r\n\r\n")

    with listening(ssh) as proxy:
        nobody_between.setenv("HTTPS_PROXY", f"http://{HOST}:{proxy}")
        assert f"the proxy {HOST}:{proxy} does not answer as a proxy: " in refusal(f"https://{NAME}")


def test_a_proxy_of_another_kind_is_one_sentence(nobody_between: pytest.MonkeyPatch) -> None:
    nobody_between.setenv("HTTPS_PROXY", f"socks5://{USER}@{HOST}:9")
    said = refusal(f"https://{NAME}")
    assert said == f"the proxy to {NAME} is no http://HOST:PORT: see HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


def test_a_proxy_that_is_not_there_is_one_sentence(nobody_between: pytest.MonkeyPatch) -> None:
    port = Port()
    nobody = port.number
    port.release()
    nobody_between.setenv("HTTPS_PROXY", f"http://{HOST}:{nobody}")
    assert f"the proxy {HOST}:{nobody} cannot be reached: " in refusal(f"https://{NAME}")
