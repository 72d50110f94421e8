"""Timings of a response of Cerebras: of a whole one, or of a stream's last chunk. `total_time` has the queue, and overhead, in it.

Fields: the package cerebras-cloud-sdk 1.91.0 (`types/chat`), and responses recorded by pydantic/pydantic-ai
`tests/models/cassettes/test_cerebras/`.
"""

from collectors.backends.responses import ResponseTiming, count, part, seconds
from collectors.model.vocabulary import Device
from collectors.wire.safe import safe_text


def timing(body: object) -> ResponseTiming | None:
    """Of a decoded response or chunk; None if it has no timings, as all chunks but the last."""
    times, usage = part(body, "time_info"), part(body, "usage")
    if not times:
        return None
    request = body.get("id") if isinstance(body, dict) else None
    return ResponseTiming(
        device=Device.WSE,
        queue_s=seconds(times.get("queue_time")),
        prefill_s=seconds(times.get("prompt_time")),
        decode_s=seconds(times.get("completion_time")),
        total_s=seconds(times.get("total_time")),
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(part(usage, "prompt_tokens_details").get("cached_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        request=safe_text(request) if isinstance(request, str) else "",
    )
