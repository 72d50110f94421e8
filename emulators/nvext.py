"""What Dynamo's front end says of a request beyond OpenAI's fields, when it is asked: which workers it went to, and how long it took.

Shapes as Dynamo 1.6.1 sends them (ai-dynamo/dynamo, Apache-2.0; tests/fixtures/dynamo). Worker ids are 64-bit numbers there; `number` makes them out of ours, and
`health` lists both.
"""

from collections.abc import Sequence, Set
from hashlib import blake2b
from typing import Any, Final

from emulators.events import Row
from emulators.request import Request

MS: Final = 1e6


def number(worker: str) -> int:
    """The id of a worker as a whole number below 2^64, always the same one."""
    return int.from_bytes(blake2b(worker.encode(), digest_size=8).digest(), "big")


def workers(request: Request, ids: Sequence[str]) -> Row:
    """`nvext.worker_id`; `ids` by slot. A worker that does both is both. After a migration still those that it was sent to first, as Dynamo 1.6.1 has it."""
    ingest, generate = request.named or (request.ingest, request.generate)
    return {
        "prefill_worker_id": number(ids[ingest]),
        "prefill_dp_rank": 0,
        "decode_worker_id": number(ids[generate]),
        "decode_dp_rank": 0,
    }


def timing(request: Request, now_ns: int, received_ms: int) -> Row:
    """`nvext.timing` of a request that has ended now; `received_ms` is Unix time. Times are those of the simulation."""
    return {
        "request_received_ms": received_ms,
        "prefill_wait_time_ms": (request.admitted_ns - request.received_ns) / MS,
        "prefill_time_ms": (request.first_ns - request.admitted_ns) / MS,
        "ttft_ms": (request.first_ns - request.received_ns) / MS,
        "total_time_ms": (now_ns - request.received_ns) / MS,
        "kv_hit_rate": 1 - request.computed_prompt / request.prompt,
    }


def extra(request: Request, ids: Sequence[str], wanted: Set[str], end: tuple[int, int] | None = None) -> Row | None:
    """All that was asked for; `end` is `now_ns` and `received_ms` of the last event. None if that is nothing."""
    found: Row = {}
    if "worker_id" in wanted:
        found["worker_id"] = workers(request, ids)
    if "timing" in wanted and end is not None:
        found["timing"] = timing(request, *end)
    return found or None


def health(inventory: Row) -> Row:
    """`GET /health`: one instance for each worker, with our id beside Dynamo's."""

    def instance(worker: dict[str, Any]) -> Row:
        return {
            "namespace": "tokenyard",
            "component": "prefill" if worker["role"] == "prefill" else "backend",
            "endpoint": "generate",
            "instance_id": number(worker["id"]),
            "device_type": "cuda" if worker["device"] == "GPU" else worker["device"].lower(),
            "worker": worker["id"],
        }

    return {"status": "healthy", "emulated": True, "instances": [instance(worker) for worker in inventory["workers"]]}
