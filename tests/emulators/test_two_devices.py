"""Engines of two devices: attention beside FFN, draft beside verification. Stages of each token on the wire, conservation over primary stages, the physics and the counts."""

import itertools
import json
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from emulators import catalogue
from emulators.afd import Afd, attention_parameters, ffn_parameters
from emulators.cluster import Cluster
from emulators.deployment_specs import FfnSpec, VerifySpec
from emulators.emulation import Emulation
from emulators.events import STORED
from emulators.gpu import StepModel, StepNoise
from emulators.metrics import worker_page
from emulators.prompts import Prompts
from emulators.randomness import generator
from emulators.router import Rule
from emulators.scenario_file import ScenarioError, parse
from emulators.scenarios import build, scenario
from emulators.wire import Encoding, encoder
from tests.emulators.rig import Played, digest, play
from tests.emulators.test_abort import MS, asked

KINDS = {"afd": ("ffn", "SRAM", "attention", "HBM"), "speculative": ("verify", "HBM", "draft", "SRAM")}
"""Primary stage and its tier, the other stage and its tier."""
BOTH = pytest.mark.parametrize("name", list(KINDS))


@cache
def played(name: str) -> Played:
    return play(build(name, 4), [3.0, 3.02, 9.0])


def staged(name: str) -> tuple[Any, Any]:
    """Deliveries with another stage, and those stages, row by row."""
    events = played(name).events
    rows = events.deliveries[events.deliveries["extra"] > 0]
    assert len(rows) == len(events.extras) > 2_000
    return rows, events.extras


@BOTH
def test_each_token_has_both_stages_with_their_workers_on_the_wire(name: str) -> None:
    events = played(name).events
    roles = {row["slot"]: row["role"] for row in build(name, 4).hello()["workers"]}
    data = encoder(Encoding.NDJSON).deliveries(events.deliveries, events.extras)
    seen: Counter[tuple[str, ...]] = Counter()
    for line in data.splitlines():
        columns = json.loads(line)
        beside = zip(columns["x_worker"], columns["x_stage"], columns["x_tier"], strict=True)
        for worker, stage, tier, tokens, extra in zip(
            *(columns[key] for key in ("worker", "stage", "tier", "tokens", "extra")), strict=True
        ):
            others = [part for _ in range(extra) for other, *parts in [next(beside)] for part in (roles[other], *parts)]
            seen[(roles[worker], stage, tier, *others)] += tokens
        assert next(beside, None) is None
    primary, tier, other, its_tier = KINDS[name]
    firsts = len([row for row in events.deliveries if row["first_token"] == 0])
    assert seen == {
        ("prefill", "decode", "HBM"): firsts,
        (primary, primary, tier, other, other, its_tier): int(events.deliveries["tokens"].sum()) - firsts,
    }


@BOTH
def test_primary_stages_count_each_output_token_once(name: str) -> None:
    events, cluster = played(name).events, played(name).cluster
    begun: dict[int, list[tuple[int, str]]] = {}
    for row in played(name).rows("received"):
        begun.setdefault(row["stream"], []).append((row["time_ns"], row["request"]))
    made: Counter[str] = Counter()
    for delivery in events.deliveries:
        # A stream's number is given back at the last delivery at the earliest, and taken again before the first.
        those = begun[int(delivery["stream"])]
        request = those[bisect_left(those, (int(delivery["time_ns"]), "")) - 1][1]
        assert delivery["first_token"] == made[request], "token after token, none twice and none left out"
        made[request] += int(delivery["tokens"])
    finished = played(name).finished
    assert len(finished) > 20
    assert {request: made[request] for request in finished} == {
        request: end["output_tokens"] for request, end in finished.items()
    }
    truth = cluster.truth()
    assert sum(row["tokens"] for row in truth["placements"] if row["primary"]) == sum(made.values())
    assert sum(worker.stats.generation_tokens for worker in cluster.workers) == sum(made.values())
    (account,) = truth["deployments"]
    tokens = {row["stage"]: row["tokens"] for row in truth["placements"]}
    primary, _, other, _ = KINDS[name]
    assert account["tokens"] == tokens[primary] == tokens[other]
    assert (account["stage"], account["beside"]) == (primary, other)


@BOTH
def test_advances_may_be_split(name: str) -> None:
    whole = play(build(name, 4), [9.0])
    assert digest(whole.events) == digest(played(name).events)
    assert whole.cluster.truth() == played(name).cluster.truth()


