"""Pools together, what flows between tiers, and what moving KV costs: sums that are of everything they say, and nothing else."""

import msgspec
import pytest

from collectors.diagnose.movement import PJ_PER_BIT, movements
from collectors.diagnose.tier_groups import edges, groups, handed, pressure, thrashes
from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.memory import FlowRow
from collectors.model.scales import FULL, UNKNOWN_SHARE
from collectors.model.vocabulary import Device, Provenance, Role, State, Tier
from tests.tui.frames import distribution, known, no_quantile, sketched, unknown
from tests.tui.histories import emulated

FLEET = emulated(3600, 72)


def with_flows(*flows: FlowRow) -> Frame:
    return msgspec.structs.replace(emulated(), flows=flows, handovers=())


def flow(
    worker: str, tier: Tier, to: Tier | None, moved: float | None, unit: str = "bytes", p99: float = 0.1
) -> FlowRow:
    figure = unknown() if moved is None else known(moved)
    timed = distribution(200, sketched(p99 / 2), sketched(p99), known(p99 * 2), "fetches")
    return FlowRow(worker, worker, tier, to, "", msgspec.structs.replace(figure, unit=unit), timed, unknown())


def test_kinds_are_never_mixed_and_every_pool_counts_once() -> None:
    found = groups(FLEET)
    assert [(one.tier, one.device, one.pools) for one in found] == [
        (Tier.SRAM, Device.LPU, 36),
        (Tier.HBM, Device.GPU, 36),
    ]
    for one in found:
        mine = [row for row in FLEET.tiers if row.tier is one.tier]
        assert one.row.used_bytes.value == sum(row.used_bytes.value or 0 for row in mine)
        assert one.row.capacity_bytes.value == sum(row.capacity_bytes.value or 0 for row in mine)
    assert sum(one.pools for one in found) == len(FLEET.tiers)


def test_shared_pools_are_a_kind_of_their_own() -> None:
    assert (Tier.DRAM, None) in {(one.tier, one.device) for one in groups(emulated())}


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    first, *rest = FLEET.tiers
    holed = msgspec.structs.replace(FLEET, tiers=(msgspec.structs.replace(first, used_bytes=unknown()), *rest))
    made = next(one for one in groups(holed) if one.tier is first.tier)
    assert made.row.used_bytes.value is None
    assert made.row.capacity_bytes.value is not None


def test_units_are_never_added() -> None:
    first, *rest = FLEET.tiers
    blocks = msgspec.structs.replace(first.used_bytes, unit="blocks")
    mixed = msgspec.structs.replace(FLEET, tiers=(msgspec.structs.replace(first, used_bytes=blocks), *rest))
    assert next(one for one in groups(mixed) if one.tier is first.tier).row.used_bytes.state is State.ABSENT


def test_the_share_that_comes_back_is_of_all_blocks_stored() -> None:
    one = next(one for one in groups(FLEET) if one.tier is Tier.SRAM)
    told = [
        (row.stored_again.value or 0, row.stored_per_s.value or 0)
        for row in FLEET.tiers
        if row.tier is Tier.SRAM and isinstance(row.stored_again, Figure) and isinstance(row.stored_per_s, Figure)
    ]
    assert isinstance(one.row.stored_again, Figure)
    whole = sum(share * stored for share, stored in told) / sum(stored for _, stored in told)
    assert one.row.stored_again.value == pytest.approx(whole)


