"""Faults in the emulated world, seen over the wire: named rightly, and nothing is named where nothing is wrong. All of them, with five seeds: `make verdicts`."""

from dataclasses import replace

import pytest

from bench.verdicts import CASES, LOADED, Case, judged, watched

QUICK = {
    "C2C desync": ("c2c-desync:lpu-0/0@22s", 34.0),
    "straggler that decodes": ("straggler:gpu-1/0@20s", 34.0),
    "link flap": ("link-flap:gpu-0/0.egress@20s", 34.0),
}
"""The same as `bench.verdicts` has it, over before the figures of every seed have settled."""


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", QUICK)
async def test_a_fault_is_named(name: str, seed: int) -> None:
    fault, seconds = QUICK[name]
    case: Case = replace(next(one for one in CASES if one.name == name), fault=fault, seconds=seconds)
    said = await watched(case.scenario, seed, case.seconds, case.fault)
    assert judged(case, said) == "right"
    began = float(fault.partition("@")[2].removesuffix("s"))
    assert all(said.at[one] >= began for one in said.all_ & case.right)


@pytest.mark.parametrize("scenario", ["disaggregated", "portable"])
async def test_nothing_is_named_where_nothing_is_wrong(scenario: str) -> None:
    said = await watched(scenario, 1, 30.0)
    assert {one.kind for one in said.all_} <= LOADED
