"""Streams asked for by OpenAI's own package at a steady rate, run by the interpreter of a venv that has it: `URL REQUESTS TOKENS EVERY_S`. Prints a line of JSON for each.

`ttft` is from before the call to the first piece, `gaps` between pieces, in seconds of this process' clock; or `error` is what went wrong.
"""

import asyncio
import itertools
import json
import sys
import time


async def main(url: str, requests: int, tokens: int, every_s: float) -> None:
    from openai import AsyncOpenAI, OpenAIError  # type: ignore[import-not-found]

    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    async def ask(number: int) -> None:
        await asyncio.sleep(number * every_s)
        begin = time.perf_counter()
        try:
            stream = await client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "go on"}], max_tokens=tokens, stream=True
            )
            times = [time.perf_counter() async for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
            if len(times) != tokens:
                raise OpenAIError(f"{len(times)} of {tokens} tokens")
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            row: dict[str, object] = {"ttft": times[0] - begin, "gaps": gaps}
        except OpenAIError as error:
            row = {"error": repr(error)}
        print(json.dumps(row), flush=True)

    await asyncio.gather(*(ask(number) for number in range(requests)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
