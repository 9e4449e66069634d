"""Whatever situation is drawn, the server keeps its promises: TARGET=pypi:1.58.0 pytest test_my_server.py"""

import os

from hypothesis import Phase, given, seed, settings

from tailproof.explore import broken, scenarios


@seed(1)
@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(scenario=scenarios(most_faults=2))
def test_no_situation_breaks_a_promise(scenario):
    assert broken(scenario, os.environ.get("TARGET", "pypi:newest")) == []
