"""The TypeScript client of the package registry, driven in a Node environment of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.recipes import TYPESCRIPT_RELEASES
from tailproof.adapters.openhands.typescript import TYPESCRIPT
from tailproof.clients.catalogue import client_for
from tailproof.clients.kind import BadClient
from tailproof.clients.program import ProgramClient
from tailproof.clients.spec import kind_of, resolved
from tailproof.history.reader import History
from tailproof.model.conversation import PlayedScript
from tailproof.provision.errors import Unavailable
from tailproof.provision.node_environments import node_environment
from tailproof.provision.npm_locks import LOCKED, MANIFEST, known_npm_releases, npm_lock_for
from tailproof.waiting import Budget
from tests.clients.conftest import ROOT, Play

RELEASE = "1.39.0"

BUILD = f"""
from tailproof.adapters.openhands.recipes import TYPESCRIPT_RELEASES
from tailproof.provision import node_environments
from tailproof.waiting import Budget
build = node_environments._build
def counting(*arguments):
    print("built", flush=True)
    build(*arguments)
node_environments._build = counting
print(node_environments.node_environment(TYPESCRIPT_RELEASES, "{RELEASE}", Budget(120)).directory, flush=True)
"""


def typescript(it: Play, spec: str = f"ts:{RELEASE}") -> ProgramClient:
    client = client_for(spec, it.adapter, it.recorder, scratch=it.directory, owner=it.owner)
    assert isinstance(client, ProgramClient)
    return client


def created(it: Play, client: ProgramClient, played: PlayedScript) -> str:
    """The conversation, once its stream has brought something: the library does not wait until it is open, and what is published before
    that never reaches it."""
    conversation = it.create(client, played)
    told = it.recorder.directory / "client.jsonl"
    Budget(60).wait_for("the client's stream to bring something", lambda: b'"callback:0"' in told.read_bytes())
    return conversation


def given(history: History, reading: str) -> list[str]:
    """The ids of the persisted events that the client was given in one reading."""
    return [e.id for e in history.events if e.witness == "client" and e.reading == reading and e.durable]


# -- what it reports ----------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.node
def test_node_and_python_read_the_same_clock() -> None:
    before = time.monotonic_ns()
    said = subprocess.run(
        ["node", "-e", "console.log(String(process.hrtime.bigint()))"], capture_output=True, check=True
    )
    assert before <= int(said.stdout) <= time.monotonic_ns()


@pytest.mark.long
@pytest.mark.node
def test_what_it_holds_and_what_its_callback_got_are_the_log(play: Callable[..., Play]) -> None:
    it = play()
    client = typescript(it)
    played = it.serve({"tools": [{}]}, {"tools": [{}, {}]}, {"finish": "all done"})
    conversation = created(it, client, played)
    client.send("go", Budget(30))
    client.run()
    returned = client.wait_returned(Budget(90))
    assert (returned.status, returned.raised) == ("finished", False)
    log = it.observer.read_log(conversation, final=True)
    client.close()

    history = it.history()
    ids = [seen.id for seen in log.events]
    assert len(ids) > 8
    for reading in ("held:0", "held:1", "callback:0"):
        assert given(history, reading) == ids
    runs = [(run.stage, run.number, run.neutral, run.reading) for run in history.runs]
    assert runs == [("called", 0, "none", ""), ("returned", 0, "done", "held:0")]
    readings = {(r.reading, r.stage, r.final, r.complete) for r in history.readings if r.witness == "client"}
    assert readings == {
        *(("callback:0", stage, False, True) for stage in ("begin", "end")),
        *(("held:0", stage, False, True) for stage in ("begin", "end")),
        *(("held:1", stage, True, True) for stage in ("begin", "end")),
    }
    digests: dict[str, set[str]] = {}
    for event in history.events:
        digests.setdefault(event.id, set()).add(event.digest)
    assert {len(found) for found in digests.values()} == {1}
    assert it.recorder.header.versions["client"] == RELEASE
    assert it.recorder.header.versions["client lock"].startswith(f"ts-{RELEASE}-")
    assert it.recorder.header.versions["client made for server"] == "1.44.0"
    key = it.key.encode()
    assert [path.name for path in it.recorder.directory.glob("*.jsonl") if key in path.read_bytes()] == []


@pytest.mark.long
@pytest.mark.node
def test_it_attaches_to_a_conversation_that_exists(play: Callable[..., Play]) -> None:
    it = play()
    played = it.serve({"tools": [{}]}, {"say": "bye"})
    plan = it.plan(played)
    played.name = plan.conversation
    assert it.observer.api.create(plan).ok
    client = typescript(it)
    client.start()
    client.connect(it.server.url, key=it.key, version=it.version, budget=Budget(90))
    assert client.create(dataclasses.replace(plan, exists=True), Budget(30)) == plan.conversation
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(60)).status == "finished"
    client.close()
    assert [run.stage for run in it.history().runs] == ["called", "returned"]


@pytest.mark.long
@pytest.mark.node
def test_a_run_that_the_model_refuses_raises(play: Callable[..., Play]) -> None:
    it = play()
    client = typescript(it)
    it.create(client, it.serve({"tools": [{}]}, {"status": 401}))
    client.send("go", Budget(30))
    client.run()
    returned = client.wait_returned(Budget(90))
    assert (returned.status, returned.error_type) == ("error", "RunFailed")
    client.close()


@pytest.mark.long
@pytest.mark.node
def test_a_second_run_is_waited_for_when_the_status_is_asked_for_anew(play: Callable[..., Play]) -> None:
    """Without `@fresh` this release shows the first run's `finished` while the second one runs."""
    it = play()
    client = typescript(it, f"ts:{RELEASE}@fresh")
    conversation = it.create(client, it.serve({"say": "one"}, {"tools": [{}], "delay_s": 1}, {"say": "two"}))
    for text in ("first", "second"):
        client.send(text, Budget(30))
        client.run()
        assert client.wait_returned(Budget(60)).status == "finished"
    log = it.observer.read_log(conversation, final=True)
    client.close()
    ids = [seen.id for seen in log.events]
    history = it.history()
    assert given(history, "held:1") == ids
    assert len(given(history, "held:0")) < len(ids)


