"""Who meets whom in a check, what each pair is called, and which scenarios it cannot play. Nothing is started here."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.clients.spec import BadClient
from tailproof.provision.locks import known_releases
from tailproof.runner.check import Check, CheckOptions
from tailproof.runner.pairs import Matrix, meet
from tailproof.targets.target import TargetError
from tailproof.trial.order import Order

NEWEST = known_releases(RELEASES)[-1]
SAFE = re.compile(r"[A-Za-z0-9.-]+_[A-Za-z0-9.-]+")


def who(matrix: Matrix) -> list[tuple[str, str]]:
    return [(pair.target, pair.client) for pair in matrix.pairs]


def names(*targets: str, clients: tuple[str, ...] = ("plain",)) -> list[str]:
    return [pair.name for pair in meet(targets, clients, build=False).pairs]


@pytest.mark.parametrize(
    ("targets", "clients", "pairs"),
    [
        (["reference"], [], [("reference", "reference")]),
        (["pypi:1.11.0"], [], [("pypi:1.11.0", "sdk:1.11.0")]),
        (
            ["pypi:1.11.0", "pypi:1.58.0"],
            ["sdk", "sdk:1.12.0"],
            [
                ("pypi:1.11.0", "sdk:1.11.0"),
                ("pypi:1.11.0", "sdk:1.12.0"),
                ("pypi:1.58.0", "sdk:1.58.0"),
                ("pypi:1.58.0", "sdk:1.12.0"),
            ],
        ),
        (["pypi:newest", f"pypi:{NEWEST}"], ["sdk", f"sdk:{NEWEST}"], [(f"pypi:{NEWEST}", f"sdk:{NEWEST}")]),
        (["reference", "reference"], ["plain", "plain"], [("reference", "plain")]),
    ],
    ids=["the-client-of-the-target", "its-release", "every-target-meets-every-client", "resolved-alike", "asked-twice"],
)
def test_every_target_meets_every_client_once(
    targets: list[str], clients: list[str], pairs: list[tuple[str, str]]
) -> None:
    assert who(meet(targets, clients, build=False)) == pairs


def test_one_pair_needs_no_name() -> None:
    assert names("pypi:1.58.0") == [""]


@pytest.mark.parametrize(
    ("target", "client", "name"),
    [
        ("pypi:1.11.0", "sdk:1.11.1", "sdk-1.11.1_pypi-1.11.0"),
        ("docker:tailproof/agent-server:1.58.0", "plain", "plain_docker-tailproof-agent-server-1.58.0"),
        ("url:http://127.0.0.1:8000", "plain", "plain_url-127.0.0.1-8000"),
        ("src:{here}/my_server", "plain", "plain_src-my-server"),
        ("reference:never-closes", "script:{here}/poll.py", "script-poll.py_reference-never-closes"),
    ],
)
def test_a_name_says_client_and_target_and_is_safe(tmp_path: Path, target: str, client: str, name: str) -> None:
    (tmp_path / "my_server").mkdir()
    (tmp_path / "poll.py").write_text("")
    here = {"here": str(tmp_path)}
    called = names(target.format(**here), "reference", clients=(client.format(**here), "reference"))
    assert called[0] == name
    assert all(SAFE.fullmatch(word) for word in called)


def test_what_would_be_called_alike_is_told_apart(tmp_path: Path) -> None:
    places = [tmp_path / "one" / "server", tmp_path / "two" / "server", tmp_path / ("x" * 200)]
    for place in places:
        place.mkdir(parents=True)
    called = names(*(f"src:{place}" for place in places))
    assert len({word.lower() for word in called}) == 3
    assert all(SAFE.fullmatch(word) and len(word) < 80 for word in called)
    assert called == names(*(f"src:{place}" for place in places)), "and the same in the next check"


def test_a_repetition_stands_behind_the_scenario() -> None:
    order = Order(
        scenario={"name": "calm"}, target="pypi:1.11.0", client="plain", pair="a_b-1.1", seed=1, out="o", repetition=1
    )
    assert order.name == "calm.2_a_b-1.1"
    assert order.directory == Path("o/trials/calm.2_a_b-1.1")


def test_what_cannot_be_built_fails_its_own_pairs_and_no_other(tmp_path: Path) -> None:
    matrix = meet([f"src:{tmp_path}", "reference"], ["plain"], build=True)
    bad, good = matrix.pairs
    assert "neither a virtual environment" in bad.failure
    assert not good.failure
    assert matrix.plain_of(bad.target).failure == bad.failure


def test_the_client_of_a_release_that_cannot_be_told_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(BadClient, match="name the client"):
        meet(["url:http://127.0.0.1:9"], ["sdk"], build=False)
    # Where the target cannot be had, that is the news.
    (pair,) = meet([f"src:{tmp_path}"], ["sdk"], build=True).pairs
    assert "neither a virtual environment" in pair.failure


def test_a_wrong_word_is_said_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(BadClient, match="there is no client 'sdc:1'"):
        meet([f"src:{tmp_path}"], ["sdc:1"], build=True)
    with pytest.raises(TargetError, match="is none of"):
        meet(["reference", "refrence"], [], build=True)


# -- newest --------------------------------------------------------------------------------------------------------------

WORDS = ["pypi:newest"], ["sdk:newest", "sdk"]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index without a server behind it, and nothing built yet; wheels in the directory are found."""
    for name, value in {
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": "",
        "UV_CACHE_DIR": "uv",
        "TAILPROOF_CACHE": "cache",
    }.items():
        monkeypatch.setenv(name, value if value == "1" else str(tmp_path / value))
    return tmp_path


