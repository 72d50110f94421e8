"""What a target may do to whoever watches it, and what is to be said of each."""

import asyncio
import gzip
import json
import zlib
from functools import cache
from typing import Final, NamedTuple

import msgspec

from collectors.model.vocabulary import TargetStatus
from collectors.wire.limits import Limits
from tests.loopback import Handler, Request, drips, head, page, says

PATIENT: Final = Limits(max_body_bytes=16 << 20, max_series=50_000)
"""Those that are not named here are the defaults, deadlines too: whoever else is busy here does not make a target slow."""
QUICK: Final = msgspec.structs.replace(PATIENT, connect_s=0.5, idle_s=0.25, total_s=0.6)
DOWN, REJECTED, UP = TargetStatus.DOWN, TargetStatus.REJECTED, TargetStatus.UP
TEXT: Final = "Content-Type: text/plain"
GZIP: Final = "Content-Encoding: gzip"
OLD: Final = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
NDJSON: Final = "Content-Type: application/x-ndjson"
BINARY: Final = "Content-Type: application/vnd.tokenyard.placement.v1"
GOOD: Final = b'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0",model_name="m"} 7\n'
ESCAPES: Final = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\u200b\ufeffred"
"""Sets a title, clears the screen, turns the text round; what is left of it is `red`."""


class Hostile(NamedTuple):
    """`reason` is how it begins, `limit` what it is over. Of a `PAGE` or a `STREAM`."""

    handler: Handler
    status: TargetStatus
    reason: str = ""
    limit: str = ""
    kind: str = "page"
    tls: bool = False
    read_at_once: str = ""
    """How the reason begins where a busy machine takes its pieces in one read, if that is another fault."""


def flood(*pieces: bytes, first: bytes = b"") -> Handler:
    """Says them again and again, as fast as they are taken."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            for piece in pieces:
                writer.write(piece)
            await writer.drain()

    return handler


def big(pieces: list[bytes], *headers: str) -> Handler:
    """A page that is made when it is asked for, and not kept."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(page(b"".join(pieces), *headers))
        await writer.drain()

    return handler


