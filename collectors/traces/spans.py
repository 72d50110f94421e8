"""Spans of servers as accounts: whose span it is, and what it says of a request. One function a system; what none of them knows says nothing. Pure.

Where a system has no name for the request in a span, the span is joined by its parent: such spans are given too, empty, as links.
"""

from collections.abc import Callable, Iterable
from typing import Final

from collectors.model.traces import Account
from collectors.traces import span_dynamo, span_genai, span_llmd, span_sglang, span_vllm
from collectors.wire.otlp import Attributes, Span

_READERS: Final[tuple[Callable[[Span, str, str], Account | None], ...]] = (
    span_vllm.read,
    span_sglang.read,
    span_dynamo.read,
    span_llmd.read,
    span_genai.read,
)
_HOST: Final = ("host.name", "k8s.node.name", "host.id")
_INSTANCE: Final = ("service.instance.id", "k8s.pod.name", "host.name")


def accounts(spans: Iterable[Span], peer: str) -> tuple[list[Account], int]:
    """With how many spans said nothing that is known here. `peer` is who sent them, by which clocks are named that no attribute names."""
    found = []
    others = 0
    for span in spans:
        clock = _clock(span.resource, peer)
        engine = next((str(span.resource[key]) for key in _INSTANCE if span.resource.get(key)), "")
        account = next((one for read in _READERS if (one := read(span, clock, engine)) is not None), None)
        if account is None:
            others += 1
        else:
            found.append(account)
    return found, others


def _clock(resource: Attributes, peer: str) -> str:
    """Of a host, where the spans say which; of an instance or whoever sends, where they do not: never of several that may differ, if that can be told."""
    for key in (*_HOST, *_INSTANCE):
        if resource.get(key):
            return f"{key} {resource[key]}"
    return f"{resource.get('service.name', 'spans')} from {peer}"
