"""A crowd on every page: 300 workers of 40 models, 10,000 requests, and names of 200 characters, half of them two cells wide."""

import numpy as np
import pytest
from rich.cells import cell_len

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    OCCUPANCY,
    Admitted,
    Batch,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Occupancy,
    Part,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Span,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.vocabulary import Device, Phase, Role, TargetStatus, Tier
from collectors.session.clock import TICK_NS
from collectors.session.detail import Detail
from collectors.session.session import Session
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled
from tui.pages import PAGES

WORKERS, MODELS, REQUESTS, TICKS = 300, 40, 10_000, 20
TOKENS = 12
EACH = REQUESTS // TICKS
MS = 1_000_000
KEYS = {spec.name: spec.key for spec in PAGES}


def named(what: str, number: int) -> str:
    """Of 200 characters; only the end tells them apart."""
    end = f"-{number}"
    return ((what if number % 2 else "名") * 200)[: 200 - len(end)] + end


def inventory() -> Inventory:
    workers = tuple(
        WorkerInfo(
            n,
            named("w", n),
            Role.DECODE if n % 3 else Role.PREFILL,
            (Device.LPU, Device.GPU)[n % 2],
            model=named("m", n % MODELS),
        )
        for n in range(WORKERS)
    )
    pools = tuple(PoolInfo(n, (Tier.SRAM, Tier.HBM)[n % 2], named("w", n), n, 64 << 30) for n in range(WORKERS))
    return Inventory(workers, pools, emulated=True)


def told(tick: int) -> tuple[Part, ...]:
    """The requests of a tick: each is decided, waits, has some tokens, of which the last comes late; half of them end."""
    at = tick * TICK_NS
    received, decisions, admitted, ended, spans = [], [], [], [], []
    rows = np.zeros((EACH, TOKENS), DELIVERY)
    for index in range(EACH):
        number = tick * EACH + index
        request, worker = named("r", number), number % WORKERS
        labels = (named("label", number % 7),)
        others = tuple(Candidate((worker + step) % WORKERS, 2.0 - step, {named("term", 1): 1.0}) for step in range(4))
        received.append(
            Received(at, request, number, named("m", number % MODELS), 800, labels, named("run", number % 9))
        )
        decisions.append(Decision(at, request, named("rule", number % 5), worker, others, labels, 0.1, headroom_s=0.1))
        admitted.append(Admitted(at + MS, request, worker, 800))
        spans.append(Span(request, Phase.QUEUE, at, MS, worker))
        spans.append(Span(request, Phase.PREFILL, at + MS, 10 * MS, worker, Tier.HBM, 800))
        if number % 2:
            ended.append(Finished(at + 240 * MS, request, named("why", number % 3), TOKENS))
        rows[index]["time_ns"] = at + np.array([*range(12, 12 + 4 * TOKENS - 4, 4), 230]) * MS
        rows[index]["stream"], rows[index]["worker"] = number, worker
    rows["first_token"], rows["tokens"], rows["stage"], rows["tier"] = np.arange(TOKENS), 1, 2, 2
    rows["start_ns"], rows["duration_ns"] = rows["time_ns"] - MS, MS
    flat = rows.reshape(-1)
    pools = np.zeros(WORKERS, OCCUPANCY)
    pools["time_ns"], pools["pool"] = at, np.arange(WORKERS)
    pools["used_bytes"] = (np.arange(WORKERS) * 37 % 64) << 30
    return (
        Requests(tuple(received)),
        Decisions(tuple(decisions)),
        Requests(tuple(admitted)),
        Phases(tuple(spans)),
        Deliveries(flat[np.argsort(flat["time_ns"], kind="stable")], np.zeros(0, EXTRA)),
        Occupancy(pools),
        Requests(tuple(ended)),
        Watermark(at + TICK_NS - MS),
    )


class Crowd:
    def __init__(self) -> None:
        self.detail = Detail()
        self._session = Session("virtual", detail=self.detail)
        self._session.feed(Batch("router", 0, (Status(named("u", 1), "placement", TargetStatus.UP), inventory())))
        self._tick = 0
        self.frames = [self.next() for _ in range(TICKS)]

    def next(self) -> Frame:
        """After the last of the requests nothing is told but that nothing is."""
        at = self._tick * TICK_NS
        some = told(self._tick) if self._tick < TICKS else (Watermark(at + TICK_NS - MS),)
        self._session.feed(Batch("router", at, some))
        self._tick += 1
        return self._session.tick(self._tick * TICK_NS)


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd()


def test_there_is_a_crowd(crowd: Crowd) -> None:
    frame = crowd.frames[-1]
    assert len(frame.workers) == WORKERS
    assert len({row.model for row in frame.workers}) == MODELS
    assert {len(row.id) for row in frame.workers} == {200}
    assert sum(row.ttft.n for row in frame.workers) > 0.9 * REQUESTS
    assert frame.stalls
    assert len(crowd.detail.requests(frame.time_ns).keys) >= 4_096, "as many as are kept"


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 50)])
@pytest.mark.parametrize("name", KEYS)
async def test_a_page_holds_it(crowd: Crowd, name: str, size: tuple[int, int]) -> None:
    played = Played(crowd.frames[-2:], title=named("t", 1))
    played.detail = crowd.detail
    async with running(played, size) as (app, pilot):
        await pilot.press(KEYS[name])
        await at_rest(pilot)
        for keys in (
            ["down", "pagedown"],
            ["G"],
            ["s", "s", "r"],
            ["i"],
            ["right", "tab"],
            ["i"],
            ["m", "v"],
            ["slash", "r", "-", "enter"],
            ["enter"],
            ["escape"],
            ["home", "enter"],
            ["escape"],
            ["j"],
            ["escape"],
        ):
            await pilot.press(*keys)
            await settled(pilot)
            shown = lines(app)
            assert len(shown) == size[1]
            assert all(cell_len(line) <= size[0] for line in shown), keys
            assert all(line.isprintable() for line in shown), keys
        layouts: list[object] = []
        await pilot.press(KEYS[name])
        await at_rest(pilot)
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        for _ in range(3):
            played.post(crowd.next())
            await settled(pilot)
        assert layouts == []
