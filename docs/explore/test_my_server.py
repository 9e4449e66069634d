"""Whatever situation is drawn, the server keeps its promises: `pytest test_my_server.py` in an environment with tailproof."""

import os

from hypothesis import HealthCheck, given, seed, settings

from tailproof.explore import broken, scenarios

TARGET = os.environ.get("TARGET", "pypi:newest")


@seed(1)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenario=scenarios(most_faults=2))
def test_no_situation_breaks_a_promise(scenario):
    assert broken(scenario, TARGET) == []