@BOTH
def test_each_gap_holds_what_the_stages_took(name: str) -> None:
    rows, extras = staged(name)
    ends, begins = rows["time_ns"], extras["start_ns"]
    assert np.all(rows["start_ns"] + rows["duration_ns"] == ends)
    # Two crossings, of 5 µs in each of 80 layers of attention and FFN, or once there and back between draft and verification.
    links = 80 * 2 * 5_000 if name == "afd" else 5_000
    assert np.all(ends - begins >= rows["duration_ns"] + extras["duration_ns"] + links)
    last: dict[int, int] = {}
    for stream, time, begin in zip(rows["stream"].tolist(), ends.tolist(), begins.tolist(), strict=True):
        assert begin >= last.get(stream, 0), "a round begins when the one before is over"
        last[stream] = time


@BOTH
def test_what_is_given_up_leaves_nothing_behind(name: str) -> None:
    for at_ms in (0, 45, 70, 100, 140, 200):
        cluster = Cluster(replace(scenario(name), load=()), 7)
        one, other = (asked(number, 2_000, 400, Prompts(), "interactive") for number in ("h-1", "h-2"))
        cluster.ask(0, one)
        cluster.ask(0, other)
        cluster.give_up(at_ms * MS, one)
        run = play(cluster, [30.0])
        ends = {row["request"]: row for row in run.rows("finished")}
        assert (ends["h-1"]["reason"], ends["h-2"]["reason"]) == ("abort", "length")
        assert ends["h-2"]["output_tokens"] == 400
        assert run.events.deliveries["tokens"].sum() == sum(row["output_tokens"] for row in ends.values())
        assert all(pool["active_bytes"] == 0 for pool in cluster.truth()["pools"])
        assert all(worker.engine.pool.reserved == 0 for worker in cluster.workers)
        assert all(worker.stats.running + worker.stats.waiting == 0 for worker in cluster.workers)
        phases = {row["worker"]: row["phase_seconds"] for row in cluster.truth()["energy"]}
        assert all(sum(seconds.values()) == pytest.approx(30) for seconds in phases.values())
        assert all(seconds["idle"] > 20 for seconds in phases.values())


def test_a_gpu_decodes_what_another_has_ingested_and_no_prompt_holds_it_up() -> None:
    together, apart = (play(build(name, 4), [9.0]) for name in ("aggregated", "disaggregated"))
    truth = apart.cluster.truth()
    stages = {(row["worker"], row["stage"], row["primary"]) for row in truth["placements"]}
    assert {worker for worker, stage, _ in stages if stage == "prefill"} == {"gpu-0/0"}
    assert {worker for worker, stage, primary in stages if stage == "decode" and primary} == {
        "gpu-0/0",
        "gpu-1/0",
        "gpu-2/0",
    }
    assert "deployments" not in truth
    moved = [row for row in apart.events.phases if row["phase"] == "transfer"]
    assert {(row["worker"], row["tier"]) for row in moved} == {(1, "HBM"), (2, "HBM")}
    for slot in (1, 2):
        times = apart.cluster.workers[slot].stats.moved.peer_times
        assert times.count == len([row for row in moved if row["worker"] == slot])
        # A step without a prompt in it: beside the wait for the KV, no gap is far from the others.
        steps = np.diff(apart.events.deliveries["time_ns"][apart.events.deliveries["worker"] == slot])
        assert np.quantile(steps[steps > 0], 0.9) < 14e6
    gaps = {row["worker"]: row for row in truth["gaps"]}
    mixed = [row["p99_s"] for row in together.cluster.truth()["gaps"]]
    assert max(gaps[name]["p99_s"] for name in ("gpu-1/0", "gpu-2/0")) < min(mixed) / 2
    assert not len(apart.events.extras)


def test_kv_is_where_attention_is() -> None:
    cluster, events = played("afd").cluster, played("afd").events
    owners = {row["slot"]: row["owner"] for row in cluster.hello()["pools"]}
    assert set(owners.values()) == {"gpu-0/0", "gpu-1/0", "host-0"}, "the LPU holds no KV, so it has no pool"
    stored = {owners[slot] for slot in events.blocks["pool"][events.blocks["op"] == STORED].tolist()}
    assert "gpu-1/0" in stored
    moved = [row for row in events.phases if row["phase"] == "transfer"]
    assert {(row["worker"], row["tier"]) for row in moved} == {(1, "HBM")}
    assert {(row["worker"], row["tier"]) for row in events.phases if row["phase"] == "decode"} == {(2, "SRAM")}


