"""Pages that are valid and say what cannot be: they are read, and what is no figure is none."""

from collections.abc import Callable
from typing import Final

from tests.hostile.targets import ESCAPES, GOOD, OLD, UP, Hostile
from tests.loopback import page, says, says_in_turn

Make = Callable[[], Hostile]


def said(text: str) -> Make:
    return lambda: Hostile(says(page(text.encode())), UP)


def in_turn(*texts: str) -> Make:
    """Another page each time, over and over, from the first one on."""
    return lambda: Hostile(says_in_turn([page(text.encode()) for text in texts * 200]), UP)


def engine(running: str = "7", waiting: str = "3", tokens: str = "100") -> str:
    return (
        "# TYPE vllm:num_requests_running gauge\n"
        f'vllm:num_requests_running{{engine="0",model_name="m"}} {running}\n'
        "# TYPE vllm:num_requests_waiting gauge\n"
        f'vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}\n'
        "# TYPE vllm:generation_tokens_total counter\n"
        f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {tokens}\n'
    )


def gaps(*pairs: tuple[str, str]) -> str:
    return "# TYPE vllm:inter_token_latency_seconds histogram\n" + "".join(
        f'vllm:inter_token_latency_seconds_bucket{{engine="0",model_name="m",le="{le}"}} {count}\n'
        for le, count in pairs
    )


ODD: Final[dict[str, Make]] = {
    "escapes in labels and names": said(
        f'vllm:num_requests_running{{engine="{ESCAPES}",model_name="{ESCAPES * 40}"}} 7\n'
        f'{{"vllm:num_requests_waiting","{ESCAPES}"="{ESCAPES}"}} 3\n{{"{ESCAPES}"}} 1\n'
    ),
    "braces and quotes in labels": said(
        r'vllm:num_requests_running{engine="0",model_name="a} 9 # {b=\"c\",\\"} 7' + "\n"
    ),
    "NaN and infinities": said(engine("NaN", "+Inf", "-Inf")),
    "counters below zero": in_turn(engine(tokens="-100"), engine(tokens="-50")),
    "counters beyond integers": in_turn(engine(tokens="1e308"), engine(tokens="1.7e308")),
    "times of another century": said(engine("7 -62135596800000", "3 253402300799000", "100 1")),
    "bounds out of order": in_turn(
        gaps(("+Inf", "0"), ("0.1", "0"), ("0.05", "0")), gaps(("+Inf", "30"), ("0.1", "20"), ("0.05", "10"))
    ),
    "counts that fall with the bound": in_turn(
        gaps(("0.05", "0"), ("0.1", "0"), ("+Inf", "0")), gaps(("0.05", "30"), ("0.1", "20"), ("+Inf", "10"))
    ),
    "types that change": in_turn(
        engine(), engine().replace(" gauge", " counter"), engine().replace(" counter", " histogram")
    ),
    "bounds that change": in_turn(gaps(("0.05", "1"), ("+Inf", "2")), gaps(("0.07", "1"), ("+Inf", "2"))),
    "a page that shrinks": in_turn(engine() + gaps(("0.1", "1"), ("+Inf", "1")), GOOD.decode()),
    "HTTP/1.0 without a length": lambda: Hostile(says(OLD + GOOD), UP),
}
