"""`--redact`: no name of a host or a worker is in what is kept; what is equal stays equal, and what is counted is counted as before."""

import itertools
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model import batch as model
from collectors.model.batch import DELIVERY, Batch, Deliveries, Inventory, WorkerInfo
from collectors.model.signals import Kind, Series, Signal
from collectors.model.traces import Account, Accounts, Move, Stretch
from collectors.model.vocabulary import Phase, TargetStatus
from collectors.recording.reader import Reader
from collectors.recording.redaction import LEVEL, Redactor
from tests.loopback import page, says_in_turn, serving
from tests.recording.test_secrets import VLLM
from tui.config.load import load
from tui.config.resolve import resolve
from tui.recording import record_targets

KEY = b"k" * 32
STAYS = {
    "WorkerInfo.chip", "WorkerInfo.model", "WorkerInfo.assumed", "WorkerInfo.named_by", "DeviceFacts.index", "DeviceFacts.chip", "Probing.model", "Probing.path",
    "Received.request", "Received.model", "Received.labels", "Received.workflow", "Admitted.request", "Finished.request", "Finished.reason", "Finished.names",
    "Candidate.terms", "Decision.request", "Decision.rule", "Decision.labels", "Span.request", "Series.metric", "Series.label", "Series.estimate",
    "Status.backend", "Status.limit", "Account.teller", "Account.names", "Account.given", "Account.trace", "Account.span", "Account.parent", "Statement.value",
    "Stretch.formula", "WorkerInfo.labels",
}  # fmt: skip
"""What is no name of a place; of `WorkerInfo.labels` the keys, of `Statement.value` what is no worker."""


def filled(kind: Any, field: str, count: "itertools.count[int]", made: dict[str, str]) -> Any:
    """A value of that type with a text of its own wherever there is one."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return filled(arguments[0], field, count, made)
    if kind is str:
        text = made[field] = f"canary{next(count)}.example.net"
        return text
    if origin in (typing.Union, types.UnionType):
        known = [one for one in arguments if one is not type(None)]
        return filled(known[0], field, count, made)
    if origin is tuple:
        return tuple(filled(one, field, count, made) for one in arguments if one is not ...)
    if origin is dict:
        return {filled(arguments[0], f"{field}*", count, made): filled(arguments[1], field, count, made)}
    if kind is np.ndarray:
        return np.zeros(0)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: filled(hint, f"{kind.__name__}.{name}", count, made) for name, hint in hints.items()})
    return kind() if kind in (int, float, bool) else None


def test_every_text_of_a_batch_is_a_pseudonym_or_known_to_be_no_name() -> None:
    made: dict[str, str] = {}
    count = itertools.count()
    parts = [filled(kind, "", count, made) for kind in typing.get_args(model.Part)]
    requests = [filled(kind, "", count, made) for kind in (model.Received, model.Admitted, model.Finished)]
    batch = Batch("source.example.net", 0, (*parts, model.Requests(tuple(requests))))
    left = repr(Redactor(KEY).batch(batch))
    assert "source.example" not in left
    found = {field.rstrip("*") for field, text in made.items() if text in left}
    assert len(made) > 50
    assert found <= STAYS
    assert not {"WorkerInfo.id", "Series.worker", "Status.url", "Stretch.worker", "Move.from_worker"} & found
    assert {"Received.request", "Series.metric", "WorkerInfo.model"} <= found


def test_one_name_is_one_pseudonym_wherever_it_stands() -> None:
    redactor = Redactor(KEY)
    host = redactor.name("10.0.0.5")
    assert redactor.name("10.0.0.5:8000/0") == f"{host}:8000/0"
    assert (
        redactor.name("10.0.0.5:8000 via prom.example.net:9090")
        == f"{host}:8000 via {redactor.name('prom.example.net')}:9090"
    )
    assert redactor.url("prom+http://user:secret@10.0.0.5:9090/a/b?key=c") == f"prom+http://{host}:9090/…"
    assert redactor.sentence("connect to 10.0.0.5:8000 refused; 192.168.7.8 too") == (
        f"connect to {host}:8000 refused; {redactor.name('192.168.7.8')} too"
    )
    assert redactor.name("[fe80::1%eth0]:8000/1").endswith(":8000/1")
    assert "fe80" not in redactor.name("[fe80::1%eth0]:8000/1")


def test_another_run_has_other_pseudonyms() -> None:
    assert Redactor().name("host-a") != Redactor().name("host-a")
    assert Redactor(KEY).name("host-a") == Redactor(KEY).name("host-a")


@given(st.lists(st.text(min_size=1, max_size=30), max_size=20))
def test_different_names_stay_different(names: list[str]) -> None:
    redactor = Redactor(KEY)
    assert len({redactor.name(name) for name in names}) == len(set(names))


def test_workers_of_traces_are_named_as_those_of_pages() -> None:
    redactor = Redactor(KEY)
    worker = WorkerInfo(0, "7f3a/0")
    row = Account("t", "host-a", 0, stretches=(Stretch(Phase.DECODE, 1, worker="7f3a/0"),), moves=(Move("7f3a/0", 1),))
    batch = redactor.batch(Batch("s", 0, (Inventory(workers=(worker,)), Accounts((row,)))))
    inventory, accounts = batch.parts
    assert isinstance(inventory, Inventory)
    assert isinstance(accounts, Accounts)
    [name] = {one.id for one in inventory.workers}
    assert accounts.rows[0].stretches[0].worker == accounts.rows[0].moves[0].from_worker == name != "7f3a/0"


def test_numbers_are_not_touched() -> None:
    rows = np.zeros(3, DELIVERY)
    part = Deliveries(rows, np.zeros(0))
    assert Redactor(KEY).batch(Batch("s", 5, (part,))).parts == (part,)
    series = Series(next(iter(Signal)), next(iter(Kind)), "a:1/0", "vllm:x")
    layout = Redactor(KEY).batch(Batch("s", 5, (model.Layout((series,)),))).parts[0]
    assert isinstance(layout, model.Layout)
    assert layout.series[0].metric == "vllm:x"


@pytest.mark.parametrize("redact", [True, False])
async def test_no_byte_of_a_redacted_recording_names_the_host(tmp_path: Path, redact: bool) -> None:
    async with serving(says_in_turn([page(VLLM)])) as server:
        host = server.url.removeprefix("http://")
        named = server.url.replace("127.0.0.1", "localhost")
        plan = resolve(load({"targets": [named], "interval_s": 0.05}, None, {}))
        path = tmp_path / "r.tyard"
        await record_targets(plan, path, 1.5, redact=redact)
    with Reader(path) as reader:
        assert reader.info().redaction == (LEVEL if redact else "none")
        items = [item for item in reader.items() if isinstance(item, Batch)]
        frames = reader.frames_at(2**62)
    told = repr(items) + repr(frames)
    assert ("localhost" in told) is not redact
    assert (host.rpartition(":")[2] in told) is True
    assert any(row.status is TargetStatus.UP for row in frames[-1].targets)
    assert {row.id for row in frames[-1].workers} <= {
        worker.id for item in items for part in item.parts if isinstance(part, Inventory) for worker in part.workers
    } | {row.worker for item in items for part in item.parts if isinstance(part, model.Layout) for row in part.series}