def test_the_draft_holds_its_own_kv_of_the_same_tokens() -> None:
    cluster = played("speculative").cluster
    draft, verify = cluster.workers[1].engine.pool, cluster.workers[2].engine.pool
    assert draft.active == verify.active > 0
    assert set(draft.residents()) == set(verify.residents())
    assert (draft.block_bytes, verify.block_bytes) == (16 * 32_768, 16 * 327_680)


def test_as_many_tokens_a_delivery_as_the_acceptance_says() -> None:
    (account,) = played("speculative").cluster.truth()["deployments"]
    spec = scenario("speculative").workers[2]
    assert isinstance(spec, VerifySpec)
    rate, drafted = spec.acceptance.value, spec.draft_tokens
    assert spec.acceptance.assumed
    assert "Leviathan" in spec.acceptance.source
    assert account["drafted_tokens"] == account["turns"] * drafted
    # Equation 1 of Leviathan et al. 2023, the verifier's own token left out; a token's standard error is 1.6.
    expected = (1 - rate ** (drafted + 1)) / (1 - rate) - 1
    assert account["accepted_tokens"] / account["turns"] == pytest.approx(
        expected, abs=4 * 1.6 / account["turns"] ** 0.5
    )
    rows, _ = staged("speculative")
    assert set(rows["tokens"].tolist()) == set(range(1, drafted + 2))
    # What is accepted beyond the end of a request is not delivered.
    assert account["accepted_tokens"] + account["turns"] - account["tokens"] == pytest.approx(
        0, abs=drafted * len(played("speculative").finished)
    )


def test_the_page_of_who_verifies_has_vllms_families_of_speculation() -> None:
    emulation = Emulation(build("speculative", 4), clock="stepped", clock_id="test")
    named = {"engine": "0", "model_name": "llama-3.1-70b"}

    def told() -> list[dict[str, float]]:
        """By worker: the samples of all families of speculation, by name and position."""
        pages = [worker_page(emulation, worker).decode() for worker in emulation.cluster.workers]
        return [
            {
                sample.name.removeprefix("vllm:spec_decode_num_") + sample.labels.get("position", ""): sample.value
                for family in text_string_to_metric_families(page)
                if family.name.startswith("vllm:spec_decode")
                for sample in family.samples
                if sample.name.endswith("_total") and named.items() <= sample.labels.items()
            }
            for page in pages
        ]

    before = told()
    assert before[:2] == [{}, {}]
    assert set(before[2].values()) == {0}
    emulation.cluster.advance(9_000_000_000)
    (account,) = emulation.cluster.truth()["deployments"]
    positions = [account[f"accepted_at_{at}"] for at in range(4)]
    assert told()[2] == {
        "drafts_total": account["turns"],
        "draft_tokens_total": account["drafted_tokens"],
        "accepted_tokens_total": account["accepted_tokens"],
        **{f"accepted_tokens_per_pos_total{at}": count for at, count in enumerate(positions)},
    }
    assert sum(positions) == account["accepted_tokens"] > 1_000
    assert sorted(positions, reverse=True) == positions
    for first, second in itertools.pairwise(positions):
        assert second / first == pytest.approx(0.75, abs=0.05)


def test_another_seed_accepts_otherwise() -> None:
    other = play(build("speculative", 5), [3.0]).events.deliveries["tokens"]
    assert other.tobytes() != play(build("speculative", 4), [3.0]).events.deliveries["tokens"].tobytes()


def the_afd(**changed: Any) -> Afd:
    model, software = catalogue.models()["llama-3.1-70b"], catalogue.engines()["trtllm-2025"]
    steps = StepModel.of(catalogue.gpu("B200-SXM"), 4, model, software, bytes_per_weight=1, bytes_per_kv_value=2)
    afd = Afd(
        catalogue.lpu("Groq-3-LPX-rack"),
        1,
        model,
        steps,
        software,
        StepNoise(generator(1, "noise"), software),
        catalogue.links()["activations"],
        2,
        1,
        1,
    )
    return replace(afd, **changed)


def test_parameters_are_all_of_the_model() -> None:
    model = catalogue.models()["llama-3.1-70b"]
    # Queries and output 8192 × 8192, keys and values 8192 × 1024.
    assert attention_parameters(model) == 80 * 2 * (8192 * 8192 + 8192 * 1024)
    # Three matrices of 8192 × 28672 a layer, the head, and a little more of norms.
    assert ffn_parameters(model) == pytest.approx(80 * 3 * 8192 * 28_672 + 8192 * 128_256, rel=1e-4)
    with pytest.raises(ValueError, match="do not say"):
        ffn_parameters(catalogue.models()["deepseek-r1"])


