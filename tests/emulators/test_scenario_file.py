"""Scenarios out of TOML: those that are shipped, a user's own, and what is said of a wrong one."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from emulators.scenario_file import ScenarioError, load, parse
from emulators.scenarios import SCENARIOS, build, scenario

TEXT = files("emulators.deployments").joinpath("portable.toml").read_text("utf-8")


def test_every_shipped_scenario_runs_and_is_deterministic() -> None:
    for name in SCENARIOS:
        one, other = (build(name, 3) for _ in range(2))
        events, again = one.advance(1_500_000_000), other.advance(1_500_000_000)
        assert len(events.deliveries) > 100, name
        assert events.deliveries.tobytes() == again.deliveries.tobytes()
        assert events.extras.tobytes() == again.extras.tobytes()
        assert events.decisions == again.decisions


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace('name = "portable"', 'name = "mine"'))
    mine = scenario(str(path))
    assert mine.name == "mine"
    assert mine.workers == SCENARIOS["portable"].workers
    assert build(str(path), 1).hello()["workers"][1]["device"] == "TPU"


def test_one_model_on_five_kinds_of_devices() -> None:
    cluster = build("portable", 2)
    cluster.advance(8 * 10**9)
    devices = {worker.id: worker.device for worker in cluster.workers if worker.role != "prefill"}
    decoded = {row["worker"] for row in cluster.truth()["placements"] if row["stage"] == "decode"}
    assert {devices[name] for name in decoded if name in devices} == {"GPU", "TPU", "Trainium", "LPU", "WSE"}
    assert {worker.model for worker in cluster.workers} == {"llama-3.1-8b"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "lpu"', 'kind = "fpga"', r"mine: \[\[worker\]\] 5: kind is one of gpu, lpu.*'fpga'"),
        ("slots = 16", "slot = 16", r"\[\[worker\]\] 5: unknown key 'slot'; known: .*slots"),
        ("slots = 16", 'slots = "many"', r"\[\[worker\]\] 5: .*slots"),
        ('role = "aggregated"', 'role = "draft"', r"\[\[worker\]\] 1: .*a GPU's role"),
        ('policy = "least-loaded"', 'policy = "best"', r"\[\[rule\]\] 1: .*unknown policy 'best'"),
        ("dram_bytes", "ram_bytes", r"\[host\]: unknown key 'ram_bytes'"),
        ("[host]", "[[host]]", r"\[host\]: must be a table"),
        ('model = "llama-3.1-8b"', 'model = "llama-9"', r"mine: unknown model 'llama-9'"),
        ('model = "llama-3.1-8b"', "", "mine: .*model"),
        ('about = "', 'whereabouts = "', "mine: unknown key 'whereabouts'"),
        ("[[load]]", "[[loads]]", r"at least one \[\[load\]\]"),
        ("=", "", "not TOML"),
    ],
)
def test_a_wrong_file_says_where(old: str, new: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        parse(TEXT.replace(old, new), "mine")


def test_a_load_like_another_is_that_one_but_for_what_it_says() -> None:
    more = '\n[[load]]\nname = "twin"\nlike = "chat"\nlabels = ["b"]\n[[load]]\nname = "third"\nlike = "twin"\nrate = 9.0\n'
    one, *_, twin, third = parse(TEXT + more, "mine").load
    assert twin == replace(one, name="twin", like="chat", labels=("b",))
    assert third == replace(twin, name="third", rate=9.0)
    for wrong in ('name = "x"\nlike = "nobody"', 'name = "x"\nlike = "x"', "like = 3"):
        with pytest.raises(ScenarioError, match=r"\[\[load\]\] \d: like is the name of a \[\[load\]\] before it"):
            parse(f"{TEXT}\n[[load]]\n{wrong}\n", "mine")
    with pytest.raises(ScenarioError, match="name"):
        parse(f'{TEXT}\n[[load]]\nlike = "chat"\n', "mine")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "none.toml", SCENARIOS)
    large = tmp_path / "large.toml"
    large.write_text("#" * (2 << 20))
    with pytest.raises(ScenarioError, match="more than 1048576"):
        load(large, SCENARIOS)
