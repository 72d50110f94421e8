"""The child of `bench.screens`: `HZ FRAMES KEYS…`, a loaded session on the pages that the keys go to, one after the other. `e` among the keys is enter."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from bench.loaded import batches
from bench.screens import STREAMS, TOKENS_PER_S, WORKERS
from bench.ui_child import WARM_UP, Silent, mark
from collectors.compare.comparison import Comparison, Plain, Row, Says, Side, Spread
from collectors.model.batch import Batch, Watermark
from collectors.model.frame import Frame
from collectors.session.clock import TICK_NS
from collectors.session.detail import Detail
from collectors.session.session import Session
from tests.tui.frames import known
from tui.app import TokenyardApp
from tui.driver import Post

BEFORE: Final = 80
"""Ticks before the first is shown."""
REMEMBERED: Final = 4
"""Frames that are kept, as what remembers a session does: a screen is not who gives their memory back."""


class Loaded:
    """Frames of a loaded session, one after the other; `taken_s` is the CPU time that they took, with looking for garbage, nearly all of which is theirs."""

    def __init__(self) -> None:
        self.detail = Detail()
        self.taken_s = 0.0
        self._session = Session("virtual", detail=self.detail)
        self._work = batches(WORKERS, TOKENS_PER_S, STREAMS)
        self._tick = 0
        self._newest: deque[Frame] = deque(maxlen=REMEMBERED)

    def frame(self, *, quiet: bool = False) -> Frame:
        """The next one; `quiet`: nothing is told but that nothing is."""
        begin = time.process_time()
        now_ns = self._tick * TICK_NS
        for batch in [Batch("router", now_ns, (Watermark(now_ns),))] if quiet else next(self._work):
            self._session.feed(batch)
        self._tick += 1
        frame = self._session.tick(self._tick * TICK_NS)
        self._newest.append(frame)
        self.taken_s += time.process_time() - begin
        return frame

    def with_garbage(self, app: TokenyardApp) -> None:
        """What the app takes to look for garbage is counted here from now on."""
        look = app._garbage.look

        def counted() -> None:
            begin = time.process_time()
            look()
            self.taken_s += time.process_time() - begin

        app._garbage.look = counted  # type: ignore[method-assign]


def compared(workers: int, kinds: int = 20) -> Comparison:
    """Two sides with so many workers, of so many kinds and models."""
    a, b = (Side(f"{name}.tyard", 0.0, 600.0, True, 60_000, ("m",), workers, None) for name in ("before", "after"))
    groups = [f"GPU m-{n}" for n in range(kinds)]
    rows = [
        Row(f"{what} {q}", of, "s", 0.02, 0.021, 60_000, 60_000, 0.0004, 0.0016, Says.HIGHER)
        for of in groups
        for what in ("gap", "ttft", "tpot")
        for q in ("p50", "p99")
    ]
    plain = [Plain("workers", "tok/s", f"w-{n}/0", known(333.0 + n), known(334.0 + n)) for n in range(workers)]
    bins, counts = tuple(range(4_000, 4_100)), tuple(range(1, 101))
    spreads = [Spread("gap", of, bins, counts, bins, counts[::-1]) for of in groups]
    return Comparison(a, b, (), tuple(rows), tuple(plain), tuple(spreads))


def main(hz: int, count: int, screens: Sequence[str]) -> None:
    class Shown(Silent):
        async def run(self, post: Post) -> None:
            loaded = Loaded()
            loaded.with_garbage(app)
            self.detail = loaded.detail
            for _ in range(BEFORE):
                loaded.frame()
            post(loaded.frame())
            await asyncio.sleep(0.5)
            for keys in screens:
                for key in keys:
                    app.simulate_key("enter" if key == "e" else key)
                    await asyncio.sleep(0.2)
                cpu, due = 0.0, time.monotonic()
                for number in range(WARM_UP + count):
                    if number == WARM_UP:
                        mark(f"begin {keys}")
                        cpu, loaded.taken_s = time.process_time(), 0.0
                    post(loaded.frame())
                    due += 1 / hz
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                mark(f"end {keys}", ui_s=time.process_time() - cpu - loaded.taken_s)
            mark("end")
            app.exit()

    app = TokenyardApp(Shown(), comparison=compared(WORKERS))
    app.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
