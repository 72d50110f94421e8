"""Streams asked for by OpenAI's own package at a steady rate, run by the interpreter of a venv that has it: `REQUESTS TOKENS EVERY_S URL …`. Prints a line of JSON for each.

Each address gets so many requests, one every so many seconds; they are asked one after the other, each first as often as last, so that what else the machine does meets all alike.
When exactly is drawn: at a steady step they would always meet the pieces of the same streams, and whoever answers a little later would wait behind all of those in this process.
`ttft` is from before the call to the first piece, `gaps` between pieces, in seconds of this process' clock; or `error` is what went wrong. They come in the order in which
they were asked for, `of` an address. The last line is what share of a core this process took.
"""

import asyncio
import itertools
import json
import random
import sys
import time


async def main(requests: int, tokens: int, every_s: float, urls: list[str]) -> None:
    from openai import AsyncOpenAI, OpenAIError  # type: ignore[import-not-found]

    begun_s = time.perf_counter()
    clients = [AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) for url in urls]

    async def ask(number: int) -> dict[str, object]:
        await asyncio.sleep((number + random.random()) * every_s / len(urls))
        turn, place = divmod(number, len(urls))
        of = (turn + place) % len(urls)
        begin = time.perf_counter()
        try:
            stream = await clients[of].chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "go on"}], max_tokens=tokens, stream=True
            )
            times = [time.perf_counter() async for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
            if len(times) != tokens:
                raise OpenAIError(f"{len(times)} of {tokens} tokens")
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            return {"of": of, "ttft": times[0] - begin, "gaps": gaps}
        except OpenAIError as error:
            return {"of": of, "error": repr(error)}

    for row in await asyncio.gather(*(ask(number) for number in range(requests * len(urls)))):
        print(json.dumps(row))
    print(json.dumps({"cpu": time.process_time() / (time.perf_counter() - begun_s)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
