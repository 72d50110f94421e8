"""NIXL's own telemetry, through its Prometheus plug-in: bytes and durations of transfers, in microseconds, and their failures.

An agent sits in an engine's process, but its page names no engine, so it makes no workers; and it does not say what memory it moves
between, so both ends are unknown. vLLM's own `vllm:nixl_*` say more. Never seen by us. Names, types and units: ai-dynamo/nixl
`src/plugins/telemetry/prometheus/README.md`.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, rules
from collectors.backends.reach import Reach
from collectors.model.places import device_key, host_of
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_ERRORS: Final = "agent_errors_total"


def _moved(signal: Signal, kind: Kind, scale: float = 1.0, label: str = "") -> Rule:
    return Rule(signal, kind, Tier.UNKNOWN, scale, Tier.UNKNOWN, label)


_RULES: Final = {
    "agent_tx_bytes_total": _moved(Signal.KV_TRANSFER_BYTES, Kind.COUNTER, label="written"),
    "agent_rx_bytes_total": _moved(Signal.KV_TRANSFER_BYTES, Kind.COUNTER, label="read"),
    "agent_xfer_time_total": _moved(Signal.KV_TRANSFER_TIME, Kind.COUNTER, 1e3),
    _ERRORS: _moved(Signal.KV_TRANSFER_FAILURES, Kind.COUNTER),
    **{
        name: _moved(rule.signal, rule.kind, rule.scale)
        for name, rule in rules({}, {"agent_xfer_time_us": Signal.KV_TRANSFER}, scale=1e-6).items()
    },
}
_FAMILIES: Final = families(_RULES)


def _detect(names: Collection[str]) -> bool:
    return not families(["agent_tx_bytes_total", "agent_rx_bytes_total", "agent_xfer_time_us"]).isdisjoint(names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    for index, key in enumerate(keys):
        rule = _RULES.get(key.name)
        if rule is None:
            continue
        labels = dict(key.labels)
        host = labels.get("hostname") or host_of(target)
        agent = labels.get("agent_name", "")
        status = labels.get("status", "") if key.name == _ERRORS else ""
        draft.take(index, key, labels, rule, worker="", owner=device_key(host, agent) if agent else host, label=status)
    return draft.mapping()


BACKEND: Final = Backend("nixl", _detect, _wanted, _map, Reach("NIXL telemetry"), never_seen=True)
