"""Timings of a response of Groq Cloud: of a whole one, or of a stream's last chunk, where the same object stands twice and is read once.

`total_time` leaves out the queue. Fields: the package groq 1.7.0 (`types/chat`), and responses recorded by pydantic/pydantic-ai
`tests/models/cassettes/test_groq/`.
"""

from collectors.backends.responses import ResponseTiming, count, part, seconds
from collectors.model.vocabulary import Device
from collectors.wire.safe import safe_text


def timing(body: object) -> ResponseTiming | None:
    """Of a decoded response or chunk; None if it has no timings, as all chunks but the last."""
    own = part(body, "x_groq")
    usage = part(own, "usage") or part(body, "usage")
    if not any(name in usage for name in ("queue_time", "prompt_time", "completion_time")):
        return None
    queue_s, total_s = seconds(usage.get("queue_time")), seconds(usage.get("total_time"))
    request = own.get("id")
    return ResponseTiming(
        device=Device.LPU,
        queue_s=queue_s,
        prefill_s=seconds(usage.get("prompt_time")),
        decode_s=seconds(usage.get("completion_time")),
        total_s=None if queue_s is None or total_s is None else queue_s + total_s,
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(part(usage, "prompt_tokens_details").get("cached_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        request=safe_text(request) if isinstance(request, str) else "",
    )
