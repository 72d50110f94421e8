"""Every figure that a scenario computes with has somebody who says so."""

import pytest
from click.testing import CliRunner

from emulators.citations import citations
from emulators.scenarios import SCENARIOS
from tui.cli import cli


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_chips_engines_and_the_model_are_there(name: str) -> None:
    scenario = SCENARIOS[name]
    told = citations(scenario)
    of = {one.of for one in told}
    assert scenario.model in of
    for worker in scenario.workers:
        assert {value for key in ("chip", "engine") if (value := getattr(worker, key, None))} <= of
    assert all(one.source and one.date for one in told)
    assert len(set(told)) == len(told)


def test_the_command_says_who_and_what_is_assumed() -> None:
    told = CliRunner().invoke(cli, ["demo", "face-off", "--sources"])
    assert told.exit_code == 0
    lines = told.output.splitlines()
    assert any(
        line.startswith("H100-SXM") and "peak.memory_bytes_per_s" in line and "aiconfigurator" in line for line in lines
    )
    assert any(line.startswith("Groq-LPU-v1") and line.endswith("ASSUMED") for line in lines)
