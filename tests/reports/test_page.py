"""The page: readable without scripts, whole, harmless, and within its size."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kept_check import kept_check
from seen_pages import HOSTILE, Seen, index_of, page_of
from small_check import check, several, trial, verdict

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports import markdown, terminal
from tailproof.reports.gate import decide
from tailproof.reports.page.coverage import coverage
from tailproof.reports.page.names import named
from tailproof.reports.page.proofs import counters, in_short
from tailproof.reports.page.render import MOST_BYTES, Island, render, write
from tailproof.reports.page.summary import SIGNS
from tailproof.reports.result import (
    EvidenceResult,
    ExpiredResult,
    FaultResult,
    KnownResult,
    NecessityResult,
    NotRunResult,
    Result,
    TrialResult,
    UnreachableResult,
)
from tailproof.reports.words import STANDINGS


def result_of(*trials: TrialResult, **more: Any) -> Result:
    return msgspec.structs.replace(check(), **({"trials": trials, "gate": decide(trials)} | more))


RESULTS = {
    "closed": check,
    "open": lambda: result_of(trial(verdict())),
    "unknown": lambda: result_of(trial(verdict(Outcome.INCONCLUSIVE, says="nobody subscribed"))),
    "several pairs": several,
    "no trial": result_of,
    "failed": lambda: result_of(trial(error="port 8000 is in use")),
}


# -- what it says ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sign", "says"),
    [
        ("closed", "✗", "Failed – gate closed"),
        ("open", "✓", "Passed – gate open"),
        ("unknown", "?", "Undecided – could not tell"),
    ],
)
def test_the_state_of_the_gate_is_a_sign_and_a_word(name: str, sign: str, says: str) -> None:
    seen = Seen(page_of(RESULTS[name]()))
    (heading,) = seen.all("h1")
    assert "tp-gate" in (heading["class"] or "")
    assert f"{sign}{says}" in seen.text()


def test_the_bar_counts_what_the_gate_counted() -> None:
    text, counts = Seen(page_of(check())).text(), check().gate.counts
    for said in (
        f"✗{counts.violated} violated",
        f"✓{counts.holds} hold",
        f"faults {counts.proven} of {counts.faults} proven",
        f"not run {counts.not_run}",
        f"trials {counts.trials}",
    ):
        assert said in text


def test_what_is_broken_stands_at_the_top_in_a_line_each() -> None:
    long = "nothing of it came back; " * 9
    broken = [
        verdict(Outcome.VIOLATED, guarantee=f"events.x{number}", says=says, signature="s")
        for number, says in enumerate(["it is gone", long, *["it is late"] * 8])
    ]
    page = page_of(result_of(trial(*broken), trial(*broken)))
    top = Seen(page[: page.index("<main")] + "</body></html>").text()
    assert "10 guarantees are broken in 1 of 1 scenario." in top
    assert (
        "✗it is gone MUST events.x0, without any fault: 2 of 2 trials of calm ✗nothing of it came back MUST events.x1"
        in top
    )
    assert "and 2 more" in top
    assert top.count("it is late") == 6
    nine = Seen(page_of(result_of(trial(*broken[:9])))).text()
    assert nine.index("MUST events.x8,") < nine.index("Verdicts, one for each guarantee")
    assert 'href="#card-violated-2"' in page
    assert "Verdicts, one for each guarantee in each trial ✗20 violated" in top


@pytest.mark.parametrize(
    ("name", "at_s", "ended", "under", "apart"),
    [
        ("user.send-spoiled", 1.5, 2.0, ", under user.send-spoiled", False),
        ("user.send-spoiled", 9.0, None, ", under user.send-spoiled", False),
        ("user.send-spoiled", 0.5, None, "", True),
        ("user.send-spoiled", 9.0, 2.0, "", True),
        ("user.send-spoiled", None, 2.0, "", False),
        ("process.kill", 9.0, 2.0, ", under process.kill", False),
        ("process.kill", 0.5, 2.0, "", True),
    ],
)
def test_a_finding_is_put_under_a_fault_only_where_its_evidence_lies_in_it(
    name: str, at_s: float | None, ended: float | None, under: str, apart: bool
) -> None:
    act = FaultResult(
        fault="f",
        name=name,
        act=name.startswith("user."),
        says="",
        scope="",
        injected_at_s=1,
        healed_at_s=ended,
        proven=True,
    )
    evidence = () if at_s is None else (EvidenceResult(witness="trial", seq=9, at_s=at_s, says="key in log"),)
    page = page_of(result_of(trial(verdict(Outcome.VIOLATED, signature="s", evidence=evidence), faults=(act,))))
    text = Seen(page).text()
    assert f"MUST events.tail{under}: 1 of 1 trial of calm" in text
    assert ("; the evidence lies outside it" in text) is apart


def test_an_open_gate_says_how_much_was_judged() -> None:
    known = KnownResult(reason="it forgets", link="https://example.org/1", entry="b:1")
    judged = (
        verdict(),
        verdict(Outcome.NOT_APPLICABLE, guarantee="loop.once"),
        verdict(
            Outcome.VIOLATED, guarantee="events.middle", says="3 are gone", signature="s", hurts="users", known=known
        ),
    )
    page = page_of(result_of(trial(*judged)))
    assert (
        "Nothing that closes a gate was found: 2 of 3 guarantees were judged, in 1 trial of 1 scenario. "
        "1 violation is known: the baseline lists it, with a reason. The gate is what CI goes by. "
        "◐3 are gone Hurts users. Known: it forgets. MUST events.middle, without any fault: 1 of 1 trial of calm"
        in Seen(page).text()
    )
    fold = re.search(r'<details class="tp-fold"><summary>(.*?)</summary>', page[page.index('id="known"') :], re.DOTALL)
    assert fold is not None
    assert "Known: it forgets. Hurts users." in fold[1]


@pytest.mark.parametrize(
    ("violated", "level", "allowed", "says"),
    [
        (True, Level.MUST, 0, "2 verdicts could not be decided; the gate is closed by what was violated anyway."),
        (False, Level.SHOULD, 0, "2 verdicts could not be decided, at a level that does not decide."),
        (False, Level.MUST, 3, "2 verdicts could not be decided, as --allow-inconclusive 3 allows."),
        (
            False,
            Level.MAY,
            1,
            "3 verdicts could not be decided: --allow-inconclusive 1 allows 1 of them, the others are of a level that does not decide.",
        ),
    ],
)
def test_what_could_not_be_decided_is_weighed(violated: bool, level: Level, allowed: int, says: str) -> None:
    judged = [verdict(Outcome.VIOLATED if violated else Outcome.HOLDS, signature="s" if violated else "")]
    judged += [verdict(Outcome.INCONCLUSIVE, guarantee=f"loop.x{number}", level=level) for number in range(2)]
    if allowed == 1:
        judged.append(verdict(Outcome.INCONCLUSIVE, guarantee="loop.must"))
    trials = (trial(*judged),)
    result = result_of(*trials, gate=decide(trials, allow_inconclusive=allowed))
    assert says in Seen(page_of(result)).text()


def test_the_same_doubt_of_several_trials_is_told_once() -> None:
    unsure = trial(verdict(Outcome.INCONCLUSIVE, says="nobody subscribed"))
    text = Seen(page_of(result_of(unsure, unsure, unsure))).text()
    assert text.count("events.tail[calm] is inconclusive: nobody subscribed (3 times)") == 1
    assert "They leave the gate undecided (exit code 2)." in text


def test_the_package_that_was_judged_stands_at_the_top() -> None:
    environment = msgspec.structs.replace(check().environment, versions={"package": "an-agent-server", "server": "1.2"})
    assert "tailproof report on an-agent-server 1.2" in Seen(page_of(result_of(environment=environment))).text()


def test_a_card_tells_all_that_a_person_needs() -> None:
    page = page_of(check())
    card = page[page.index('id="card-violated-1"') : page.index("</article>")]
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", "", card)).replace("&#39;", "'")
    for needed in (
        "events.tail MUST missing-tail 1 of 1 trial of stream-lag; holds in the other one",
        "6 of the last 10 events were missing when run() returned",
        "When the client's run returns, it holds the first 10 and the last 10 events of the log. Source: OpenHands PR 1865",
        "wire.delay 3.400 s to 11.900 s, ✓proven rule.lag.done 11, frames.down 13",
        "edge 10, missing 6",
        "event-01",
        "client:41 9.120 s run() returned with status running",
        "tailproof repro histories/stream-lag",
    ):
        assert needed in text
    assert 'href="#t=stream-lag&amp;r=client:41" data-open-trial="stream-lag" data-record="client:41"' in card


def test_the_issue_is_the_card_of_the_report() -> None:
    page = page_of(check())
    issue = re.search(r'<pre id="issue-violated-1"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert issue is not None
    assert issue[1].startswith("#### `events.tail[stream-lag]` MUST\n")


def test_the_same_finding_in_several_trials_is_one_card() -> None:
    hits = [trial(verdict(Outcome.VIOLATED, signature="s"), scenario=name) for name in ("calm", "calm", "stream-lag")]
    other = trial(verdict(), scenario="calm")
    page = page_of(result_of(*hits, other))
    assert page.count('<article class="tp-card"') == 1
    assert "3 of 4 trials" in page
    text = Seen(page).text()
    assert "calm 2 of 3 trials" in text
    assert "stream-lag 1 of 1 trials" in text


def test_a_finding_says_how_it_is_where_it_was_not_made() -> None:
    hit = trial(verdict(Outcome.VIOLATED, signature="s"))
    others = {
        "other": [verdict()],
        "another": [verdict(Outcome.VIOLATED, signature="t")],
        "third": [verdict(Outcome.INCONCLUSIVE)],
        "fourth": [verdict(Outcome.NOT_APPLICABLE)],
    }
    rest = [trial(*judged, scenario=name) for name, judged in others.items()]
    text = Seen(page_of(result_of(hit, *rest))).text()
    assert "1 of 1 trial of calm; of 3 others: holds in 1, violated in another way in 1, inconclusive in 1" in text
    assert "1 of 1 trial of calm; holds in the other one" in Seen(page_of(result_of(hit, rest[0]))).text()


def test_a_cell_of_several_trials_says_in_how_many_of_them() -> None:
    page = page_of(result_of(trial(verdict(Outcome.VIOLATED, signature="s")), trial(verdict()), trial(verdict())))
    assert re.search(r'<td class="tp-is-violated" title="violated">✗ 1/3</td>', page)
    assert "1/2: in one of two trials of the scenario" in Seen(page).text()


def test_what_the_evidence_says_is_said_once() -> None:
    said = EvidenceResult(witness="trial", seq=9, at_s=1.5, says="secret in answer")
    shared: dict[str, Any] = {"signature": "s", "expected": ("no secret",), "evidence": (said,)}
    once = page_of(result_of(trial(verdict(Outcome.VIOLATED, seen=("secret in answer",), **shared))))
    card = once[once.index("<article") : once.index('class="tp-actions"')]
    assert card.count("secret in answer") == 1
    assert "<b>Expected:</b> no secret. <b>Seen:</b> the evidence below." in card
    other = page_of(result_of(trial(verdict(Outcome.VIOLATED, seen=("something else",), **shared))))
    assert "something else" in other


def test_a_count_of_the_evidence_is_not_said_beside_it() -> None:
    said = EvidenceResult(witness="trial", seq=9, at_s=1.5, says="secret in answer")
    shared: dict[str, Any] = {"signature": "s", "measured": {"times_seen": 2}}
    for evidence, told in (((said, said), False), ((said,), True)):
        page = page_of(result_of(trial(verdict(Outcome.VIOLATED, evidence=evidence, **shared))))
        assert ("<dt>measured</dt><dd>times seen 2</dd>" in page) is told


def test_a_finding_says_whom_it_hurts_and_its_words_are_explained() -> None:
    page = page_of(result_of(trial(verdict(Outcome.VIOLATED, signature="s", hurts="whoever reads the log"))))
    top = Seen(page[: page.index("<main")] + "</body></html>").text()
    assert "Hurts whoever reads the log. MUST events.tail, without any fault: 1 of 1 trial of calm" in top
    for word in ("gate", "guarantee", "trial", "verdict", "fault", "act", "witness", "baseline", "scenario"):
        assert f'<dt id="word-{word}">' in page
    assert '<a class="tp-word" href="#word-gate">' in page


def test_known_violations_stand_with_reason_and_link() -> None:
    known = KnownResult(
        reason="the lease is honoured", link="https://example.org/1", entry="b:1", last_seen="1", extended_to="2"
    )
    page = page_of(result_of(trial(verdict(Outcome.VIOLATED, signature="s", known=known))))
    assert "the lease is honoured; last seen on 1, extended to 2" in Seen(page).text()
    assert '<a href="https://example.org/1" rel="noreferrer">' in page
    assert 'id="card-known-1"' in page


def test_what_was_not_run_stands_with_its_reason() -> None:
    text = Seen(page_of(check())).text()
    for missing in check().not_run:
        assert missing.scenario in text
        assert missing.reason in text


def test_everything_that_could_not_be_told_is_said() -> None:
    result = check()
    text = Seen(page_of(result)).text()
    assert result.gate.doubts
    for doubt in result.gate.doubts:
        assert doubt in text


def test_the_environment_has_versions_and_digests() -> None:
    text = Seen(page_of(check())).text()
    for name, said in check().environment.versions.items():
        called = "server release" if name == "server" else name
        assert name == "harness" or f"{called}{said}" in text


def test_a_proof_is_counters_before_and_after_and_who_keeps_them() -> None:
    fault = FaultResult(
        fault="oom", name="memory.server", says="", scope="", injected_at_s=1, healed_at_s=2, proven=True,
        proof={"OOM kills before": 0.0, "OOM kills after": 1.0, "exit code": 137, "survivors": ["tmux " * 90, "sh"]},
    )  # fmt: skip
    told = [(one.name, one.before, one.after, one.owner) for one in counters(fault)]
    assert told == [
        ("OOM kills", "0", "1", "the kernel"),
        ("exit code", "", "137", "the engine"),
        ("survivors", "", "2", "the kernel"),
    ]
    assert in_short(fault) == "OOM kills 0 → 1, exit code 137, survivors 2"


def test_frames_on_both_sides_of_the_wire_are_one_counter() -> None:
    proof = {"down.frames_in": 40, "down.frames_out": 37}
    fault = FaultResult(
        fault="f", name="wire.drop", says="", scope="", injected_at_s=1, healed_at_s=2, proven=True, proof=proof
    )
    assert in_short(fault) == "down.frames in 40 → out 37"


def test_the_map_shows_where_faults_landed() -> None:
    def fault(at: str, *, proven: bool, act: bool = False) -> FaultResult:
        return FaultResult(
            fault="f", name="process.kill", act=act, at=at, says="", scope="", injected_at_s=1, healed_at_s=2, proven=proven
        )  # fmt: skip

    trials = [
        trial(faults=(fault("tool-running:1", proven=True), fault("terminal", proven=False))),
        trial(faults=(fault("tool-running:2", proven=True), fault("end", proven=True, act=True))),
    ]
    row = coverage(trials).faults["process.kill"]
    assert {point: (one.state, one.proven, one.tried) for point, one in row.items()} == {
        "tool-running": ("proven", 2, 2),
        "terminal": ("unproven", 0, 1),
    }
    assert set(coverage(trials).acts["process.kill"]) == {"end"}
    text = Seen(page_of(result_of(*trials))).text()
    assert "✓2" in text
    assert "✗0 of 1" in text


def test_the_map_shows_what_an_exploration_could_not_prove_and_what_was_decided() -> None:
    proven = FaultResult(
        fault="f", name="wire.drop", at="created", says="", scope="", injected_at_s=1, healed_at_s=2, proven=True
    )
    in_vain = UnreachableResult(fault="wire.drop", at="created", times=2, why="it had no effect")
    decided = [verdict(), verdict(Outcome.INCONCLUSIVE, guarantee="loop.once")]
    one = coverage([trial(*decided, faults=(proven,))], [in_vain]).faults["wire.drop"]["created"]
    assert (one.proven, one.tried, one.guarantees) == (1, 3, {"events.tail"})


# -- how it is made -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_the_page_is_sound_html(make: Any) -> None:
    seen = Seen(page_of(make()))
    assert seen.all("html") == [{"lang": "en", "data-report": "tailproof"}]
    assert len(seen.all("h1")) == len(seen.all("main")) == 1
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for attrs in seen.all("a"):
        href = attrs["href"] or ""
        assert href.startswith(("#t=", "https://", "http://")) or href.removeprefix("#") in ids, href
    for _, attrs in seen.tags:
        assert attrs.get("data-copy", ids[0]) in ids
        assert attrs.get("aria-labelledby", ids[0]) in ids
        assert not any(name.startswith("on") or name == "style" for name in attrs)
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels)), levels
    for attrs in seen.all("th"):
        assert attrs.get("scope") in ("row", "col", "rowgroup")


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_every_trial_of_the_page_can_be_named_by_its_links(make: Any) -> None:
    result = make()
    page = page_of(result)
    keys = [one["key"] for one in index_of(page)["trials"]]
    assert len(set(keys)) == len(keys) == len(result.trials)
    opened = {attrs["data-open-trial"] for attrs in Seen(page).all("a") if "data-open-trial" in attrs}
    assert opened <= set(keys)


def test_the_index_is_the_grid() -> None:
    result = check()
    index = index_of(page_of(result))
    assert {guarantee["id"] for guarantee in index["guarantees"]} == {said.guarantee for _, said in result.judged()}
    for told, judged in zip(index["trials"], result.trials, strict=True):
        assert told["called"] == judged.called
        assert len(told["cells"]) == len(judged.verdicts)
        for (row, word, signature, first), said in zip(told["cells"], judged.verdicts, strict=True):
            assert index["guarantees"][row]["id"] == said.guarantee
            assert word in STANDINGS
            assert signature == said.signature
            assert first == (f"{said.evidence[0].witness}:{said.evidence[0].seq}" if said.evidence else "")


def test_repeated_trials_have_keys_of_their_own() -> None:
    trials = [trial(history=f"trials/calm{end}") for end in ("", ".1", ".2")]
    assert [one.key for one in named(trials)] == ["calm", "calm.1", "calm.2"]
    assert [one.key for one in named([trial(), trial()])] == ["calm", "calm~2"]
    assert [one.key for one in named([trial(history="trials/a b\u202e/../<c>")])] == ["-c-"]


def test_nothing_is_fetched_and_only_our_script_and_style_act() -> None:
    page = page_of(check())
    seen = Seen(page)
    (policy,) = [attrs["content"] or "" for attrs in seen.all("meta") if "http-equiv" in attrs]
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not seen.all("img", "link", "iframe", "object", "embed", "form", "base")
    assert not any("src" in attrs for _, attrs in seen.tags)
    assert "url(" not in page
    assert "@import" not in page


def test_without_a_script_the_table_is_open_and_no_script_is_allowed() -> None:
    page = page_of(check(), island=Island())
    assert "script-src" not in page
    assert re.search(r'<details class="tp-fold" open>\s*<summary>\d+ guarantees by', page)


@pytest.mark.parametrize("island", [Island(script="x = '</script>'"), Island(script="<!--"), Island(style="</STYLE>")])
def test_a_built_file_that_would_end_its_element_is_refused(island: Island) -> None:
    with pytest.raises(ValueError, match="a built file of the page holds"):
        page_of(check(), island=island)


def hostile() -> Result:
    fault = FaultResult(
        fault=HOSTILE, name=HOSTILE, at=HOSTILE, says=HOSTILE, scope=HOSTILE, injected_at_s=1, healed_at_s=2,
        proven=True, proof={HOSTILE: HOSTILE, "of": [HOSTILE]},
    )  # fmt: skip
    shared: dict[str, Any] = {
        "says": HOSTILE, "signature": HOSTILE, "expected": (HOSTILE,), "seen": (HOSTILE,),
        "measured": {HOSTILE: HOSTILE}, "repro": HOSTILE,
        "evidence": (EvidenceResult(witness=HOSTILE, seq=1, at_s=1, says=HOSTILE),),
    }  # fmt: skip
    known = KnownResult(reason=HOSTILE, link=f"https://x{HOSTILE}", entry=HOSTILE)
    judged = (
        verdict(Outcome.VIOLATED, guarantee=HOSTILE, **shared),
        verdict(Outcome.VIOLATED, guarantee=HOSTILE, level=Level.MAY, **shared),
        verdict(Outcome.VIOLATED, guarantee=HOSTILE, known=known, **shared),
        verdict(Outcome.INCONCLUSIVE, guarantee=HOSTILE, says=HOSTILE),
    )
    one = trial(*judged, scenario=HOSTILE, faults=(fault,), error=HOSTILE)
    one = msgspec.structs.replace(
        one,
        history=HOSTILE,
        summary=HOSTILE,
        family=HOSTILE,
        tier=HOSTILE,
        client=HOSTILE,
        target=HOSTILE,
        pair=HOSTILE,
    )
    environment = msgspec.structs.replace(check().environment, versions={HOSTILE: HOSTILE}, machine={HOSTILE: HOSTILE})
    return result_of(
        one,
        target=HOSTILE,
        client=HOSTILE,
        started=HOSTILE,
        tailproof=HOSTILE,
        environment=environment,
        not_run=(NotRunResult(scenario=HOSTILE, guarantee=HOSTILE, reason=HOSTILE),),
    )


def test_hostile_text_is_shown_and_does_nothing() -> None:
    page = page_of(hostile())
    calm = Seen(page_of(result_of(trial())))
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} - {tag for tag, _ in calm.tags} <= {"article", "h3", "h4", "ol", "pre"} | {
        tag for tag, _ in Seen(page_of(check())).tags
    }
    assert not seen.all("img")
    assert len(seen.all("script")) == 2
    assert {char for char in page if not char.isprintable()} <= {"\n", "\u200b"}, "the latter in Markdown, by us"
    assert "\\u202e" in seen.text()
    assert "<img src=x onerror=alert(1)>" in seen.text()
    assert all(char not in json.dumps(index_of(page), ensure_ascii=False) for char in "\u2028\u202e\x1b\x00")


def test_a_link_is_only_one_to_the_web() -> None:
    judged = verdict(Outcome.VIOLATED, signature="s")
    sources = ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://example.org/a?b=1&c")
    trials = [trial(msgspec.structs.replace(judged, guarantee=f"x.{n}", source=said)) for n, said in enumerate(sources)]
    links = [attrs["href"] for attrs in Seen(page_of(result_of(*trials))).all("a")]
    assert [link for link in links if not (link or "").startswith("#")] == ["https://example.org/a?b=1&c"]


# -- size -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [0.0, 1.0])
def test_a_page_has_its_size_whatever_the_run(odd: float) -> None:
    number = 3_000
    long = "é" * 5_000
    trials = tuple(
        trial(
            *(
                verdict(
                    Outcome.VIOLATED if n < odd * number else Outcome.HOLDS,
                    guarantee=f"events.x{m}", says=long, signature=f"s{n}", expected=(long,) * 50,
                    evidence=(EvidenceResult(witness="wire", seq=1, at_s=1, says=long),) * 30,
                )
                for m in range(3)
            ),
            scenario=f"scenario-{n}",
        )
        for n in range(number)
    )  # fmt: skip
    page = page_of(msgspec.structs.replace(check(), trials=trials))
    assert len(page.encode()) <= MOST_BYTES
    shown = len(index_of(page)["trials"])
    assert 0 < shown < number
    assert f"and {number - shown} more trials in" in Seen(page).text()


def test_what_is_odd_is_shown_of_very_many_trials() -> None:
    calm = [trial(verdict(), scenario=f"calm-{n}") for n in range(900)]
    bad = trial(verdict(Outcome.VIOLATED, signature="s"), scenario="bad")
    keys = [one["called"] for one in index_of(page_of(result_of(*calm, bad)))["trials"]]
    assert keys[-1] == "bad"


def test_real_trials_are_in_the_page_as_the_index_says(tmp_path: Path) -> None:
    result = kept_check(["OH-1554-bad", "OH-1832-good"], tmp_path)
    page = page_of(result, root=tmp_path)
    data = {attrs["data-key"] for attrs in Seen(page).all("script") if attrs.get("class") == "tp-trial"}
    assert data == {"OH-1554-bad", "OH-1832-good"}
    assert {one["key"]: one["data"] for one in index_of(page)["trials"]} == dict.fromkeys(data, "whole")
    assert page == page_of(result, root=tmp_path)


# -- the file -------------------------------------------------------------------------------------------------------------


def test_the_file_is_whole_and_alone(tmp_path: Path) -> None:
    places = [tmp_path / "report.html", tmp_path / "deep" / "er" / "page.html"]
    write(check(), places, root=None)
    assert {path.read_text() for path in places} == {render(check(), root=None, island=Island.shipped())}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "report.html"]


def test_a_secret_of_this_process_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a-session-key-of-32-characters-x"
    monkeypatch.setenv("TAILPROOF_SESSION_KEY", secret)
    said = trial(verdict(Outcome.VIOLATED, says=f"the key {secret} was told", signature="s"))
    write(result_of(said), [tmp_path / "report.html"], root=None)
    page = (tmp_path / "report.html").read_text()
    assert secret not in page
    assert "the key <secret:session key> was told" in Seen(page).text()


def test_signs_are_there_for_every_standing() -> None:
    assert SIGNS.keys() == STANDINGS.keys()
    assert len(set(SIGNS.values())) == len(SIGNS)


TRIED = (
    NecessityResult(
        guarantee="events.tail", scenario="stream-lag", signature="missing-tail", variant="with the fault",
        where="lag at created", hits=3, trials=3,
    ),
    NecessityResult(
        guarantee="events.tail", scenario="stream-lag", signature="missing-tail", variant="without it", trials=3, undecided=1,
    ),
    NecessityResult(
        guarantee="events.tail", scenario="stream-lag", signature="missing-tail", variant="one point later",
        why="there is no point before returned",
    ),
)  # fmt: skip


def test_a_card_tells_whether_its_fault_is_needed() -> None:
    page = page_of(msgspec.structs.replace(check(), necessity=TRIED))
    card = page[page.index('id="card-violated-1"') : page.index("</article>")]
    rows = [re.sub("<[^>]*>", "|", row).split("|") for row in re.findall(r"<tr><th scope=.row.>.*?</tr>", card)]
    assert [[part for part in row if part] for row in rows] == [
        ["with the fault", "lag at created", "3 of 3"],
        ["without it", "–", "0 of 3 (1 undecided)"],
        ["one point later", "–", "not run, there is no point before returned"],
    ]
    assert "tp-necessity" not in page_of(check())[page_of(check()).index("<body") :]


def test_the_other_writers_tell_it_in_a_line() -> None:
    result = msgspec.structs.replace(check(), necessity=TRIED)
    line = (
        "with the fault (lag at created) 3 of 3, without it 0 of 3 (1 undecided), "
        "one point later: not run, there is no point before returned"
    )
    assert f"**Needs the fault?** {line}" in markdown.render(result)
    assert line in " ".join(terminal.render(result, width=200).split())


def test_an_entry_that_expired_is_named() -> None:
    expired = ExpiredResult(entry="b.yaml:4", guarantee="loop.x", scenario="calm", signature="s", expires="2026-11-01")
    page = page_of(msgspec.structs.replace(check(), gate=msgspec.structs.replace(check().gate, expired=(expired,))))
    assert "Expired entries of the baseline" in page
    assert "2026-11-01" in page


def test_what_was_allowed_to_stay_open_is_named_and_counted() -> None:
    open_ = trial(verdict(), verdict(Outcome.INCONCLUSIVE, guarantee="loop.once", says="it was not run again"))
    gate = decide([open_], allow_inconclusive=1)
    page = page_of(msgspec.structs.replace(check(), trials=(open_,), gate=gate))
    assert gate.state == "open"
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", "", page[page.index("<body") :]))
    assert "loop.once[calm] is inconclusive: it was not run again (allowed)" in text
    assert "1 of them allowed" in text


def test_a_gate_that_only_an_expired_entry_closes_says_so_first() -> None:
    expired = ExpiredResult(entry="b.yaml:4", guarantee="loop.x", scenario="calm", signature="s", expires="2026-11-01")
    calm = trial(verdict())
    page = page_of(msgspec.structs.replace(check(), trials=(calm,), gate=decide([calm], expired=[expired])))
    assert "1 entry of the baseline has expired." in page
    assert "1 expired" in re.sub(r"\s+", " ", re.sub("<[^>]*>", "", page))
