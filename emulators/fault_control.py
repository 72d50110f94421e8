"""Faults by hand, while a simulation runs: `POST /fault`, `DELETE /fault/ID`, `GET /faults`.

POST /fault {"kind": "straggler", "target": "gpu-1/0", "duration_s": 5, "factor": 4}   answers {"id": "f-1"}; `start_s`, in simulated time, is now unless it is said
"""

from typing import Final

import msgspec
from aiohttp import web

from emulators.control import answer, refusal
from emulators.emulation import Emulation
from emulators.faults.fault import FaultError

MAX_BODY_BYTES: Final = 4_096


def routes(emulation: Emulation) -> list[web.RouteDef]:
    """The handlers, for the router's server."""

    async def give(request: web.Request) -> web.Response:
        body = await request.content.read(MAX_BODY_BYTES + 1)
        try:
            if len(body) > MAX_BODY_BYTES:
                raise FaultError(f"the body is longer than {MAX_BODY_BYTES} bytes")
            table = msgspec.json.decode(body, type=dict[str, str | float | None])
            name = emulation.cluster.faults.give({key: value for key, value in table.items() if value is not None})
        except (FaultError, msgspec.DecodeError, UnicodeDecodeError) as error:
            return refusal(400, str(error))
        return answer({"id": name})

    async def take_back(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if not emulation.cluster.faults.take_back(name):
            return refusal(404, f"no fault {name[:40]!r} that is planned or active; GET /faults lists them")
        return answer({"id": name})

    async def listed(_: web.Request) -> web.Response:
        faults = emulation.cluster.faults
        return answer(
            {
                "now_ns": emulation.cluster.now_ns,
                "kinds": faults.kinds(),
                "targets": faults.targets(),
                "faults": faults.rows(),
            }
        )

    return [web.post("/fault", give), web.delete("/fault/{id}", take_back), web.get("/faults", listed)]
