"""Real software on loopback: installed on demand, each in a throw-away virtual environment outside the repository, started, and stopped whatever happens.

What cannot be had here skips the tests of that peer and says why.
"""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

CACHE: Final = Path(os.environ.get("TOKENYARD_REAL_CACHE", "~/.cache/tokenyard-real")).expanduser()
INSTALL_S: Final = 2_400.0
START_S: Final = 300.0
"""Two shared cores load an engine slowly."""
STOP_S: Final = 20.0
TAIL: Final = 1_500
"""Characters of a log that an error shows."""


def environment(peer: str, *requirements: str, bare: Sequence[str] = (), without: Sequence[str] = ()) -> Path:
    """The `bin` folder of the peer's virtual environment with exactly these requirements. Skips where pip cannot install them.

    `bare` ones come without what they ask for (which may not be on the index), `without` names packages that are taken out again (which may not load).
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    folder, stamp = CACHE / peer, CACHE / f"{peer}.installed"
    wanted = "\n".join([*requirements, *(f"bare {one}" for one in bare), *(f"without {one}" for one in without)])
    with (CACHE / f"{peer}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted and (folder / "bin" / "python").exists()):
            _say(f"installing {' '.join((*requirements, *bare))} into {folder}")
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip"]
            _install(peer, [sys.executable, "-m", "venv", str(folder)])
            _install(peer, [*pip, "install", *requirements])
            if bare:
                _install(peer, [*pip, "install", "--no-deps", *bare])
            if without:
                _install(peer, [*pip, "uninstall", "--yes", *without])
            stamp.write_text(wanted)
    return folder / "bin"


def _install(peer: str, step: Sequence[str]) -> None:
    log = CACHE / f"{peer}.install.log"
    with log.open("w") as output:
        try:
            done = subprocess.run(step, stdout=output, stderr=subprocess.STDOUT, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{peer}: not installed within {INSTALL_S:.0f} s; see {log}")
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        pytest.skip(f"{peer}: cannot be installed here: {lines[-1][:200] if lines else step}; see {log}")


def program(name: str, package: str) -> Path:
    """A program of the system. Skips where it is not installed: system packages are the operator's to install."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name}: not installed; apt-get install {package}")
    return Path(found)


def free_port(count: int = 1) -> int:
    """The first of `count` free ports in a row, below 32,768: Dynamo keeps one of them in a signed integer of 16 bits."""
    while True:
        first = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            for port in range(first, first + count):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def answers(url: str, statuses: tuple[int, ...] = (200,)) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return response.status in statuses
    except HTTPError as error:
        return error.code in statuses
    except OSError:
        return False


class Server:
    """A process and all that it starts, in a process group of its own; what it says goes to `log`."""

    def __init__(self, log: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        self._arguments = [str(one) for one in arguments]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments, stdout=output, stderr=subprocess.STDOUT, env=self._env, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_for(
        self, ready: Callable[[], bool], what: str, others: Sequence["Server"] = (), deadline_s: float = START_S
    ) -> None:
        """Until `ready`; fails with the end of the log when the process, or one of the others, ends, or the time is over."""
        until = time.monotonic() + deadline_s
        while not ready():
            for one in (self, *others):
                assert one._process is not None
                if one._process.poll() is not None:
                    pytest.fail(f"{what}: ended with {one._process.returncode}\n{one.tail()}", pytrace=False)
            if time.monotonic() > until:
                pytest.fail(f"{what}: not ready after {deadline_s:.0f} s\n{self.tail()}", pytrace=False)
            time.sleep(0.2)

    def kill(self) -> None:
        """As a machine that loses power: nothing is said to anybody."""
        self._signal(signal.SIGKILL)
        self._ended(STOP_S)

    def stop(self) -> None:
        """Asked first, then made to."""
        self._signal(signal.SIGTERM)
        if not self._ended(STOP_S):
            self.kill()
        self._signal(signal.SIGKILL)  # what it left behind

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-TAIL:]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _ended(self, deadline_s: float) -> bool:
        if self._process is None:
            return True
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            return False
        return True


@contextlib.contextmanager
def running(server: Server, ready: Callable[[], bool], what: str) -> Iterator[Server]:
    """Started and ready; stopped at the end, whatever happened."""
    server.start()
    try:
        server.wait_for(ready, what)
        yield server
    finally:
        server.stop()


def _say(text: str) -> None:
    print(f"\ntest-real: {text}", file=sys.stderr, flush=True)
