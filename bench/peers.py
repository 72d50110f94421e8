"""Other monitors on the fleet of `bench.fleet`, opt in: `python -m bench peers` with BENCH_PEERS=1, which installs them from PyPI into a throw-away venv.

Each plays on its own terminal for as long as ours, on the same pages from another process. CPU and memory are the process' own, as the system counts them.
"""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.fleet import LINES, SECONDS, TARGETS
from bench.pages import served, serving
from bench.result import Result
from bench.ui import terminal

PEERS = {
    "vllmstat": ("vllmstat==0.9.1", ["--no-gpu", "--interval", "1"], "-u"),
    "vllm-htop": ("vllm-htop==0.5.0", ["--table", "--no-gpu-detect", "--interval", "1", "--url"], ""),
}
"""What to install, with which options, and what goes before each URL."""
WARM_UP_S = 8.0
TICKS = os.sysconf("SC_CLK_TCK")


def usage(pid: int) -> tuple[float, float]:
    """CPU seconds so far, and resident megabytes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(command: Sequence[str], seconds: float, port: int) -> tuple[float, float, float]:
    """Share of a core, resident megabytes and scrapes a second of a program on a terminal, after its warm-up."""
    with terminal() as (master, slave):
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as program:
            try:
                drain(master, WARM_UP_S)
                before, wall, pages = usage(program.pid)[0], time.monotonic(), served(port)
                drain(master, seconds)
                after, megabytes = usage(program.pid)
                if program.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended by itself with {program.returncode}")
                lasted = time.monotonic() - wall
                return (after - before) / lasted, megabytes, (served(port) - pages) / lasted
            finally:
                program.kill()


def drain(master: int, seconds: float) -> None:
    """Read what is written to the terminal, for so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            os.read(master, 1 << 16)


def run() -> list[Result]:
    if not os.environ.get("BENCH_PEERS"):
        return [Result("other monitors on the same fleet", "", "BENCH_PEERS=1 installs and measures them", None)]
    seconds = float(os.environ.get("BENCH_FLEET_S", SECONDS))
    results = []
    with tempfile.TemporaryDirectory() as folder, serving(LINES, TARGETS) as ports:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = [package for package, *_ in PEERS.values()]
        install = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        for name, (package, options, flag) in PEERS.items():
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            targets = [part for url in urls for part in ([flag, url] if flag else [url])]
            share, megabytes, rate = measure([f"{folder}/bin/{name}", *options, *targets], seconds, ports[0])
            found = (
                f"{share:.1%} at {rate:.0f} scrapes/s ({share / rate * TARGETS:.0%} at {TARGETS}/s), {megabytes:.0f} MB"
            )
            results.append(Result(f"{package} on the same {TARGETS} pages", "", found, None))
    return results