@pytest.mark.long
@pytest.mark.node
def test_loaded_as_a_node_program_it_says_that_it_has_no_stream(play: Callable[..., Play]) -> None:
    it = play()
    client = typescript(it, f"ts:{RELEASE}@node")
    it.create(client, it.serve({"tools": [{}]}, {"say": "bye"}))
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(60)).status == "finished"
    client.close()
    history = it.history()
    assert {(one.verb, one.error.split(":")[0]) for one in history.client_errors} == {
        ("subscribe", "Failed to create WebSocket connection")
    }
    assert given(history, "callback:0") == []
    assert len(given(history, "held:0")) > 4


@pytest.mark.long
@pytest.mark.node
@pytest.mark.parametrize("kind", ["installed", "checkout"])
def test_a_directory_of_the_user_is_a_client(kind: str, play: Callable[..., Play], tmp_path: Path) -> None:
    built = node_environment(TYPESCRIPT_RELEASES, RELEASE, Budget(300)).directory / "node_modules"
    mine = tmp_path / "mine"
    if kind == "installed":
        (mine / "node_modules" / "@openhands").mkdir(parents=True)
        (mine / "node_modules" / "@openhands" / "typescript-client").symlink_to(built / "@openhands/typescript-client")
    else:
        shutil.copytree(built / "@openhands" / "typescript-client", mine)
        with pytest.raises(BadClient, match=r"mine has no node_modules/ws: run npm install there$"):
            TYPESCRIPT.check(str(mine))
        (mine / "node_modules").symlink_to(built)
    TYPESCRIPT.check(str(mine))
    it = play()
    client = typescript(it, f"ts:{mine}")
    it.create(client, it.serve({"say": "bye"}))
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(60)).status == "finished"
    client.close()
    # Not what its callback got: this run is short, and its client does not wait for the stream when a status says that it is over.
    history = it.history()
    assert len(given(history, "held:0")) > 3
    assert history.client_errors == []
    assert it.recorder.header.versions["client"] == RELEASE


