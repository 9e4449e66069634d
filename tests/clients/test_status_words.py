"""What a script waits for, read from its source."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailproof import resources
from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.status_words import SourceError, waited_for

GET = 'client.get(f"/api/conversations/{cid}").json()'


def words(source: str) -> list[tuple[int, tuple[str, ...]]]:
    """(line, words) of everything that is waited for."""
    return [
        (int(one.source.rpartition(":")[2]), one.words)
        for one in waited_for(textwrap.dedent(source), "poll.py", OpenHands.status_reads)
    ]


WAITS = {
    "loop-until-equal": ("while info['execution_status'] != 'stopped': wait()", 1, ["stopped"]),
    "loop-until-equal-reversed": ("while 'stopped' != info['execution_status']: wait()", 1, ["stopped"]),
    "loop-until-not-not-equal": ("while not info['execution_status'] == 'stopped': wait()", 1, ["stopped"]),
    "loop-until-in-tuple": (
        "while i.execution_status not in ('finished', 'stopped'): wait()",
        1,
        ["finished", "stopped"],
    ),
    "loop-with-deadline": ("while now() < end and s.agent_status != 'stopped': wait()", 1, ["stopped"]),
    "loop-with-walrus": ("while (word := i.get('execution_status')) not in {'done'}: wait()", 1, ["done"]),
    "break": ("while True:\n  if i['execution_status'] == 'stopped': break", 2, ["stopped"]),
    "return": ("def f():\n  if i['execution_status'] == 'stopped':\n    return 1", 2, ["stopped"]),
    "raise": ("if i['execution_status'] == 'failed': raise ValueError", 1, ["failed"]),
    "exit": ("if i['execution_status'] == 'failed':\n  sys.exit(1)", 1, ["failed"]),
    "exit-unless": ("if i['execution_status'] != 'stopped': sys.exit(1)", 1, ["stopped"]),
    "else-exit": ("if i['execution_status'] == 'stopped':\n  print()\nelse:\n  raise ValueError", 1, ["stopped"]),
    "continue-unless": ("while True:\n  if i['execution_status'] != 'stopped':\n    continue\n  break", 2, ["stopped"]),
    "flag": ("while not done:\n  if i['execution_status'] == 'stopped':\n    done = True", 2, ["stopped"]),
    "assigned-flag": ("while not done:\n  done = i['execution_status'] == 'stopped'", 2, ["stopped"]),
    "predicate": ("def done(i):\n  return i.execution_status in ['stopped']", 2, ["stopped"]),
    "lambda": ("until(lambda: get()['execution_status'] == 'stopped')", 1, ["stopped"]),
    "assert": ("assert i['execution_status'] == 'stopped'", 1, ["stopped"]),
    "match": (
        "while True:\n  match i['execution_status']:\n    case 'finished' | 'stopped':\n      break",
        3,
        ["finished", "stopped"],
    ),
    "named-set": (
        "ENDED = {'finished', 'stopped'}\nwhile s['execution_status'] not in ENDED: wait()",
        2,
        ["finished", "stopped"],
    ),
    "named-set-after-use": (
        "def f():\n  while s['execution_status'] not in ENDED: wait()\nENDED = ('stopped',)",
        2,
        ["stopped"],
    ),
    "named-frozenset": ("E = frozenset(['a'])\nwhile s['execution_status'] not in E: wait()", 2, ["a"]),
    "union-of-sets": ("A = {'a'}\nwhile s['execution_status'] not in A | {'b'}: wait()", 2, ["a", "b"]),
    "named-word": ("DONE = 'stopped'\nwhile s['execution_status'] != DONE: wait()", 2, ["stopped"]),
    "enum-member": (
        "class S(str, Enum):\n  STOPPED = 'stopped'\nwhile s['execution_status'] != S.STOPPED: wait()",
        3,
        ["stopped"],
    ),
    "enum-value": (
        "class S(Enum):\n  STOPPED = 'stopped'\nwhile s['execution_status'] != S.STOPPED.value: wait()",
        3,
        ["stopped"],
    ),
    "argument": ("def w(word):\n  while g()['execution_status'] != word: wait()\nw('stopped')", 2, ["stopped"]),
    "default": ("def w(word='stopped'):\n  while g()['execution_status'] != word: wait()\nw()", 2, ["stopped"]),
    "any-name": ("x = i['execution_status']\nwhile x != 'stopped': x = i['execution_status']", 2, ["stopped"]),
    "getattr": ("while getattr(i, 'execution_status', None) != 'stopped': wait()", 1, ["stopped"]),
    "or-nothing": ("x = i.get('execution_status') or ''\nwhile x != 'stopped': wait()", 2, ["stopped"]),
    "folded": ("while i['execution_status'].upper() != 'STOPPED': wait()", 1, ["stopped"]),
    "as-text": ("while str(i.state.execution_status) != 'stopped': wait()", 1, ["stopped"]),
    "enum-of-sdk": ("while c.state.execution_status.value != 'stopped': wait()", 1, ["stopped"]),
    "awaited": ("async def f():\n  while (await g())['execution_status'] != 'stopped': wait()", 2, ["stopped"]),
    "route-and-status": (f"while {GET}['status'] != 'stopped': wait()", 1, ["stopped"]),
    "route-and-state": (f"info = {GET}\nwhile info['state'] != 'stopped': wait()", 2, ["stopped"]),
    "route-by-name": (
        "URL = base + '/api/conversations'\nstatus = get(f'{URL}/{cid}').json()['status']\nwhile status != 'stopped': wait()",
        3,
        ["stopped"],
    ),
    "route-in-function": (
        f"def info():\n  return {GET}\nwhile info().get('status') != 'stopped': wait()",
        3,
        ["stopped"],
    ),
    "route-as-argument": (
        "def w(url):\n  while get(url).json()['status'] != 'stopped': wait()\nw(f'{b}/api/conversations/{i}')",
        2,
        ["stopped"],
    ),
    "route-in-method": (
        f"class A:\n  def read(self):\n    self.info = {GET}\n  def w(self):\n    while self.info['status'] != 'stopped': wait()",
        5,
        ["stopped"],
    ),
    "surely-a-status-called-ready": ("while i['execution_status'] != 'ready': wait()", 1, ["ready"]),
}

WAITS_NOT = {
    "init-state": "while get('/api/init').json()['state'] != 'ready': wait()",
    "init-state-by-name": "state = get(f'{b}/api/init').json()['state']\nif state == 'failed': raise ValueError",
    "init-state-in-function": "def state():\n  return get('/api/init').json()['state']\nwhile state() != 'up': wait()",
    "init-state-through-one-method": (
        "class A:\n  def get(self, path):\n    return self.h.get(path).json()\n"
        "  def w(self):\n    self.get(f'/api/conversations/{i}')\n"
        "    while self.get('/api/init')['state'] != 'dormant': wait()"
    ),
    "health": "while get('/health').json()['status'] != 'ok': wait()",
    "ready": "while get('/ready').json().get('status') != 'ready': wait()",
    "code": "while get(f'/api/conversations/{i}').status_code != 200: wait()",
    "other-service": "while get(f'{HUB}/repos/x/runs/1').json()['status'] != 'completed': wait()",
    "other-service-about-a-conversation": (
        f"cid = {GET}['id']\njob = get(f'{{hub}}/jobs/{{cid}}').json()\nwhile job['status'] != 'completed': wait()"
    ),
    "command-of-a-conversation": "while get(f'/api/conversations/{i}/bash/1').json()['status'] != 'exited': wait()",
    "events": "items = get(f'/api/conversations/{i}/events/search').json()\nif items['status'] == 'x': raise ValueError",
    "unknown-origin": "def f(job):\n  while job.status != 'completed': wait()",
    "dispatch-on-key": "if event['key'] == 'execution_status': raise ValueError",
    "said-only": "while True:\n  if i['execution_status'] == 'starting': print('starting')",
    "not-equal-said-only": "if i['execution_status'] != 'weird': print('fine')",
    "keeps-waiting": "while i['execution_status'] == 'starting': wait()",
    "keeps-waiting-in": "while i['execution_status'] in ('queued', 'running'): wait()",
    "leaves-when-gone": "while True:\n  if i['execution_status'] not in ('queued', 'running'): break",
    "goes-on": "while True:\n  if i['execution_status'] == 'queued': continue\n  break",
    "branch-behind-another": (
        "while True:\n  if i['execution_status'] == 'queued':\n    if late(): raise ValueError\n    wait()"
    ),
    "variable": "last = ''\nwhile True:\n  s = i['execution_status']\n  if s == last: continue\n  last = s",
    "compared-with-itself": "x = i['execution_status']\nx = x or y\nwhile x != x: wait()",
    "number": "while i['execution_status'] != 3: wait()",
    "match-said-only": "match i['execution_status']:\n  case 'queued':\n    print()",
    "no-comparison": "print(i['execution_status'])",
    "recursion": "def f(x):\n  return f(x)\nwhile f(1) != 'stopped': wait()",
}


@pytest.mark.parametrize(("source", "line", "expected"), WAITS.values(), ids=WAITS.keys())
def test_it_waits_for(source: str, line: int, expected: list[str]) -> None:
    assert words(source) == [(line, tuple(expected))]


@pytest.mark.parametrize("source", WAITS_NOT.values(), ids=WAITS_NOT.keys())
def test_it_does_not_wait_for(source: str) -> None:
    ast.parse(source)
    assert words(source) == []


def test_the_places_come_in_the_order_of_the_lines() -> None:
    source = """\
        while info["execution_status"] != "stopped":
            wait()
        while info["execution_status"] != "gone":
            wait()
    """
    assert [one.source for one in waited_for(textwrap.dedent(source), "poll.py", OpenHands.status_reads)] == [
        "poll.py:1",
        "poll.py:3",
    ]


def test_a_source_that_cannot_be_read_says_where() -> None:
    with pytest.raises(SourceError, match=r"poll\.py:2: "):
        waited_for("x = 1\nwhile:\n", "poll.py", OpenHands.status_reads)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("poll_terminal.py", {"finished", "error", "stuck", "running"}),
        ("deferred_init.py", {"finished", "error", "stuck", "running"}),
        ("poll_stopped.py", {"stopped", "running"}),
        ("deferred_init_stopped.py", {"stopped", "running"}),
    ],
)
def test_of_the_shipped_scripts(script: str, expected: set[str]) -> None:
    file = resources.folder("fixtures") / "scripts" / script
    found = {word for one in waited_for(file.read_bytes(), script, OpenHands.status_reads) for word in one.words}
    assert found <= expected
    assert expected - {"running"} <= found


@given(st.lists(st.sampled_from(["finished", "error", "stopped", "done", "idle"]), min_size=1, max_size=4, unique=True))
def test_any_set_of_words_is_found_whole_wherever_it_stands(chosen: list[str]) -> None:
    for form in ("({},)", "[{}]", "{{{}}}", "frozenset([{}])"):
        constant = form.format(", ".join(map(repr, chosen)))
        assert words(f"while i['execution_status'] not in {constant}: pass") == [(1, tuple(chosen))]
        assert words(f"E = {constant}\nwhile i['execution_status'] not in E: pass") == [(2, tuple(chosen))]


def test_names_that_lead_to_each_other_end() -> None:
    chain = "\n".join(
        f"def f{n}(x):\n  a = f{n + 1}(x)\n  a = f{n + 1}(a)\n  return a or f{n + 1}(1)" for n in range(40)
    )
    assert words(f"{chain}\nwhile f0(1) != 'stopped': pass") == []
