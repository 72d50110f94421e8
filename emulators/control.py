"""The emulators' clock, `POST /clock/advance`, which beside faults and the load (`emulators.fault_control`, `emulators.load_control`) is all that can be written to them; and what only a simulation can tell: `GET /clock`, `GET /truth`, `/truth/blocks`, `/truth/tokens`, `/truth/requests`.

POST /clock/advance {"until_ns": N}   runs to N, answers {"now_ns": N}; by then all before N is on its way to each reader
"""

import re
from typing import Final

import msgspec
from aiohttp import web

from emulators.emulation import ClockError, Emulation
from emulators.events import Row

MAX_ADVANCE_NS: Final = 3_600 * 10**9
"""One hour: a mistyped time must not keep a core busy for days."""
MAX_BODY_BYTES: Final = 4_096
"""Longest request body."""


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /clock/advance`."""

    until_ns: int


def routes(emulation: Emulation) -> list[web.RouteDef]:
    """The handlers, for the router's server."""

    async def advance(request: web.Request) -> web.Response:
        if emulation.clock != "stepped":
            return refusal(409, "the clock is paced by real time; start with --clock stepped to move it yourself")
        try:
            body = await request.read()
            if len(body) > MAX_BODY_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(body))
            until_ns = _checked(body, emulation.cluster.now_ns)
            await emulation.advance(until_ns)
        except ClockError as error:
            return refusal(400, str(error))
        except web.HTTPRequestEntityTooLarge:
            return refusal(400, f"the body is longer than {MAX_BODY_BYTES} bytes")
        return answer({"now_ns": until_ns})

    async def clock(_: web.Request) -> web.Response:
        return answer({"now_ns": emulation.cluster.now_ns, "kind": "virtual", "clock": emulation.clock})

    async def truth(_: web.Request) -> web.Response:
        return answer(emulation.cluster.truth())

    async def blocks(_: web.Request) -> web.Response:
        """All blocks that are resident now, by pool; their names as on the placement stream."""
        held = emulation.cluster.residents()
        pools = [
            {
                "slot": pool["slot"],
                "owner": pool["owner"],
                "tier": pool["tier"],
                "blocks": [f"{name:016x}" for name in held[pool["slot"]]],
            }
            for pool in emulation.inventory["pools"]
        ]
        return answer({"now_ns": emulation.cluster.now_ns, "pools": pools})

    async def requests(_: web.Request) -> web.Response:
        """The newest requests, as columns: of which workload, when they were meant to come, and what they follow from."""
        return answer({"now_ns": emulation.cluster.now_ns, "requests": emulation.cluster.requested()})

    async def tokens(request: web.Request) -> web.Response:
        """The last deliveries, as columns: of all, or of one `request`, after a time in ns."""
        after = request.query.get("after_ns", "-1")
        if not re.fullmatch(r"-?[0-9]{1,18}", after):
            return refusal(400, "after_ns must be a whole number of nanoseconds")
        log, workers = emulation.token_log, [worker.id for worker in emulation.cluster.workers]
        found = log.tokens(workers, request.query.get("request"), int(after))
        return answer({"now_ns": emulation.cluster.now_ns, "from_ns": log.from_ns, "tokens": found})

    return [
        web.post("/clock/advance", advance),
        web.get("/clock", clock),
        web.get("/truth", truth),
        web.get("/truth/blocks", blocks),
        web.get("/truth/tokens", tokens),
        web.get("/truth/requests", requests),
    ]


def answer(body: Row, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def refusal(status: int, reason: str) -> web.Response:
    return answer({"error": reason}, status)


def _checked(body: bytes, now_ns: int) -> int:
    try:
        until_ns = msgspec.json.decode(body, type=Advance).until_ns
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClockError(f'the body must be {{"until_ns": N}} with an integer N: {error}') from None
    if until_ns - now_ns > MAX_ADVANCE_NS:
        raise ClockError(f"{until_ns} ns is more than {MAX_ADVANCE_NS} ns after now, {now_ns} ns; go there in steps")
    return until_ns
