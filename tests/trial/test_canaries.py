"""Secrets that are looked for: what a finding says of the place, and that the secret itself is written nowhere."""

from __future__ import annotations

from pathlib import Path

from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker
from tailproof.trial.canaries import Lookout

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
