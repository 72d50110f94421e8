"""KV events that a target publishes: whether we follow them as things are, and what it would take. Pure but for a look whether pyzmq is there."""

from importlib.util import find_spec

from collectors.backends.reach import OFF, ON, Aspect, Evidence, Fact, Facts
from collectors.doctor.report import Help
from collectors.sources.kv_events import MISSING
from collectors.sources.settings import TargetSettings

_GAINS = "KV events, which it publishes, to be followed"


def followed(facts: Facts, settings: TargetSettings) -> Facts:
    """`facts` with an endpoint for KV events only where we follow it; ON where there are some that we do not."""
    published = facts.get(Fact.KV_EVENTS, OFF)
    if settings.kv_endpoint is not None:
        published = settings.kv_endpoint.live
    elif published != OFF and not settings.kv_events:
        published = ON
    return {**facts, Fact.KV_EVENTS: published}


def unfollowed(seen: Evidence, settings: TargetSettings) -> tuple[Help, ...]:
    """What is missing on our side; of facts that `followed` has looked at."""
    published = seen.facts.get(Fact.KV_EVENTS, OFF)
    if published == OFF:
        return ()
    if published == ON:
        do = 'kv_endpoint = "tcp://HOST:5557" for it in the configuration' if settings.kv_events else "--kv-events"
        return (Help(Aspect.TIERS, do, _GAINS),)
    if find_spec("zmq") is None:
        return (Help(Aspect.TIERS, MISSING.removeprefix("needs pyzmq: "), _GAINS),)
    return ()
