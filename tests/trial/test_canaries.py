"""Secrets that are looked for: what a finding says of the place, and that the secret itself is written nowhere."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx

from tailproof.adapters.openhands.adapter import ADAPTERS
from tailproof.adapters.openhands.name import PROTOCOL
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker
from tailproof.scenario.schema import Scenario
from tailproof.trial.canaries import Lookout
from tailproof.trial.webhooks import TrialHooks

HOOKED = {
    "name": "hooked",
    "family": "access",
    "summary": "Events are posted.",
    "script": [{"finish": "."}],
    "server": {"hooks": {"batch": 5, "flush_s": 1}},
}
VALUE = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def test_a_finding_shows_what_stands_around_the_secret_and_never_the_secret(tmp_path: Path) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    planted = {"secret TOKEN": VALUE}
    long = "INFO " + "." * 300
    with Recorder(tmp_path, header, masker=Masker(planted), planted=planted) as recorder:
        lookout = Lookout(recorder)
        lookout.look(f'{{"detail": [{{"input": "{VALUE}", "loc": []}}]}}'.encode(), "answer", "POST /work 422")
        lookout.look_at_log(f"{long} GET /events?key={VALUE} accepted {long}\nnothing here")
    answer, line = History.load(tmp_path).canaries
    assert (answer.place, answer.detail) == ("answer", "POST /work 422")
    assert answer.around == '{"detail": [{"input": "<secret:secret TOKEN>", "loc": []}]}'
    assert (line.place, line.detail) == ("log", "line 1 of the last 2 of the server's output, read at the end")
    assert line.around.startswith("…....")
    assert " GET /events?key=<secret:secret TOKEN> accepted INFO ...." in line.around
    assert line.around.endswith("....…")
    assert len(line.around) < 210
    assert not any(VALUE in file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_what_is_posted_to_a_webhook_is_looked_through_but_for_the_key_that_belongs_there(tmp_path: Path) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    planted = {"secret TOKEN": VALUE}
    scenario = Scenario.model_validate(HOOKED)
    with (
        Recorder(tmp_path, header, masker=Masker(planted), planted=planted) as recorder,
        ExitStack() as removal,
    ):
        lookout = Lookout(recorder)
        hooks = TrialHooks(scenario, ADAPTERS[PROTOCOL], recorder, removal, lookout)
        hooks.start()
        assert hooks.receiver is not None
        for fields, body in (({"X-Session-API-Key": VALUE}, "[]"), ({"X-Note": VALUE}, "[]"), ({}, f'["{VALUE}"]')):
            httpx.post(f"{hooks.receiver.url}/events/{'0' * 32}", headers=fields, content=body)
        hooks.close()
        lookout.end()
    found = [(one.place, one.detail) for one in History.load(tmp_path).canaries if one.stage == "seen"]
    assert found == [("hook", "the field x-note"), ("hook", "the body at /events")]
    assert any(one.place == "hook" and one.amount for one in History.load(tmp_path).canaries if one.stage == "searched")