def test_any_program_that_follows_the_protocol_is_a_client(play: Callable[..., Play], tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT / 'fixtures' / 'reference_client.py'}\n")
    it = play()
    client = typescript(it, f"program:{file}")
    it.create(client, it.serve({"say": "bye"}))
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(60)).status == "finished"
    client.close()
    assert len(given(it.history(), "held:0")) > 3
    kind, what = kind_of(f"program:{tmp_path / 'missing'}")
    with pytest.raises(BadClient, match=r"missing is no file: program:FILE takes a program that follows commands"):
        kind.check(what)


# -- which release, and what is built for it ----------------------------------------------------------------------------


def test_a_release_is_a_spec_and_anything_else_is_said_in_one_sentence() -> None:
    for spec in (f"ts:{RELEASE}", f"ts:{RELEASE}@node"):
        assert resolved(spec, target="pypi:1.58.0", version="1.58.0", adapter=OpenHands()) == spec
    for spec, says in (
        (
            "ts:newer",
            r"^'newer' is not a release of the TypeScript client: ts:VERSION, for example ts:1\.39\.0, or ts:DIR",
        ),
        ("ts", r"^ts names no release: ts:VERSION, for example ts:1\.39\.0, or ts:DIR"),
        ("ts:./nowhere", r"nowhere neither has @openhands/typescript-client in node_modules nor is a checkout of it$"),
        (f"ts:{RELEASE}@deno", r"one of the ways browser, node, fresh, not 'deno': ts:1\.39\.0 or ts:1\.39\.0@node$"),
    ):
        kind, what = kind_of(spec)
        assert kind is TYPESCRIPT
        with pytest.raises(BadClient, match=says):
            kind.check(what)


@pytest.mark.long
@pytest.mark.node
def test_a_release_that_does_not_exist_is_named_with_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path))
    with pytest.raises(
        Unavailable, match=r"^@openhands/typescript-client has no release 0\.0\.1; there are .*1\.39\.0"
    ):
        TYPESCRIPT.prepare("0.0.1", Budget(120))


def test_a_machine_without_node_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"^node is not on PATH .*: install Node\.js 20 .*apt-get install"):
        node_environment(TYPESCRIPT_RELEASES, RELEASE, Budget(10))


@pytest.mark.parametrize("version", known_npm_releases(TYPESCRIPT_RELEASES))
def test_a_committed_lock_has_a_hash_for_each_package_and_no_registry(version: str) -> None:
    lock = npm_lock_for(TYPESCRIPT_RELEASES, version, Budget(0))
    assert lock.committed
    packages = json.loads((lock.directory / LOCKED).read_text())["packages"]
    assert packages.pop("")["dependencies"] == {"@openhands/typescript-client": version}
    assert len(packages) >= 3
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


@pytest.mark.long
@pytest.mark.node
def test_two_processes_at_once_build_an_environment_once(tmp_path: Path) -> None:
    environment = {**os.environ, "TAILPROOF_CACHE": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", BUILD], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=300)[0].split() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(len(words) for words in said) == [1, 2]
    assert len({words[-1] for words in said}) == 1
    place = Path(said[0][-1])
    assert (place / "node_modules" / "ws" / "package.json").is_file()
    assert {path.name for path in place.parent.iterdir()} == {place.name, f"{place.name}.lock"}


@pytest.mark.long
@pytest.mark.node
def test_a_package_that_is_not_what_the_lock_says_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path))
    good = npm_lock_for(TYPESCRIPT_RELEASES, RELEASE, Budget(0)).directory
    place = tmp_path / "locks" / "typescript" / "9.9.9"
    place.mkdir(parents=True)
    shutil.copyfile(good / MANIFEST, place / MANIFEST)
    lock = json.loads((good / LOCKED).read_text())
    lock["packages"]["node_modules/ws"]["integrity"] = "sha512-" + "A" * 86 + "=="
    (place / LOCKED).write_text(json.dumps(lock))
    with pytest.raises(Unavailable, match=r"installing @openhands/typescript-client 9\.9\.9 failed: .*EINTEGRITY"):
        node_environment(TYPESCRIPT_RELEASES, "9.9.9", Budget(120))
    assert [path for path in (tmp_path / "environments").iterdir() if path.is_dir() and ".aside" not in path.name] == []
