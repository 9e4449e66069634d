"""A script as a client: what it is given, how its end is told, what is left of it, and whole trials of the shipped ones."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tailproof import resources
from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.client import ClientError, ClientRaised
from tailproof.clients.kind import BadClient, ClientPlan, Sight
from tailproof.clients.script import ScriptClient, command_of
from tailproof.clients.spec import resolved
from tailproof.guarantees.verdict import Outcome
from tailproof.history.header import Header
from tailproof.history.reader import History, read_header
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker
from tailproof.ownership import marks, processes
from tailproof.ownership.marks import variables
from tailproof.ownership.owners import Owner, owner_id
from tailproof.protocol.conversation import ConversationPlan
from tailproof.reports import json
from tailproof.runner.rejudge import judge_again
from tailproof.waiting import Budget

KEY = "a-session-key-of-32-characters-x"
INIT_KEY = "an-init-key"
CONVERSATION = "0b7b2f9e-3f0d-4a37-9b0a-0d8b3a6f2f11"
SCRIPTS = resources.folder("fixtures") / "scripts"
DORMANT = "deferred-init-by-client"
PLAN = ConversationPlan(conversation=CONVERSATION, model_url="http://127.0.0.1:1/c/main/v1", workspace="/work")


class Played:
    """A script without a server: it tells by files what a server would show."""

    def __init__(self, place: Path, source: str) -> None:
        self.place = place
        self.file = place / "poll.py"
        self.file.write_text(source.replace("HERE", repr(str(place))))
        header = Header(trial="script-test", scenario="s", seed=0, target="-", client="-")
        self.recorder = Recorder(place / "history", header, masker=Masker({"session key": KEY}))
        # Not by the place: its name is cut, and two workers would kill each other's script.
        owner = Owner(trial=f"script-test-{uuid4()}", owner=owner_id())
        self.trial = owner.trial
        plan = ClientPlan(
            name=f"script:{self.file}",
            adapter=OpenHands(),
            recorder=self.recorder,
            scratch=place / "scratch",
            environment={**variables(owner, "client"), "TMPDIR": str(place)},
            budget=Budget(30),
            sight=Sight(
                conversations=lambda: ("old", *((CONVERSATION,) if (place / "created").exists() else ())),
                began=lambda: (place / "began").exists(),
                init_key=INIT_KEY,
            ),
        )
        self.client = ScriptClient(self.file, plan)
        self.client.start()
        self.client.connect("http://127.0.0.1:1", key=KEY, version="1.58.0", budget=Budget(1))

    def play(self) -> Any:
        """Create, send, run, and wait for its end."""
        assert self.client.create(PLAN, Budget(30)) == CONVERSATION
        self.client.send("go", Budget(30))
        self.client.run()
        return self.client.wait_returned(Budget(30))

    def history(self) -> History:
        """What was written down, after the client was closed."""
        self.client.close()
        self.recorder.close()
        return History.load(self.recorder.directory)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], Played]]:
    made: list[Played] = []

    def make(source: str) -> Played:
        made.append(Played(tmp_path, "import os, pathlib, sys, time\nhere = pathlib.Path(HERE)\n" + source))
        return made[0]

    yield make
    for played in made:
        played.client.close()
        played.recorder.close()


RUN = "(here / 'created').touch(); (here / 'began').touch()\n"


# -- what it is given -------------------------------------------------------------------------------------------------


def test_it_gets_the_documented_variables_and_nothing_else_of_ours(
    script: Callable[[str], Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HARNESS", "1")
    played = script(RUN + "(here / 'said').write_text('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))\n")
    played.play()
    told = dict(line.split("=", 1) for line in (played.place / "said").read_text().splitlines())
    assert {name: told.get(name) for name in ("AGENT_SERVER_URL", "SESSION_API_KEY", "INIT_API_KEY")} == {
        "AGENT_SERVER_URL": "http://127.0.0.1:1",
        "SESSION_API_KEY": KEY,
        "INIT_API_KEY": INIT_KEY,
    }
    assert (told["LLM_BASE_URL"], told["AGENT_WORKSPACE"]) == (PLAN.model_url, PLAN.workspace)
    ours = {
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "LLM_MODEL",
        "LLM_API_KEY",
        marks.TRIAL,
        marks.OWNER,
        marks.PART,
    }
    known = ours | {"AGENT_SERVER_URL", "SESSION_API_KEY", "INIT_API_KEY", "AGENT_WORKSPACE", "LLM_BASE_URL"}
    assert told.keys() - {"LC_CTYPE"} == known


@pytest.mark.parametrize(
    ("name", "content", "executable", "command"),
    [
        ("poll.py", "import os\n", False, [sys.executable, "FILE"]),
        ("poll.py", "#!/usr/bin/python3 -I\n", False, ["/usr/bin/python3", "-I", "FILE"]),
        ("poll", "#!/bin/sh\n", False, ["/bin/sh", "FILE"]),
        ("poll", "#!/usr/bin/env -S node --test\n", True, ["/usr/bin/env", "-S node --test", "FILE"]),
        ("poll", "\x7fELF", True, ["FILE"]),
    ],
    ids=["python", "python-with-its-own-line", "shell", "line-with-arguments", "executable"],
)
def test_how_a_file_is_run(tmp_path: Path, name: str, content: str, executable: bool, command: list[str]) -> None:
    file = tmp_path / name
    file.write_text(content)
    file.chmod(0o755 if executable else 0o644)
    assert command_of(file) == [str(file) if word == "FILE" else word for word in command]


def test_what_cannot_be_run_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for word, said in (
        (f"script:{tmp_path}/none.py", "none.py is not a file"),
        (f"script:{tmp_path}/notes.txt", r"notes.txt is no .py file, has no #! line and is not executable"),
        ("script", "script names no file"),
    ):
        with pytest.raises(BadClient, match=said):
            resolved(word, target="reference", version="", adapter=OpenHands())


def test_a_script_of_another_language_plays(tmp_path: Path) -> None:
    played = Played(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/created {tmp_path}/began\nexit 3\n")
    assert played.play().error_type == "exit code 3"
    assert [run.exit_code for run in played.history().runs] == [None, 3]


# -- how its end is told ----------------------------------------------------------------------------------------------


def test_exit_code_0_is_a_return(script: Callable[[str], Played]) -> None:
    played = script(RUN)
    assert not played.play().raised
    called, back = played.history().runs
    assert (called.stage, back.stage, back.exit_code, back.conversation) == ("called", "returned", 0, CONVERSATION)


@pytest.mark.parametrize(
    "told",
    ["key", "key.encode().hex()", "base64.b64encode(key.encode()).decode()", "quote(key, safe='')"],
)
def test_any_other_exit_code_is_raised_with_the_last_line_of_stderr(script: Callable[[str], Played], told: str) -> None:
    said = f"import base64; from urllib.parse import quote; key = os.environ['SESSION_API_KEY']; told = {told}"
    played = script(f"{RUN}{said}; print('polling', told); raise TimeoutError(f'no end, {{told}}')\n")
    returned = played.play()
    assert returned.error_type == "exit code 1"
    # The last characters of base64 stand for what comes after the key, too.
    assert re.fullmatch(r"TimeoutError: no end, <secret:session key>(.=)?", returned.error)
    history = played.history()
    assert (history.runs[-1].stage, history.runs[-1].exit_code) == ("raised", 1)
    said = [note.text for note in history.notes]
    assert any("polling" in text and "TimeoutError: no end" in text for text in said)
    assert any("polling <secret:session key>" in text for text in said)


@pytest.mark.parametrize("created", [False, True], ids=["before-its-conversation", "before-its-run"])
def test_one_that_ends_early_is_a_finding_about_it(script: Callable[[str], Played], created: bool) -> None:
    played = script(("(here / 'created').touch()\n" if created else "") + "sys.exit('no such route')\n")
    with pytest.raises(ClientRaised, match=r"exit code 1: no such route \(poll.py ended") as raised:
        played.play()
    assert (raised.value.verb, raised.value.error_type) == ("send" if created else "create", "exit code 1")
    assert played.history().runs == []


def test_it_has_one_run(script: Callable[[str], Played]) -> None:
    played = script(RUN)
    played.play()
    with pytest.raises(ClientError, match="several messages"):
        played.client.send("go on", Budget(1))


def test_one_that_does_not_end_is_killed_with_its_children(script: Callable[[str], Played]) -> None:
    child = "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    played = script(child + RUN + "time.sleep(600)\n")
    played.client.create(PLAN, Budget(30))
    played.client.send("go", Budget(30))
    played.client.run()
    assert len(processes.processes(trial=played.trial, part="script")) == 2
    history = played.history()
    assert processes.processes(trial=played.trial) == []
    assert [run.stage for run in history.runs] == ["called"]
    assert any("had not ended and was killed" in note.text for note in history.notes)


# -- what is written down ---------------------------------------------------------------------------------------------


def test_its_status_words_are_in_the_history_with_their_lines(script: Callable[[str], Played]) -> None:
    played = script(RUN + "if False:\n  while here['execution_status'] != 'stopped': pass\n")
    played.play()
    (found,) = [one for one in played.history().vocabularies if one.waited_for]
    assert (found.source, found.waited_for, found.words) == ("poll.py:5", ["stopped"], [])


def test_a_source_that_cannot_be_read_is_no_failure_of_ours(script: Callable[[str], Played]) -> None:
    played = script("while:\n")
    with pytest.raises(ClientRaised, match="SyntaxError"):
        played.play()
    assert any("poll.py:3" in note.text for note in played.history().notes)


# -- whole trials -----------------------------------------------------------------------------------------------------


def check(out: Path, target: str, scenario: str, *scripts: str) -> dict[str, set[str]]:
    """Script -> what is violated, of a check whose every other verdict holds; each history says the same once more."""
    arguments = [word for name in scripts for word in ("--client", f"script:{SCRIPTS / name}")]
    command = [sys.executable, "-m", "tailproof.cli", "check", target, *arguments]
    done = subprocess.run(
        [*command, "--scenario", scenario, "--out", str(out), "-n", "2"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {}
    for header in sorted(out.rglob("header.json")):
        said, code = judge_again(header.parent, globs=(), baseline=None)
        assert " 0 inconclusive" in said.splitlines()[0], said
        name = Path(read_header(header.parent).client).name
        found[name] = set(re.findall(r"^VIOLATED  (\S+)\[", said, re.MULTILINE))
        assert code == bool(found[name])
    verdicts = json.read(out / "result.json").judged()
    violated = {verdict.guarantee for _, verdict in verdicts if verdict.outcome is Outcome.VIOLATED}
    assert violated == set().union(*found.values())
    return found


WRONG = {"status.known", "loop.returns"}


@pytest.fixture(scope="module")
def woken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """Both walks through deferred initialisation: where their histories are, and what is violated."""
    out = tmp_path_factory.mktemp("woken")
    return out, check(out, "reference", DORMANT, "deferred_init.py", "deferred_init_stopped.py")


def test_the_wrong_poll_loop_is_convicted_and_the_right_one_is_not(tmp_path: Path) -> None:
    found = check(tmp_path, "reference", "calm", "poll_terminal.py", "poll_stopped.py")
    assert found == {"poll_terminal.py": set(), "poll_stopped.py": WRONG}


def test_a_script_that_initialises_the_server_is_judged_like_any_other(woken: tuple[Path, dict[str, set[str]]]) -> None:
    assert woken[1] == {"deferred_init.py": set(), "deferred_init_stopped.py": WRONG}


def test_the_conversation_is_read_before_the_script_deletes_it(woken: tuple[Path, dict[str, set[str]]]) -> None:
    histories = map(History.load, (header.parent for header in woken[0].rglob("header.json")))
    (history,) = [one for one in histories if one.header.client.endswith("deferred_init.py")]
    (deletion,) = [request for request in history.requests if request.verb == "delete" and request.witness == "client"]
    final = [one for one in history.readings if one.final and one.reader == "rest" and one.stage == "end"]
    assert [one.complete for one in final] == [True]
    assert final[0].t_ns < deletion.t_ns
    (init,) = [request for request in history.requests if request.verb == "init"]
    assert (init.witness, init.code) == ("client", 200)


@pytest.mark.long
@pytest.mark.release
def test_a_real_server_is_initialised_by_the_script(tmp_path: Path) -> None:
    found = check(tmp_path / "out", "pypi:1.58.0", DORMANT, "deferred_init_stopped.py")
    assert found == {"deferred_init_stopped.py": WRONG}