def test_newest_is_asked_once_named_everywhere_and_not_replaced_when_it_cannot_be_had(index: Path) -> None:
    about = "Metadata-Version: 2.1\nName: openhands-agent-server\nVersion: 99.0.0\n"
    with zipfile.ZipFile(index / "openhands_agent_server-99.0.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("openhands_agent_server-99.0.0.dist-info/METADATA", about)
        wheel.writestr("openhands_agent_server-99.0.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("openhands_agent_server-99.0.0.dist-info/RECORD", "")
    said: list[str] = []
    (pair,) = meet(*WORDS, say=said.append).pairs
    assert (pair.target, pair.client, pair.release) == ("pypi:99.0.0", "sdk:99.0.0", "99.0.0")
    found = "is {}:99.0.0, the newest in the package index"
    assert said == [f"pypi:newest {found.format('pypi')}", f"sdk:newest {found.format('sdk')}"]
    assert pair.newest == "; ".join(said)
    assert "looking up openhands-agent-server==99.0.0 in the package index failed" in pair.failure
    assert pair.failure.endswith(f"; the newest release with a committed lock file is {NEWEST}")


def test_an_index_that_does_not_answer_is_said_with_what_is_taken_instead(index: Path) -> None:
    said: list[str] = []
    (pair,) = meet(*WORDS, say=said.append).pairs
    assert (pair.target, pair.client) == (f"pypi:{NEWEST}", f"sdk:{NEWEST}")
    assert said[0].startswith(f"pypi:newest is pypi:{NEWEST}, the newest with a committed lock file: looking up")
    assert pair.newest == "; ".join(said)


def test_who_names_a_release_is_told_nothing_of_newest(tmp_path: Path) -> None:
    said: list[str] = []
    matrix = meet([f"src:{tmp_path}", "reference"], ["plain"], say=said.append)
    assert not said
    assert {pair.newest for pair in (*matrix.pairs, *matrix.plain)} == {""}


# -- what a pair cannot play ---------------------------------------------------------------------------------------------

SITUATIONS = {
    "one-message": "",
    "two-messages": "messages: [one, two]\n",
    "woken-by-us": "server: {dormant: true}\n",
    "woken-by-the-client": "server: {dormant: true, initialised_by: client}\n",
    "long": "seeded: {events: 100}\n",
}


@pytest.fixture
def planned(tmp_path: Path) -> Check:
    """Each situation with a script and with the reference client."""
    (tmp_path / "poll.py").write_text("")
    for name, more in SITUATIONS.items():
        text = f"name: {name}\nfamily: calm\nsummary: s\nscript: [{{finish: done}}]\nguarantees: [events.*]\n{more}"
        (tmp_path / f"{name}.yaml").write_text(text)
    files = tuple(str(tmp_path / f"{name}.yaml") for name in SITUATIONS)
    clients = [f"script:{tmp_path}/poll.py", "reference"]
    options = CheckOptions(scenarios=files, out=str(tmp_path / "out"), seed=1)
    return Check.plan(options, lambda: meet(["reference"], clients, build=False))


def test_a_client_is_not_asked_for_what_it_cannot_play(planned: Check) -> None:
    played = {(cell.scenario.name, cell.pair.client.partition(":")[0]) for cell in planned.cells if cell.order}
    assert played == {
        ("one-message", "script"),
        ("woken-by-the-client", "script"),
        ("one-message", "reference"),
        ("two-messages", "reference"),
        ("woken-by-us", "reference"),
        ("long", "reference"),
    }


def test_what_a_pair_cannot_play_is_named_with_the_pair_and_the_reason(planned: Check) -> None:
    reasons = {(row.scenario, row.client.partition(":")[0]): row.reason for row in planned.not_run}
    assert reasons.keys() == {
        ("two-messages", "script"),
        ("woken-by-us", "script"),
        ("long", "script"),
        ("woken-by-the-client", "reference"),
    }
    assert reasons["two-messages", "script"].endswith("sends one message, and this scenario has 2")
    assert "use script:FILE" in reasons["woken-by-the-client", "reference"]


def test_a_server_of_somebody_else_is_given_no_history(tmp_path: Path) -> None:
    options = CheckOptions(
        scenarios=("long-history",), out=str(tmp_path), seed=1, tier="deep", model_url="http://127.0.0.1:9/v1"
    )
    check = Check.plan(options, lambda: meet(["url:http://127.0.0.1:9"], ["plain"], build=False))
    assert [row.reason.partition(":9 ")[2] for row in check.not_run] == [
        "gives nobody its disk to seed a history on: use pypi:VERSION, src:DIR or docker:IMAGE"
    ]


def test_trials_of_one_target_stand_side_by_side(tmp_path: Path) -> None:
    options = CheckOptions(scenarios=("calm", "kill-tool-running"), out=str(tmp_path), seed=1, repetitions=2)
    targets = ["reference", "reference:never-closes"]
    check = Check.plan(options, lambda: meet(targets, ["reference", "plain"], build=False))
    assert [order.target for order in check.orders] == [target for target in targets for _ in range(6)]
    served = [order.name for order in check.orders if order.target == "reference"]
    assert served == [
        "calm_reference_reference",
        "calm.2_reference_reference",
        "kill-tool-running_plain_reference",
        "kill-tool-running.2_plain_reference",
        "calm_plain_reference",
        "calm.2_plain_reference",
    ]
    assert len({order.key for order in check.orders}) == len(check.orders)
