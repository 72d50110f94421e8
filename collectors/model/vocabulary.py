"""The words of the product, as types. Values are what is shown and what the wire formats say."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    PREFILL = "prefill"
    DECODE = "decode"
    AGGREGATED = "aggregated"
    ATTENTION = "attention"
    FFN = "ffn"
    DRAFT = "draft"
    VERIFY = "verify"
    ROUTER = "router"
    UNKNOWN = "unknown"


class Device(StrEnum):
    GPU = "GPU"
    LPU = "LPU"
    TPU = "TPU"
    TRAINIUM = "Trainium"
    WSE = "WSE"
    CPU = "CPU"
    UNKNOWN = "unknown"


class Tier(StrEnum):
    UNKNOWN = "unknown"
    SRAM = "SRAM"
    HBM = "HBM"
    GDDR = "GDDR"
    DRAM = "DRAM"
    FLASH = "flash"
    OBJECT = "object"
    PEER = "peer"


class Stage(StrEnum):
    UNKNOWN = "unknown"
    PREFILL = "prefill"
    DECODE = "decode"
    ATTENTION = "attention"
    FFN = "ffn"
    DRAFT = "draft"
    VERIFY = "verify"


class Phase(StrEnum):
    REQUEST = "request"
    """All of it, as one teller sees it."""
    FIRST_TOKEN = "first_token"
    """From receipt to the first output: what comes before it is inside."""
    TO_SERVER = "to_server"
    FROM_SERVER = "from_server"
    """On the way of the first output, and in whatever stands between."""
    QUEUE = "queue"
    PREFILL = "prefill"
    TRANSFER = "transfer"
    FETCH = "fetch"
    DECODE = "decode"
    PREEMPTED = "preempted"
    UNKNOWN = "unknown"


class About(StrEnum):
    """What a statement is about. Workers are named as their teller names them: Dynamo's as `id/rank`."""

    MODEL = "model"
    PREFILL_WORKER = "prefill_worker"
    DECODE_WORKER = "decode_worker"
    PROMPT_TOKENS = "prompt_tokens"
    CACHED_TOKENS = "cached_tokens"
    OUTPUT_TOKENS = "output_tokens"
    FINISH = "finish"


class Counted(StrEnum):
    """Whether a pool's blocks are all heard of, from its being empty on; some were missed; or they tell nothing of what is in it."""

    NO = "no"
    ABOUT = "about"
    WHOLE = "whole"


class Provenance(StrEnum):
    """Who says so: our own clock, the back end, a formula over those, or configuration."""

    MEASURED = "measured"
    REPORTED = "reported"
    DERIVED = "derived"
    ASSUMED = "assumed"


class State(StrEnum):
    """What is known of a figure. Only `ok` and `zero` carry a value that may be read as it stands."""

    OK = "ok"
    ZERO = "zero"
    ABSENT = "absent"
    NAN = "nan"
    UNSAMPLED = "unsampled"
    STALE = "stale"
    TOO_FEW = "too_few"
    OVER_RANGE = "over_range"


class TargetStatus(StrEnum):
    UP = "up"
    STALE = "stale"
    DOWN = "down"
    REJECTED = "rejected"
    GONE = "gone"
    """Whoever listed it does so no longer: it is not asked any more."""


class Listing(StrEnum):
    """What a row says as its back end that is no target itself but says which targets there are."""

    FILE_SD = "file_sd"
    HTTP_SD = "http_sd"
    PROMETHEUS_YML = "prometheus.yml"
    DYNAMO = "dynamo instances"
    LOCAL = "usual local ports"
    ALL = "targets"


LISTINGS: Final = frozenset(map(str, Listing))
PROBE: Final = "probe"
"""What a row says as its back end that tells of our own requests to a target."""
NO_TARGETS: Final = LISTINGS | {PROBE}
"""Of rows that are no targets themselves."""
PROBE_SKIPPED: Final = "skipped"
"""How a probe ended that was due while as many as may be were under way, or while nobody here was awake: it was not sent."""
PROBE_ID: Final = "tokenyard-probe-"
"""How the ids of requests begin that we made ourselves, whoever tells of them."""
TIERS: Final = tuple(Tier)
"""Tiers in the order of their wire codes."""
STAGES: Final = tuple(Stage)
"""Stages in the order of their wire codes."""
PRIMARY: Final = frozenset({Stage.DECODE, Stage.FFN, Stage.VERIFY})
"""Stages by which an output token is counted, once."""
UNKNOWN_WORKER: Final = 0xFFFF
"""Worker slot of a row whose worker is not known."""