def test_a_layer_is_attention_ffn_and_two_crossings() -> None:
    """One sequence of 4,000 tokens, worked out by hand from the data sheets' figures."""
    attention, ffn, crossing = the_afd().layer_s(1, 4_000)
    software = catalogue.engines()["trtllm-2025"]
    weights, kv = 2 * 8192 * (8192 + 1024), 2 * 8 * 128 * 2 * 4_000
    streaming = (weights + kv) / (4 * 7.7e12 * 0.8)
    ring = 1.5 * 8192 * 2 / 900e9
    assert software.layer_s is not None
    fixed = (software.layer_s.value + software.sequence_layer_s.value) / 2 + software.sync_s.value + ring
    assert attention == pytest.approx(streaming + fixed)
    assert ffn == pytest.approx(3.9e-6)
    assert crossing == pytest.approx(5e-6 + 8192 * 2 / 72e9)
    afd = the_afd()
    noise = float(StepNoise(generator(1, "noise"), software).peek(1)[0])
    gap = afd.plan(np.array([4_000]), np.array([10])).duration_ns / 1e9
    token = 80 * (attention * noise + ffn + 2 * crossing) + software.host_s.value * noise
    assert gap == pytest.approx(token + 128_256 * 0.1e-9 + 5e-6, abs=2e-9)


def test_micro_batches_overlap_until_a_device_is_busy() -> None:
    one, two, four = (the_afd(micro_batches=parts) for parts in (1, 2, 4))
    contexts = np.full(64, 2_000)
    times = [afd.plan(contexts, contexts).duration_ns for afd in (one, two, four)]
    assert times[1] < times[0], "half as many sequences on the way at once, beside one another"
    # With four, attention has no pause: it takes four times its time for each layer.
    attention, ffn, crossing = four.layer_s(16, 32_000)
    assert 4 * attention > attention + ffn + 2 * crossing
    assert times[2] == pytest.approx(80 * 4 * attention * 1e9, rel=0.06)


def test_the_link_is_in_every_layer() -> None:
    link = catalogue.links()["activations"]
    slow = replace_link(link, 50e-6)
    contexts = np.array([1_000])
    near, far = (the_afd(link=one).plan(contexts, contexts).duration_ns for one in (link, slow))
    assert far - near == 80 * 2 * 45_000


def replace_link(link: catalogue.Link, latency_s: float) -> catalogue.Link:
    figure = catalogue.Figure(latency_s, "a test", "2026-11")
    return catalogue.Link(link.peak_bytes_per_s, link.effective_bytes_per_s, figure)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("afd", 'attention = "gpu-1/0"', 'attention = "gpu-0/0"', "no worker 'gpu-0/0' of its kind"),
        ("speculative", 'draft = "lpu-0/0"', 'draft = "lpu-9/0"', "no worker 'lpu-9/0' of its kind"),
        ("afd", "Groq-3-LPX-rack", "Groq-3-LPX-tray", "do not fit into the SRAM of 1 chips"),
        ("speculative", "chips = 16", "chips = 4", "do not fit into the SRAM of 4 chips"),
    ],
)
def test_what_cannot_be_built_says_why(name: str, old: str, new: str, says: str) -> None:
    text = files("emulators.deployments").joinpath(f"{name}.toml").read_text("utf-8")
    with pytest.raises(ValueError, match=says):
        Cluster(parse(text.replace(old, new), "mine"), 1)


def test_wrong_figures_are_refused() -> None:
    text = files("emulators.deployments").joinpath("speculative.toml").read_text("utf-8")
    for old, new, says in (
        ("value = 0.75", "value = 1.5", "a probability below 1"),
        ("draft_tokens = 4", "draft_tokens = 0", "draft_tokens 1 to 32"),
        ('roles = ["verify"]', 'roles = ["draft"]', "role 'draft' does not generate"),
    ):
        with pytest.raises(ScenarioError, match=says):
            parse(text.replace(old, new), "mine")
    with pytest.raises(ValueError, match="does not generate"):
        Rule("x", frozenset(), frozenset({"attention"}))
    with pytest.raises(ValueError, match="1 or more"):
        FfnSpec("f", "Groq-3-LPX-rack", "a", micro_batches=0)
    two = replace(
        scenario("afd"), workers=(*scenario("afd").workers, replace(scenario("afd").workers[2], id="lpx-1/0"))
    )
    with pytest.raises(ValueError, match="works with another"):
        Cluster(two, 1)
