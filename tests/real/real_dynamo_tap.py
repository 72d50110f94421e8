"""The tap in front of Dynamo: it asks who serves, and its workers are those that the pages name."""

import dataclasses
from pathlib import Path

import pytest
from yarl import URL

from collectors.backends.dynamo_workers import worker_id
from collectors.model.frame import Frame
from collectors.model.vocabulary import Role
from collectors.tap.server import Tap, serving
from tests.real import models
from tests.real.driver import load
from tests.real.observed import observing
from tests.real.real_dynamo import Make, by_worker, cluster, requests, said_ids
from tests.real.real_dynamo_traces import words

COUNTED = {"ignore_eos": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
__all__ = ["cluster", "words"]


def placed(frame: Frame) -> dict[str | None, float | int | None]:
    """Output tokens by worker."""
    return {row.worker: row.tokens.value for row in frame.placements if row.primary}


@pytest.mark.parametrize("split", [False, True], ids=["workers that do both", "prefill and decode"])
async def test_the_tap_asks_who_serves(cluster: Make, tmp_path: Path, split: bool) -> None:
    modes = ["prefill", "decode", "decode"]
    made = cluster(*[["--disaggregation-mode", mode] for mode in modes] if split else [[], []])
    ids = [worker_id(said_ids(one)) for one in made.mockers]
    async with (
        serving(Tap(URL(made.url), ask=True), "127.0.0.1", 0, drain_s=1.0) as port,
        observing(tmp_path / "seen.tyard", [*made.targets, f"127.0.0.1:{port}"]) as seen,
    ):
        await seen.up(len(made.targets) + 1)
        asked = [dataclasses.replace(one, body=COUNTED) for one in requests(40)]
        done = await load(f"http://127.0.0.1:{port}", models.NAME, asked)
        assert [answer.error for answer in done.answers] == [""] * len(asked)
        served = by_worker(done, "decode")  # as each answer says, to whoever reads it
        assert sum(served.values()) == done.output_tokens
        await seen.until(lambda frame: placed(frame) == served, "the tap's tokens by worker, and nobody else's")
        assert seen.workers().keys() == {f"{made.frontend}/frontend", *ids}
        roles = {row.id: row.role for row in seen.workers().values()}
        if split:
            assert [roles[one] for one in ids] == [Role(mode) for mode in modes]
            assert served.keys() == set(ids[1:])
