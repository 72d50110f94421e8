"""An OpenAI-compatible upstream at a steady pace, in a process of its own: `GAP_S`. Prints its address; ends with its standard input.

A request gets as many chunks as it asks for tokens, each with its usage, the first one at once; a delay is not made up for.
"""

import asyncio
import json
import sys

from aiohttp import web

from bench.tap import CHUNK

END = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795438625,"model":"tiny","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'


async def main(gap_s: float) -> None:
    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":  # load generators also ask for metrics
            return web.Response(status=404)
        asked = json.loads(await request.read())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(1, (asked.get("max_completion_tokens") or asked["max_tokens"]) + 1):
            await response.write(CHUNK % (289 + number, number))
            await asyncio.sleep(gap_s)
        await response.write(END)
        return response

    runner = web.ServerRunner(web.Server(stream, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
