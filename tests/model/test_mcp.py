"""The MCP server that agents are given, as a client over stdio finds it: in a real shell, and with nothing of the harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailproof.model import mcp
from tailproof.model.journal import TOKENS, command_of, gate_name
from tailproof.model.script import Command
from tailproof.waiting import Budget

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
SHELLS = ("sh", "bash")


class Client:
    """Asks, and reads one line of answer."""

    def __init__(self, shell: str) -> None:
        self.process = subprocess.Popen(
            [shell, *mcp.COMMAND[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )

    def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, identity: int | str, method: str, **parameters: Any) -> dict[str, Any]:
        assert self.process.stdout is not None
        self.say(method=method, params=parameters, id=identity)
        answer = json.loads(self.process.stdout.readline())
        assert (answer.pop("jsonrpc"), answer.pop("id")) == ("2.0", identity)
        return dict(answer)

    def run(self, command: str) -> str:
        answer = self.ask(
            9, "tools/call", name=mcp.TOOL, arguments=mcp.arguments(command), _meta={"progressToken": "id-1"}
        )
        assert answer["result"]["isError"] is False
        return str(answer["result"]["content"][0]["text"])


@pytest.fixture(params=SHELLS)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.process.kill()
    client.process.wait()
    for pipe in (client.process.stdin, client.process.stdout):
        assert pipe is not None
        pipe.close()


def test_it_says_who_it_is_and_what_it_can_do(client: Client) -> None:
    hello = client.ask(0, "initialize", **HELLO)["result"]
    assert (hello["protocolVersion"], hello["serverInfo"]["name"]) == ("2025-06-18", mcp.NAME)
    client.say(method="notifications/initialized")
    (tool,) = client.ask("a-1", "tools/list")["result"]["tools"]
    assert (tool["name"], tool["inputSchema"]["required"]) == (mcp.TOOL, ["command"])
    assert client.ask(2, "ping")["result"] == {}
    assert client.ask(3, "resources/list")["error"]["code"] == -32601


def test_a_command_arrives_as_it_was_written(client: Client) -> None:
    assert client.run("printf '%s\\n' \"a $HOME\" 'it'\\''s'; echo last: $((1 + 1))") == "last: 2"


def test_what_would_break_the_answer_is_left_out_of_it(client: Client) -> None:
    assert client.run("printf 'a\"b\\\\\\tc'") == "abc"


def test_a_gated_command_leaves_its_lines_in_the_journal(client: Client, tmp_path: Path) -> None:
    (tmp_path / gate_name("t1")).write_text("\n")
    command = Command(token="t1", run="", gate=True, journal=True)
    assert client.run(command_of(command, str(tmp_path))) == "done t1"
    assert [line.split()[1:3] for line in (tmp_path / TOKENS).read_text().splitlines()] == [
        ["t1", "begin"],
        ["t1", "end"],
    ]


def test_a_command_knows_the_process_that_runs_it(client: Client) -> None:
    assert client.run(f'echo "${mcp.PID}"') == str(client.process.pid)


def test_it_ends_with_its_input(client: Client) -> None:
    client.ask(0, "initialize", **HELLO)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.process.wait(10) == 0


def test_it_has_the_marks_of_whoever_starts_it(tmp_path: Path) -> None:
    """Though it is started without them: whoever starts an MCP server passes on little of its own environment."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import subprocess, sys\n"
        "subprocess.run(sys.argv[1:], env={'PATH': '/usr/bin:/bin'}, stdin=sys.stdin, stdout=sys.stdout)\n"
    )
    asked = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"arguments": mcp.arguments("echo $TAILPROOF_TRIAL")},
        }
    )
    done = subprocess.run(
        [sys.executable, starter, *mcp.COMMAND],
        input=f"{asked}\n",
        env={"PATH": os.environ["PATH"], "TAILPROOF_TRIAL": "trial-7"},
        capture_output=True,
        text=True,
        timeout=Budget(30).left,
        check=True,
    )
    assert json.loads(done.stdout)["result"]["content"][0]["text"] == "trial-7"
