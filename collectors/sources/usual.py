"""Where the software that we read usually listens, for a look round a host without a target. What answers there is found out, never assumed.

Default ports, by the projects' own documentation and source. A port stands here once, with everything that may be behind it.
"""

from typing import Final, NamedTuple

LOCAL: Final = "127.0.0.1"


class UsualPort(NamedTuple):
    port: int
    who: str
    """What usually listens there, as it is called, for a person to read."""


USUAL_PORTS: Final = (
    UsualPort(8000, "vLLM, Dynamo frontend, TensorRT-LLM, Neuron monitor"),
    UsualPort(30_000, "SGLang"),
    UsualPort(29_000, "SGLang model gateway"),
    UsualPort(8080, "llama.cpp, LMCache server"),
    UsualPort(3000, "TGI"),
    UsualPort(9000, "TGI metrics"),
    UsualPort(8002, "Triton"),
    UsualPort(8081, "Dynamo worker"),
    UsualPort(6880, "Dynamo KVBM"),
    UsualPort(6999, "LMCache in an engine"),
    UsualPort(9003, "Mooncake master"),
    UsualPort(9300, "Mooncake client"),
    UsualPort(9100, "tokenyard emulate, node exporter, Mooncake TENT"),
    UsualPort(9400, "DCGM exporter"),
    UsualPort(2112, "TPU device plugin"),
    UsualPort(9090, "Prometheus, llm-d router, LMCache"),
)
"""Engines first."""


def usual_targets(host: str = LOCAL) -> tuple[str, ...]:
    """The targets to try on `host`, as a user would write them."""
    return tuple(f"{host}:{one.port}" for one in USUAL_PORTS)
