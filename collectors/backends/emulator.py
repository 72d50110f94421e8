"""Pages of our emulators, and of whoever says `tokenyard_emulated`: vLLM's families, DCGM's, or our own, and facts that no real page gives.

Whatever stands on such a page is emulated; the mark holds for all of it, even where its value cannot be trusted.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from enum import StrEnum
from typing import Final, TypeVar

from collectors.backends import dcgm, vllm
from collectors.backends.mapping import Backend, Draft, Mapping, MappingError, Rule, families, rules
from collectors.backends.reach import Reach
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Role, Tier
from collectors.wire.exposition import SampleKey
from collectors.wire.safe import safe_text

_MARK: Final = "tokenyard_emulated"
_INFO: Final = "tokenyard_worker_info"
_ROUTER: Final = "tokenyard_requests_live"
"""Only a router knows this; and it has the placement stream."""

_OF_WORKER: Final = rules(
    {
        "tokenyard_requests_running": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
        "tokenyard_requests_waiting": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
        "tokenyard_requests_finished_total": Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
        "tokenyard_prompt_tokens_total": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
        "tokenyard_generation_tokens_total": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
        "tokenyard_drawn_joules_total": Rule(Signal.ENERGY, Kind.COUNTER),
    },
    {"tokenyard_gap_seconds": Signal.GAP},
)
_OF_TIER: Final = {
    "tokenyard_tier_used_bytes": Rule(Signal.KV_USED_BYTES, Kind.GAUGE),
    "tokenyard_tier_active_bytes": Rule(Signal.KV_ACTIVE_BYTES, Kind.GAUGE),
    "tokenyard_tier_capacity_bytes": Rule(Signal.KV_CAPACITY_BYTES, Kind.GAUGE),
    "tokenyard_tier_hit_tokens_total": Rule(Signal.HIT_TOKENS, Kind.COUNTER),
}
_FAMILIES: Final = families([_MARK, _INFO, _ROUTER, *_OF_WORKER, *_OF_TIER])

_Name = TypeVar("_Name", bound=StrEnum)


def _detect(names: Collection[str]) -> bool:
    return _MARK in names


def _wanted(family: str) -> bool:
    return family in _FAMILIES or vllm.wanted(family) or dcgm.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    infos = [dict(key.labels) for key in keys if key.name == _INFO]
    if len(infos) > 1:
        raise MappingError(f"{_INFO} {len(infos)} times on one page")
    named = ""
    if infos and infos[0].get("worker"):
        facts = _facts(infos[0])
        named = facts.id
        draft.worker(facts)
    vllm.add(draft, keys, lambda engine: named or f"{target}/{engine}")
    dcgm.add(draft, keys, target)
    for index, key in enumerate(keys):
        labels = dict(key.labels)
        if rule := _OF_WORKER.get(key.name):
            worker = named or f"{target}/0"
            draft.worker(WorkerFacts(worker))
            draft.take(
                index, key, labels, rule, worker=worker, label=labels.get("reason", "") or labels.get("phase", "")
            )
        elif rule := _OF_TIER.get(key.name):
            owner = safe_text(labels.get("owner", ""))
            tier = _known(Tier, labels.get("tier", ""), Tier.UNKNOWN)
            draft.take(index, key, labels, rule, worker=named, tier=tier, owner="" if owner == named else owner)
    return draft.mapping(emulated=True, offers_placement=any(key.name == _ROUTER for key in keys))


def _facts(labels: Table[str, str]) -> WorkerFacts:
    chips = labels.get("chips", "")
    return WorkerFacts(
        id=safe_text(labels["worker"]),
        model=labels.get("model", ""),
        role=_known(Role, labels.get("role", ""), Role.UNKNOWN),
        device=_known(Device, labels.get("device", ""), Device.UNKNOWN),
        chip=labels.get("chip", ""),
        chips=int(chips) if chips.isdecimal() and len(chips) < 7 else 0,
    )


def _known(names: type[_Name], text: str, otherwise: _Name) -> _Name:
    try:
        return names(text)
    except ValueError:
        return otherwise


BACKEND: Final = Backend("emulator", _detect, _wanted, _map, Reach("tokenyard's emulator"))