def says_in_pieces(*pieces: bytes) -> Handler:
    """Each by itself, as far as that can be brought about."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return handler


@cache
def bomb(megabytes: int, layers: int = 1) -> bytes:
    """Zeros, compressed."""
    data = bytes(1 << 20)
    pack = zlib.compressobj(1, wbits=31)
    packed = b"".join([*(pack.compress(data) for _ in range(megabytes)), pack.flush()])
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


def series(count: int, name: str = "a") -> list[bytes]:
    return [b'%b{i="%d"} 1\n' % (name.encode(), number) for number in range(count)]


ZSTD_BOMB: Final = bytes.fromhex("28b52ffd0458") + b"\x02\x00\x01\x00" * 1_000
"""The magic number of zstd and blocks of a repeated byte: nobody is to unpack it."""
HALF_BLOCK: Final = gzip.compress(b"".join(series(50_000)))[:40_000]
INTERIM: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
CHUNKED: Final = head(TEXT, "Transfer-Encoding: chunked")
TOO_LARGE: Final = "too large: more than 16 MiB"
NOT_TEXT: Final = "not prometheus text: line "
SLOW: Final = "timeout reading"

EXCHANGES: Final = {
    "gzip bomb": Hostile(says(page(bomb(64), GZIP)), REJECTED, TOO_LARGE, "max_body_bytes"),
    "gzip bomb without a length": Hostile(
        flood(bomb(64), first=head(TEXT, GZIP)), REJECTED, TOO_LARGE, "max_body_bytes"
    ),
    "gzip in gzip": Hostile(says(page(bomb(64, 2), GZIP)), DOWN, "truncated"),
    "zstd bomb": Hostile(
        says(page(ZSTD_BOMB, "Content-Encoding: zstd")),
        REJECTED,
        "content encoding zstd is none of gzip, deflate, identity",
    ),
    "two encodings": Hostile(
        says(page(bomb(1), "Content-Encoding: gzip, gzip")), REJECTED, "content encoding gzip, gzip is none of"
    ),
    "compressed, ends in mid-block": Hostile(says(page(HALF_BLOCK, GZIP)), REJECTED, "truncated gzip"),
    "endless line": Hostile(flood(b"x" * 65_536, first=head(TEXT)), REJECTED, TOO_LARGE, "max_body_bytes"),
    "endless page": Hostile(flood(b"a 1\n" * 16_384, first=head(TEXT)), REJECTED, TOO_LARGE, "max_body_bytes"),
    "slow drip": Hostile(drips(b"a 1\n", 0.05), DOWN, SLOW, "total_s"),
    "hang after headers": Hostile(says(head(TEXT, "Content-Length: 9"), then_hangs=True), DOWN, SLOW, "idle_s"),
    "hang in a chunk": Hostile(says(CHUNKED + b"ff\r\na 1\n", then_hangs=True), DOWN, SLOW, "idle_s"),
    "no answer": Hostile(says(b"", then_hangs=True), DOWN, SLOW, "idle_s"),
    "closed at once": Hostile(says(b""), DOWN, "closed without an answer"),
    "garbage in chunks": Hostile(says(CHUNKED + b"xyz\r\na 1\n\r\n"), REJECTED, "not http"),
    "a chunk of 2^70 bytes": Hostile(says(CHUNKED + b"4" + b"0" * 17 + b"\r\na 1\n"), REJECTED, "not http"),
    "endless chunk extension": Hostile(flood(b"z" * 65_536, first=CHUNKED + b"5;x="), DOWN, SLOW, "total_s"),
    "endless trailers": Hostile(
        flood(b"X: y\r\n" * 1_000, first=CHUNKED + b"4\r\na 1\n\r\n0\r\n"), REJECTED, "not http"
    ),
    "a length that is too long": Hostile(says(head(TEXT, "Content-Length: 999") + GOOD), DOWN, "truncated"),
    "a length that cuts a number": Hostile(
        says_in_pieces(head(TEXT, f"Content-Length: {len(GOOD) - 1}"), GOOD[:-1], b"1\n"),
        DOWN,
        "truncated",
        read_at_once="not http",
    ),
    "two lengths": Hostile(says(head(TEXT, "Content-Length: 5", "Content-Length: 4") + GOOD), REJECTED, "not http"),
    "a length below zero": Hostile(says(head(TEXT, "Content-Length: -1") + GOOD), REJECTED, "not http"),
    "flood of interim answers": Hostile(flood(INTERIM * 1_000), DOWN, SLOW, "total_s"),
    "flood of headers": Hostile(flood(b"X: y\r\n" * 1_000, first=b"HTTP/1.1 200 OK\r\n"), REJECTED, "not http"),
    "endless header": Hostile(flood(b"y" * 65_536, first=b"HTTP/1.1 200 OK\r\nX: "), REJECTED, "not http"),
    "switching protocols": Hostile(
        says(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + GOOD), REJECTED, "http 101"
    ),
    "no http": Hostile(says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 100), REJECTED, "not http"),
    "HTTP/1.0, cut off": Hostile(says(OLD + GOOD[:-3]), DOWN, "truncated"),
    "another origin": Hostile(
        says(head("Location: http://127.0.0.2:1/metrics", status="302 Found")), REJECTED, "redirect to another origin"
    ),
    "in circles": Hostile(says(head("Location: /metrics", status="307 X")), REJECTED, "too many redirects"),
    "wrong certificate": Hostile(says(page(GOOD)), REJECTED, "tls: certificate not trusted", tls=True),
}
"""Over HTTP, whatever the body is."""

PAGES: Final = {
    "10^6 series": Hostile(big(series(1_000_000)), REJECTED, NOT_TEXT, "max_lines"),
    "a series too many": Hostile(big(series(50_001)), REJECTED, NOT_TEXT, "max_series"),
    "all series that are allowed": Hostile(big(series(50_000)), REJECTED, "not a known back end"),
    "nothing but newlines": Hostile(says(page(b"\n" * (15 << 20))), REJECTED, NOT_TEXT, "max_lines"),
    "label of 10 MB": Hostile(
        says(page(b'vllm:num_requests_running{engine="%b"} 1\n' % (b"x" * 10_000_000))),
        REJECTED,
        NOT_TEXT,
        "max_line_bytes",
    ),
    "label of 20 kB": Hostile(
        says(page(b'vllm:num_requests_running{engine="%b"} 1\n' % (b"x" * 20_000))),
        REJECTED,
        NOT_TEXT,
        "max_label_bytes",
    ),
    "label of backslashes": Hostile(
        says(page(b'vllm:num_requests_running{engine="%b} 1\n' % (b"\\" * 60_000))), REJECTED, NOT_TEXT
    ),
    "10^4 labels": Hostile(
        says(page(b"a{%b} 1\n" % b",".join(b'l%d=""' % number for number in range(9_000)))),
        REJECTED,
        NOT_TEXT,
        "max_line_bytes",
    ),
    "5,000 workers": Hostile(
        says(page(b"".join(b'vllm:num_requests_running{engine="%d"} 1\n' % number for number in range(5_000)))),
        REJECTED,
        "more than 4096 workers on one page",
        "max_workers",
    ),
    "1,000 buckets": Hostile(
        says(page(b"".join(b'vllm:e2e_request_latency_seconds_bucket{le="%d"} 1\n' % le for le in range(1_000)))),
        REJECTED,
        "more than 512 buckets in vllm:e2e_request_latency_seconds_bucket",
        "max_buckets",
    ),
    "same series twice": Hostile(says(page(GOOD + GOOD)), REJECTED, f"{NOT_TEXT}4: same series as on line 2"),
    "same series twice, otherwise spelt": Hostile(
        says(page(GOOD + b'vllm:num_requests_running{model_name="m",engine="0",} 8\n')),
        REJECTED,
        f"{NOT_TEXT}3: same series as on line 2",
    ),
    "not UTF-8": Hostile(says(page(GOOD + b'a{b="\xff"} 1\n')), REJECTED, f"{NOT_TEXT}3: not UTF-8: byte 0xff"),
    "NUL": Hostile(says(page(GOOD + b"\x00\x00\n")), REJECTED, NOT_TEXT),
    "escapes where a name should be": Hostile(says(page(f"{ESCAPES} 1\n".encode())), REJECTED, NOT_TEXT),
    "escapes in a type": Hostile(says(page(f"# TYPE a {ESCAPES}\na 1\n".encode())), REJECTED, f"{NOT_TEXT}1: type"),
    "a bound that is none": Hostile(
        says(page(b'vllm:e2e_request_latency_seconds_bucket{le="1e"} 1\n')), REJECTED, "bucket of vllm:e2e_request"
    ),
    "a bound that is NaN": Hostile(
        says(page(b'vllm:e2e_request_latency_seconds_bucket{le="NaN"} 1\n')), REJECTED, "bucket of vllm:e2e_request"
    ),
}
"""Whole pages that are refused."""

STREAMS: Final = {
    "endless line of a stream": Hostile(
        flood(b"x" * 65_536, first=head(NDJSON)), REJECTED, "placement stream: ", "max_event_bytes", "stream"
    ),
    "bomb in a stream": Hostile(
        flood(bomb(64), first=head(NDJSON, GZIP)), REJECTED, "placement stream: ", "max_event_bytes", "stream"
    ),
    "frame of 4 GiB": Hostile(
        says(head(BINARY) + b"\xff\xff\xff\xff\x01\x01" + bytes(4_096)),
        REJECTED,
        "placement stream: ",
        "max_event_bytes",
        "stream",
    ),
    "stream that says nothing": Hostile(says(head(NDJSON), then_hangs=True), DOWN, SLOW, "idle_s", "stream"),
    "stream of brackets": Hostile(
        says(head(NDJSON) + b"[" * 100_000 + b"\n"), REJECTED, "placement stream: ", kind="stream"
    ),
    "stream of blank lines": Hostile(
        flood(b"\n" * 65_536, first=head(NDJSON)),
        REJECTED,
        "placement stream: first 1048576 bytes: no hello",
        "max_event_bytes",
        "stream",
    ),
}

JSON: Final = "Content-Type: application/json"
NOW: Final = b'{"status":"success","data":{"resultType":"scalar","result":[1700000000,"1700000000"]}}'


def answers(names: bytes) -> Handler:
    """A Prometheus server that knows what time it is, and says this when it is asked for names of metrics."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(page(NOW if "query=time" in request.path else names, kind="application/json"))

    return handler


