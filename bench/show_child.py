"""The child of `bench.show`: a show on the terminal that it is given. `SECONDS`: so long; 0: until the second Frame is drawn. Marks tell how late Frames were drawn."""

import sys
import time
from itertools import pairwise

from bench.ui_child import mark


def main(seconds: float) -> None:
    from tui.app import TokenyardApp
    from tui.show.driver import ShowDriver
    from tui.show.script import Script
    from tui.show.scripts import script_of

    found = script_of("bad-day")
    assert found is not None
    script = Script(found.name, max(seconds, found.length_s) + 5, found.chapters)
    drawn: list[tuple[float, int]] = []

    class Timed(TokenyardApp):
        def post_display_hook(self) -> None:
            shown = self.playhead.shown
            if shown is None or (drawn and drawn[-1][1] == shown.time_ns):
                return
            drawn.append((time.monotonic(), shown.time_ns))
            if len(drawn) == 2 and not seconds:
                mark("end")
                self.exit()
            elif seconds and shown.time_ns >= seconds * 1e9:
                origin = min(at - time_ns / 1e9 for at, time_ns in drawn)
                late = sorted(at - time_ns / 1e9 - origin for at, time_ns in drawn)
                between = [after[0] - one[0] for one, after in pairwise(drawn)]
                mark(
                    "end",
                    late_s=late[-1],
                    late_p99_s=late[len(late) * 99 // 100],
                    between_s=max(between),
                    drawn=len(drawn),
                )
                self.exit()

    Timed(ShowDriver(script, "bad-day", 7, None)).run()


if __name__ == "__main__":
    main(float(sys.argv[1]))
