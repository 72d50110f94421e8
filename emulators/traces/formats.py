"""The three formats of traces: a line becomes a `Call`, or an error that says what is wrong in it.

azure: CSV with `TIMESTAMP,ContextTokens,GeneratedTokens` (AzurePublicDataset, LLM inference 2023 and 2024), nothing of contents.
mooncake: JSON lines with `timestamp` in ms, `input_length`, `output_length`, and `hash_ids`, one for each 512 tokens of the prompt (Mooncake, FAST'25).
agentic: JSON lines with `session`, `agent`, `t_s` since the session's start, `input_length`, `output_length`, and `hash_ranges`: inclusive ranges of
ids, local to the session, one for each 64 tokens (kv-cache-tester, flattened to a line a call).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from emulators.traces.lines import OnError, TraceError, lines, refuse

MAX_TOKENS: Final = 10_000_000
"""Most tokens in a prompt or an answer: a damaged number must not be simulated for hours."""
MAX_AT_S: Final = 1e9
"""Latest time in a trace, 31 years: nanoseconds stay within 64 bits."""
MOONCAKE_BLOCK: Final = 512
AGENTIC_BLOCK: Final = 64
NS: Final = 1_000_000_000
BOM: Final = b"\xef\xbb\xbf"
_AZURE_HEAD: Final = b"TIMESTAMP,ContextTokens,GeneratedTokens"
_AZURE_LINE: Final = re.compile(
    rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:\+00:00|Z)?,(\d{1,9}),(\d{1,9})\s*"
)
MAX_ID: Final = 1 << 52
"""Beyond any id of a trace; an id times the blocks of ours in one stays within 64 bits."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded request. `at_ns`: since the first call of the trace or, with a `session`, since that session's start.

    `blocks`: ids of the pieces of `block_tokens` tokens that the prompt begins with, as ranges; equal ids (of the same session) are equal pieces.
    `cut`: the answer ended where it had to.
    """

    line: int
    at_ns: int
    input: int
    output: int
    blocks: tuple[range, ...] = ()
    block_tokens: int = 0
    session: str = ""
    agent: str = ""
    cut: bool = False


class _Mooncake(msgspec.Struct, gc=False):
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: list[int]


class _Agentic(msgspec.Struct, gc=False):
    session: str
    t_s: float
    input_length: int
    output_length: int
    hash_ranges: list[tuple[int, int]] = []
    agent: str = "main"
    stop: str | None = None


Parser = Callable[[int, bytes], Call]


def calls(path: Path, on_error: OnError = refuse) -> Iterator[Call]:
    """All calls of a trace in the order of the file, read as they are taken. Lines that cannot be read go to `on_error`.

    TraceError if the file cannot be read or is in none of the formats. A call that is before the one before it (in its session) is such a line, too.
    """
    parse: Parser | None = None
    session, begin_ns, last_ns = "", 0, -1
    for number, line in lines(path, on_error):
        if parse is None:
            parse = _format(path, number, line)
            if parse is _azure:
                continue
        try:
            call = parse(number, line)
            if last_ns < 0 or call.session != session:
                session, last_ns = call.session, call.at_ns
                begin_ns = 0 if session else last_ns
            if call.at_ns < last_ns:
                raise ValueError("its time is before that of the line before it")
        except (ValueError, msgspec.DecodeError) as error:
            on_error(TraceError(f"{path}:{number}: {error}"))
            continue
        last_ns = call.at_ns
        yield replace(call, at_ns=last_ns - begin_ns) if begin_ns else call


def _format(path: Path, number: int, line: bytes) -> Parser:
    """By the first line that is not empty."""
    if line.strip().removeprefix(BOM) == _AZURE_HEAD:
        return _azure
    try:
        keys = set(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        keys = set()
    if "session" in keys:
        return _agentic
    if "timestamp" in keys:
        return _mooncake
    raise TraceError(
        f"{path}:{number}: not a trace that is known; expected {_AZURE_HEAD.decode()}, or JSON lines with timestamp and hash_ids, or with session and hash_ranges"
    )


def _azure(number: int, line: bytes) -> Call:
    found = _AZURE_LINE.fullmatch(line)
    if found is None:
        raise ValueError(
            "expected a time, tokens of the prompt and tokens of the answer, as in 2023-11-16 18:17:03.97,4808,10"
        )
    second, fraction, context, generated = found.groups()
    at = datetime.fromisoformat(second.decode()).replace(tzinfo=UTC)
    at_ns = int(at.timestamp()) * NS + int((fraction or b"").ljust(9, b"0"))
    return _call(number, at_ns, int(context), int(generated))


def _mooncake(number: int, line: bytes) -> Call:
    row = _MOONCAKE.decode(line)
    ids = row.hash_ids
    _check_ids(min(ids, default=0), max(ids, default=0))
    return _call(
        number,
        _nanoseconds(row.timestamp / 1e3),
        row.input_length,
        row.output_length,
        blocks=tuple(_ranges(ids)),
        block_tokens=MOONCAKE_BLOCK,
    )


def _agentic(number: int, line: bytes) -> Call:
    row = _AGENTIC.decode(line)
    for first, last in row.hash_ranges:
        _check_ids(first, last)
    return _call(
        number,
        _nanoseconds(row.t_s),
        row.input_length,
        row.output_length,
        blocks=tuple(range(first, last + 1) for first, last in row.hash_ranges),
        block_tokens=AGENTIC_BLOCK,
        session=row.session or "session",
        agent=row.agent,
        cut=row.stop == "max_tokens",
    )


_MOONCAKE: Final = msgspec.json.Decoder(_Mooncake)
_AGENTIC: Final = msgspec.json.Decoder(_Agentic)


def _call(
    number: int,
    at_ns: int,
    tokens: int,
    output: int,
    *,
    blocks: tuple[range, ...] = (),
    block_tokens: int = 0,
    session: str = "",
    agent: str = "",
    cut: bool = False,
) -> Call:
    if not 1 <= tokens <= MAX_TOKENS:
        raise ValueError(f"a prompt of {tokens} tokens; must be between 1 and {MAX_TOKENS}")
    if not 0 <= output <= MAX_TOKENS:
        raise ValueError(f"an answer of {output} tokens; must be between 0 and {MAX_TOKENS}")
    if sum(map(len, blocks)) * block_tokens >= tokens + max(block_tokens, 1):
        raise ValueError(f"more blocks than {tokens} tokens have")
    return Call(number, at_ns, tokens, output, blocks, block_tokens, session, agent, cut)


def _nanoseconds(seconds: float) -> int:
    if not 0 <= seconds <= MAX_AT_S:
        raise ValueError(f"a time of {seconds} s; must be between 0 and {MAX_AT_S:g}")
    return round(seconds * NS)


def _check_ids(first: int, last: int) -> None:
    if not 0 <= first <= last <= MAX_ID:
        raise ValueError(f"ids of blocks from {first} to {last}; must be between 0 and {MAX_ID}, and ranges ascend")


def _ranges(ids: Sequence[int]) -> Iterator[range]:
    """The same ids in the same order, consecutive ones together."""
    if not ids:
        return
    first = ids[0]
    for one, other in pairwise(ids):
        if other != one + 1:
            yield range(first, one + 1)
            first = other
    yield range(first, ids[-1] + 1)
