"""`snapshot` against real captured pages and against targets that misbehave, as a user runs it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.e2e.commands import ROOT, tokenyard

PAGES = [
    (ROOT / "tests/fixtures/vllm" / f"{name}.metrics.txt").read_bytes() for name in ("idle", "under_load", "after_load")
]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "snapshot.schema.json").read_text())


@contextmanager
def serving(pages: list[bytes], content_type: str = "text/plain; version=1.0.0; charset=utf-8") -> Iterator[str]:
    """Serves the pages one after the other, the last one for ever; gives `host:port`."""
    left = list(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def snapshot(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = tokenyard("snapshot", "--json", *arguments)
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, SCHEMA)
    return done.returncode, printed


def test_the_first_interval_of_the_capture() -> None:
    with serving(PAGES[:2]) as target:
        code, seen = snapshot(target)
    assert code == 0
    assert seen["emulated"] is False
    assert [row["status"] for row in seen["targets"]] == ["up"]
    (worker,) = seen["workers"]
    assert (worker["id"], worker["model"]) == (f"{target}/0", "tiny")
    assert (worker["running"]["value"], worker["waiting"]["value"]) == (6, 18)
    queue = worker["queue"]
    assert queue["n"] == 3
    assert (queue["p50"]["low"], queue["p50"]["high"], queue["p50"]["state"]) == (0.0, 0.3, "ok")
    assert (queue["p99"]["value"], queue["p99"]["state"], queue["p99"]["n"]) == (None, "too_few", 3)
    assert worker["gap"]["n"] == 589
    assert worker["longest_stall_s"]["state"] == "absent"
    # 600 tokens over the samples' own interval, of which the window is made.
    assert worker["tokens_per_s"]["value"] == pytest.approx(600 / seen["window_s"])
    (tier,) = seen["tiers"]
    assert tier["tier"] == "HBM"
    assert tier["used_bytes"]["state"] == "absent"
    assert tier["active_bytes"]["state"] == "ok"
    # 40 blocks of 32 tokens, one of which is the null block; 36 of 39 in use. The page does not know bytes.
    assert (tier["active_bytes"]["value"], tier["active_bytes"]["unit"]) == (36 * 32, "tokens")
    assert (tier["capacity_bytes"]["value"], tier["capacity_bytes"]["unit"]) == (39 * 32, "tokens")
    assert tier["hit_tokens"]["value"] == 1664
    tokens = {row["stage"]: (row["primary"], row["tokens"]["value"]) for row in seen["placements"]}
    assert tokens == {"decode": (True, 600), "prefill": (False, 968)}
    assert seen["decisions"]["total"]["state"] == "absent"
    assert seen["stalls"] == []


def test_the_whole_capture() -> None:
    with serving(PAGES) as target:
        code, seen = snapshot(target, "--for", "3500ms")
    assert code == 0
    (worker,) = seen["workers"]
    assert worker["queue"]["n"] == 27
    assert (worker["queue"]["p50"]["low"], worker["queue"]["p50"]["high"]) == (10.0, 15.0)
    assert (worker["running"]["state"], worker["running"]["value"]) == ("zero", 0)
    assert seen["tiers"][0]["active_bytes"]["state"] == "zero"


def test_the_first_sample_gives_no_rate() -> None:
    with serving(PAGES[:1]) as target:
        _, seen = snapshot(target, "--for", "300ms")
    (worker,) = seen["workers"]
    assert worker["tokens_per_s"]["value"] is None
    assert seen["placements"] == []


def test_bad_targets_are_rows_and_the_others_go_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refused = f"127.0.0.1:{closed.getsockname()[1]}"
    evil = b'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0",model_name="\x1b]0;owned\x07\xe2\x80\xaeevil"} 1\n'
    with (
        serving(PAGES[:2]) as good,
        serving([b'# TYPE x counter\nx{a="b} 1\n']) as torn,
        serving([b"\x89PNG"], "image/png") as picture,
        serving([b"# TYPE up gauge\nup 1\n"]) as stranger,
        serving([evil]) as hostile,
    ):
        code, seen = snapshot(good, refused, torn, picture, stranger, hostile)
    assert code == 0
    status = {row["name"]: (row["status"], row["reason"]) for row in seen["targets"]}
    assert status[good] == ("up", "")
    assert status[refused] == ("down", "refused")
    assert status[torn][0] == "rejected"
    assert "line 2" in status[torn][1]
    assert status[picture][0] == "rejected"
    assert "image/png" in status[picture][1]
    assert status[stranger][0] == "rejected"
    assert "known" in status[stranger][1]
    assert status[hostile][0] == "up"
    printed = json.dumps(seen, ensure_ascii=False)
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    models = {worker["target"]: worker["model"] for worker in seen["workers"]}
    assert models[good] == "tiny"


def test_exit_code_when_none_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, seen = snapshot(f"127.0.0.1:{port}")
    assert code == 2
    assert [row["status"] for row in seen["targets"]] == ["down"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snapshot", "not a target"), "not a target"),
        (("snapshot", "ftp://127.0.0.1:1"), "http"),
        (("demo", "nowhere"), "unknown scenario 'nowhere'; known: "),
        (("emulate", "nowhere"), "unknown scenario 'nowhere'; known: "),
        (("demo", "--json"), "--headless"),
        (("demo", "--trace", "nowhere"), "neither a file nor one of azure-chat"),
        (("emulate", "portable", "--trace", "mooncake"), "--trace goes without a SCENARIO"),
        (("demo", "--fault", "earthquake:gpu-0/0@1"), "unknown kind 'earthquake'; known: death"),
        (("emulate", "--fault", "death:gpu-9/0@1"), "no worker 'gpu-9/0' here"),
        (("replay", str(Path(__file__).parent / "no-such-file")), "does not exist"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_wrong_usage_is_64_and_says_what_is_known(arguments: tuple[str, ...], said: str) -> None:
    done = tokenyard(*arguments)
    assert done.returncode == 64
    assert said in done.stderr
    assert done.stdout == ""


def test_the_scenarios_are_listed_each_with_what_it_is() -> None:
    done = tokenyard("demo", "--list")
    assert done.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert {"default", "bad-day", "policies"} <= lines.keys()
    assert lines["default"].startswith("1 prefill GPU")


def test_version() -> None:
    done = tokenyard("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("tokenyard, version 0.1.0")
