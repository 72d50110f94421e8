"""`tokenyard emulate` as a process: what it prints, and when it ends."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

DEADLINE_S = 30.0


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "tui", "emulate", "default", "--seed", "3", "--port-base", "0", *options]


@contextmanager
def emulate(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command(*options), stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    line: dict[str, object] = json.loads(process.stdout.readline())
    return line


def test_it_prints_where_it_listens_as_one_line_of_json() -> None:
    with emulate("--clock", "stepped") as process:
        addresses = first_line(process)
        assert (addresses["scenario"], addresses["seed"], addresses["clock"]) == ("default", 3, "stepped")
        assert isinstance(addresses["workers"], list)
        for url in [f"{addresses['router']}/metrics", *(worker["url"] for worker in addresses["workers"])]:
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as response:
                assert b"tokenyard_emulated 1.0\n" in response.read()
        with urllib.request.urlopen(f"{addresses['router']}/kv_event_sources", timeout=DEADLINE_S) as response:
            assert json.loads(response.read())["0"]["enable_kv_cache_events"] is True
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
        assert (out, err, process.returncode) == (b"", b"", 0)


@pytest.mark.parametrize("clock", ["paced", "stepped"])
def test_it_ends_with_an_open_stream_on_sigint(clock: str) -> None:
    with emulate("--clock", clock) as process:
        with urllib.request.urlopen(
            f"{first_line(process)['router']}/placement/v1/stream", timeout=DEADLINE_S
        ) as stream:
            assert b'"emulated":true' in stream.readline()
            process.send_signal(signal.SIGINT)
            while stream.readline():
                pass
        _, err = process.communicate(timeout=DEADLINE_S)
        assert (err, process.returncode) == (b"", 0)


def test_it_ends_with_its_stdin_only_if_asked() -> None:
    with emulate("--exit-with-stdin") as process:
        first_line(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE_S) == 0
    answer = subprocess.Popen(command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with answer as process:
        router = first_line(process)["router"]
        with urllib.request.urlopen(f"{router}/clock", timeout=DEADLINE_S) as response:
            assert json.loads(response.read())["clock"] == "paced"
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def test_a_port_in_use_is_said_on_stderr() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(command("--port-base", str(port)), capture_output=True, timeout=DEADLINE_S, check=False)
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert ended.stderr.decode().splitlines() == [
        f"tokenyard emulate: port {port} of 127.0.0.1 is in use; choose another --port-base, or 0 for any free ports"
    ]


def test_it_loads_no_user_interface() -> None:
    code = "import emulators.server, sys; print(*sorted(m for m in sys.modules if m.partition('.')[0] in {'textual', 'rich', 'tui', 'collectors', 'zmq'}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=DEADLINE_S, check=True)
    assert ended.stdout.strip() == b""
