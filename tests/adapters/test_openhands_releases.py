"""What the adapter knows about each release, and how it starts one."""

from __future__ import annotations

import json

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.creation import creation
from tailproof.protocol.adapter import Places
from tailproof.protocol.conversation import Condenser, ConversationPlan, Equipment, Guard, McpServer
from tailproof.protocol.rarer import abilities_of

ADAPTER = OpenHands()
PLACES = Places(root="/data", workspace="/data/project", conversations="/data/conversations")


@pytest.mark.parametrize(
    ("version", "lease", "deferred", "lazy"),
    [
        ("1.6.0", 15.0, False, False),
        ("1.18.1", 15.0, False, False),
        ("1.20.0", 60.0, False, False),
        ("1.29.0", 60.0, True, False),
        ("1.58.0", 60.0, True, True),
        ("1.58.0rc1", 60.0, True, True),
        ("", 60.0, True, True),
        ("main", 60.0, True, True),
    ],
)
def test_the_sheet_follows_the_release(version: str, lease: float, deferred: bool, lazy: bool) -> None:
    promises = ADAPTER.promises(version)
    assert promises.parameters["status.crash"] == lease
    assert (promises.facts["deferred_init"], promises.facts["lazy_load"]) == (deferred, lazy)
    assert promises.facts["crash_policy"] == "error"


@pytest.mark.parametrize(
    ("version", "place"),
    [
        ("1.6.0", "query"),
        ("1.11.5", "query"),
        ("1.12.0", "header"),
        ("1.18.0", "header"),
        ("1.18.1", "frame"),
        ("1.58.0", "frame"),
    ],
)
def test_a_subscription_brings_its_key_where_the_release_looks_for_it(version: str, place: str) -> None:
    api = ADAPTER.api("http://127.0.0.1:1", key="k&y", version=version)
    opening = api.stream_opening("c1")
    found = {
        "query": opening.url.endswith("/sockets/events/c1?session_api_key=k%26y"),
        "header": opening.headers.get("X-Session-API-Key") == "k&y",
        "frame": [json.loads(frame) for frame in opening.frames] == [{"type": "auth", "session_api_key": "k&y"}],
    }
    assert [name for name, there in found.items() if there] == [place]
    assert api.stream_url("c1") == "ws://127.0.0.1:1/sockets/events/c1"
    api.close()


def test_without_a_key_a_subscription_brings_none() -> None:
    api = ADAPTER.api("http://127.0.0.1:1", key="", version="1.58.0")
    opening = api.stream_opening("c1")
    assert (opening.url, dict(opening.headers), opening.frames) == (api.stream_url("c1"), {}, ())
    api.close()


def test_a_launch_gives_the_keys_in_the_environment_and_never_in_the_arguments() -> None:
    launch = ADAPTER.launch(
        version="1.58.0", port=8123, host="127.0.0.1", key="session", secret="server", places=PLACES, extra={}
    )
    assert list(launch.arguments) == ["-m", "openhands.agent_server", "--host", "127.0.0.1", "--port", "8123"]
    assert launch.environment["OH_SESSION_API_KEYS_0"] == "session"
    assert launch.environment["OH_SECRET_KEY"] == "server"
    assert launch.environment["OH_CONVERSATIONS_PATH"] == "/data/conversations"


def test_a_dormant_launch_keeps_the_session_key_back() -> None:
    extra = ADAPTER.dormant_environment()
    launch = ADAPTER.launch(
        version="1.58.0", port=1, host="127.0.0.1", key="session", secret="server", places=PLACES, extra=extra
    )
    assert "OH_SESSION_API_KEYS_0" not in launch.environment
    assert "session" not in launch.environment.values()


def test_what_the_scenario_says_wins() -> None:
    launch = ADAPTER.launch(
        version="1.58.0",
        port=1,
        host="h",
        key="k",
        secret="s",
        places=PLACES,
        extra={"OH_LEASE_TTL_SECONDS": "5", "LOG_JSON": "no"},
    )
    assert (launch.environment["OH_LEASE_TTL_SECONDS"], launch.environment["LOG_JSON"]) == ("5", "no")


def test_a_tool_call_may_be_silent_for_longer_than_a_gate_is_held() -> None:
    body = creation(ConversationPlan(conversation="c1", model_url="http://m/v1", workspace="/w"))
    assert body["agent"]["tools"] == [{"name": "terminal", "params": {"no_change_timeout_seconds": 900}}]


def test_an_agent_has_what_the_plan_says() -> None:
    equipment = Equipment(
        mcp=McpServer(name="ours", command=("sh", "-c", "true")),
        condenser=Condenser(max_size=20),
        guards=(
            Guard(when="before-tool", command="one", patience_s=5),
            Guard(when="before-tool", command="two", patience_s=6),
            Guard(when="before-stop", command="three", patience_s=7),
        ),
        confirms_risks=True,
    )
    plan = ConversationPlan(conversation="c1", model_url="http://m/v1", workspace="/w", equipment=equipment)
    body = creation(plan)
    assert body["agent"]["mcp_config"] == {"ours": {"command": "sh", "args": ["-c", "true"]}}
    assert body["agent"]["condenser"]["max_size"] == 20
    assert body["agent"]["condenser"]["llm"] == {**body["agent"]["llm"], "usage_id": "condenser"}
    hooks = body["hook_config"]
    assert [one["hooks"][0]["command"] for one in hooks["pre_tool_use"]] == ["one", "two"]
    assert hooks["stop"][0]["hooks"][0]["timeout"] == 7
    assert body["confirmation_policy"]["kind"] == "ConfirmRisky"


@pytest.mark.parametrize(
    ("version", "takes"),
    [
        ("1.6.0", {"secrets", "condenser"}),
        ("1.12.0", {"secrets", "condenser", "guards"}),
        ("1.29.0", {"secrets", "condenser", "guards", "risks"}),
        ("1.58.0", {"secrets", "condenser", "guards", "risks", "mcp"}),
    ],
)
def test_what_an_agent_may_have_follows_the_release(version: str, takes: set[str]) -> None:
    abilities = abilities_of(ADAPTER.promises(version).facts)
    assert {one.removeprefix("can-take-") for one in abilities if one.startswith("can-take-")} == takes