def of_names(count: int) -> bytes:
    return b'{"status":"success","data":[%b]}' % b",".join(b'"m%d"' % number for number in range(count))


PROMS: Final = {
    "bomb of a server": Hostile(says(head(JSON, GZIP) + bomb(64)), REJECTED, TOO_LARGE, "max_body_bytes", kind="prom"),
    "endless answer": Hostile(
        flood(b"[" * 65_536, first=head(JSON)), REJECTED, TOO_LARGE, "max_body_bytes", kind="prom"
    ),
    "brackets of a server": Hostile(answers(b"[" * 1_000_000), REJECTED, "malformed: ", kind="prom"),
    "brackets beyond count": Hostile(answers(b"[" * 2_000_000), REJECTED, "limit: an answer of more", kind="prom"),
    "10^6 names of metrics": Hostile(answers(of_names(1_000_000)), REJECTED, "limit: more than 500000", kind="prom"),
    "names that are escapes": Hostile(
        answers(json.dumps({"status": "error", "errorType": ESCAPES, "error": ESCAPES * 99}).encode()),
        REJECTED,
        "red: redredred",
        kind="prom",
    ),
    "a clock that shows nothing": Hostile(
        says(page(NOW.replace(b"[1700000000", b"[1e300"), kind="application/json")),
        REJECTED,
        "malformed: ",
        kind="prom",
    ),
    "server that hangs": Hostile(says(head(JSON), then_hangs=True), DOWN, SLOW, "idle_s", "prom"),
}
"""Prometheus-compatible servers."""
