"""A client of OpenAI's own package, run by the interpreter of a venv that has it: `URL MODEL REQUESTS AT_ONCE PROMPT_TOKENS`. Prints a line of JSON for each request.

Half of the requests stream. Times are this process' own, in seconds: `ttft` from before the call to the first piece, `gaps` between pieces, `whole` to the end.
"""

import asyncio
import itertools
import json
import sys
import time


async def main(url: str, model: str, requests: int, at_once: int, prompt: int) -> None:
    from openai import AsyncOpenAI  # type: ignore[import-not-found]

    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    places = asyncio.Semaphore(at_once)

    async def ask(number: int) -> None:
        messages = [{"role": "user", "content": f"question {number} ".ljust(4 * prompt, "?")}]
        async with places:
            begin = time.perf_counter()
            if number % 2:
                answer = await client.chat.completions.create(model=model, messages=messages, max_tokens=64)
                row = {"id": answer.id, "tokens": answer.usage.completion_tokens, "whole": time.perf_counter() - begin}
            else:
                options = {"include_usage": True}
                stream = await client.chat.completions.create(
                    model=model, messages=messages, max_tokens=64, stream=True, stream_options=options
                )
                times, tokens = [], 0
                async for chunk in stream:
                    if chunk.choices and chunk.choices[0].delta.content:
                        times.append(time.perf_counter() - begin)
                    tokens = chunk.usage.completion_tokens if chunk.usage else tokens
                gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
                row = {"id": chunk.id, "tokens": tokens, "ttft": times[0], "gaps": gaps, "whole": times[-1]}
            print(json.dumps(row), flush=True)

    await asyncio.gather(*(ask(number) for number in range(requests)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
