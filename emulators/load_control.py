"""The load by hand, while a simulation runs.

POST /load {"factor": 2}   from now on sessions arrive twice as often as the scenario says; 0: none, 1: as it says. Those under way go on
GET /load                  {"factor": 2.0, "now_ns": N}
"""

from typing import Final

import msgspec
from aiohttp import web

from emulators.arrivals import LoadError, checked
from emulators.control import answer, refusal
from emulators.emulation import Emulation

MAX_BODY_BYTES: Final = 4_096


def routes(emulation: Emulation) -> list[web.RouteDef]:
    """The handlers, for the router's server."""
    cluster = emulation.cluster

    async def load(request: web.Request) -> web.Response:
        body = await request.content.read(MAX_BODY_BYTES + 1)
        try:
            if len(body) > MAX_BODY_BYTES:
                raise LoadError(f"the body is longer than {MAX_BODY_BYTES} bytes")
            table = msgspec.json.decode(body, type=dict[str, object])
            if table.keys() != {"factor"}:
                raise LoadError('the body must be {"factor": F}')
            cluster.workload.quicken(checked(table["factor"]))
        except (LoadError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return refusal(400, str(error))
        return now()

    async def told(_: web.Request) -> web.Response:
        return now()

    def now() -> web.Response:
        return answer({"factor": cluster.workload.factor, "now_ns": cluster.now_ns})

    return [web.post("/load", load), web.get("/load", told)]
