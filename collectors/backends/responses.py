"""What a hosted API says of one response, whoever it is: seconds and tokens out of decoded JSON. Pure; `groq` and `cerebras` read it."""

import math
from collections.abc import Mapping as Table

import msgspec

from collectors.model.vocabulary import Device

_LARGEST = 2**53


class ResponseTiming(msgspec.Struct, frozen=True):
    """As the server says (reported, not measured). None: not said, or not a duration or count."""

    device: Device
    """By the vendor, not by the response: assumed."""
    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    total_s: float | None = None
    """With the time in the queue."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    request: str = ""
    """The server's own id of it."""

    @property
    def ttft_s(self) -> float | None:
        """About when the first token was there, without the network."""
        return None if self.queue_s is None or self.prefill_s is None else self.queue_s + self.prefill_s

    @property
    def tpot_s(self) -> float | None:
        """Decode time by output tokens, the first one among them."""
        return self.decode_s / self.output_tokens if self.decode_s is not None and self.output_tokens else None


def part(of: object, name: str) -> Table[str, object]:
    """The object of that name; empty where there is none."""
    found = of.get(name) if isinstance(of, dict) else None
    return found if isinstance(found, dict) else {}


def seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return float(value)


def count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST else None