def test_history_together_is_the_mean_of_those_that_were_heard_and_the_fullest() -> None:
    tiers = tuple(row for row in FLEET.tiers if row.tier is Tier.SRAM)[:3]
    past = FLEET.tier_pasts[0]
    codes = ((FULL, UNKNOWN_SHARE), (FULL // 2, 10), (UNKNOWN_SHARE, UNKNOWN_SHARE))
    pasts = tuple(msgspec.structs.replace(past, used=bytes(one), active=bytes(one)) for one in codes)
    (one,) = groups(msgspec.structs.replace(FLEET, tiers=tiers, tier_pasts=pasts))
    assert list(one.past.used) == [FULL * 3 // 4, 10]
    assert list(one.peak) == [FULL, 10]


def test_the_worst_first() -> None:
    given = handed(FLEET)
    order = sorted(FLEET.tiers, key=lambda row: pressure(row, given), reverse=True)
    flags = [thrashes(row, given) for row in order]
    assert flags == sorted(flags, reverse=True)
    assert any(flags)
    assert not all(flags)


def test_a_pool_of_those_that_are_handed_their_kv_is_full_by_design() -> None:
    """They take back what others would send them anyway; the share is told, and is no alarm."""
    given = handed(FLEET)
    assert given == {row.id for row in FLEET.workers if row.role is Role.DECODE}
    busy = [row for row in FLEET.tiers if thrashes(row, ())]
    assert {row.tier for row in busy if row.worker in given} == {Tier.SRAM}
    assert {row.tier for row in busy if thrashes(row, given)} == {Tier.HBM}
    full = msgspec.structs.replace(FLEET, tiers=tuple(busy))
    assert {one.tier: one.thrashes for one in groups(full)} == {Tier.SRAM: False, Tier.HBM: True}
    both = tuple(msgspec.structs.replace(row, role=Role.AGGREGATED) for row in FLEET.workers)
    alone = msgspec.structs.replace(full, workers=both)
    assert all(one.thrashes for one in groups(alone))


def test_ways_are_summed_and_where_to_is_worked_out_only_where_there_is_one_place() -> None:
    own = {row.worker: row.tier for row in emulated().tiers if row.worker}
    gpus = [worker for worker, tier in own.items() if tier is Tier.HBM and worker is not None]
    assert len(gpus) == 2
    frame = with_flows(
        flow(gpus[0], Tier.DRAM, None, 100, p99=0.1),
        flow(gpus[1], Tier.DRAM, None, 50, p99=0.4),
        flow("nobody", Tier.DRAM, None, 7),
        flow(gpus[0], Tier.HBM, Tier.DRAM, 20),
        flow(gpus[0], Tier.DRAM, None, 3, "blocks"),
    )
    found = {(edge.source, edge.to, edge.moved_per_s.unit): edge for edge in edges(frame)}
    into = found[Tier.DRAM, Tier.HBM, "bytes"]
    assert (into.moved_per_s.value, into.worked_out) == (150, True)
    assert into.slowest is not None
    assert into.slowest.worker == gpus[1]
    assert found[Tier.DRAM, None, "bytes"].moved_per_s.value == 7
    assert found[Tier.HBM, Tier.DRAM, "bytes"].worked_out is False
    assert found[Tier.DRAM, Tier.HBM, "blocks"].moved_per_s.value == 3


def test_who_has_no_p99_is_not_slower_than_who_has() -> None:
    short = flow("gpu-0/0", Tier.DRAM, Tier.HBM, 1, p99=0.01)
    few = msgspec.structs.replace(
        short, duration=distribution(3, sketched(5.0), no_quantile(State.TOO_FEW), known(9.0))
    )
    (edge,) = edges(with_flows(short, few))
    assert edge.slowest == short


def test_energy_is_assumed_and_by_what_moved() -> None:
    frame = msgspec.structs.replace(
        with_flows(flow("gpu-0/0", Tier.FLASH, Tier.DRAM, 14e9)),
        tiers=tuple(msgspec.structs.replace(row, stored_bytes_per_s=msgspec.UNSET) for row in emulated().tiers),
    )
    found = {one.tier: one for one in movements(frame, edges(frame))}
    assert set(found) == {Tier.FLASH, Tier.DRAM}
    out = found[Tier.FLASH].out
    assert out is not None
    assert out.value == pytest.approx(14e9 * 8 * PJ_PER_BIT[Tier.FLASH] * 1e-12)
    assert (out.provenance, out.estimate, out.unit) == (Provenance.ASSUMED, True, "watts")
    assert found[Tier.FLASH].into is None
    assert found[Tier.DRAM].into is not None
    assert found[Tier.DRAM].out is None


def test_blocks_of_no_known_size_cost_no_energy() -> None:
    frame = msgspec.structs.replace(
        with_flows(flow("gpu-0/0", Tier.DRAM, Tier.HBM, 14, "blocks")),
        tiers=tuple(msgspec.structs.replace(row, stored_bytes_per_s=msgspec.UNSET) for row in emulated().tiers),
    )
    assert movements(frame, edges(frame)) == ()
