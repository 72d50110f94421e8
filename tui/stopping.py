"""When a command that serves is to end."""

import asyncio
import contextlib
import os
import signal
import threading


def told_to_stop(*, with_stdin: bool) -> asyncio.Event:
    """Set on SIGTERM, SIGINT, or, if asked, when standard input is closed: so a child ends with its parent, however that ends. Needs a running loop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_stdin:
        threading.Thread(target=_at_end_of_stdin, args=(loop, stop), daemon=True).start()
    return stop


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4_096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(stop.set)
