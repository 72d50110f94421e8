"""A recorder to be killed, starved of disk space, or told secrets: `python -m tests.recording.recorder PATH [BATCHES LIMIT_BYTES]`.

Hands over a batch a millisecond and prints a line for each. With a limit no file may grow larger than that, and it hurries.
"""

import resource
import sys
import time
from pathlib import Path

from collectors.model.batch import Batch
from collectors.recording import spool
from collectors.recording.writer import Writer
from tests.recording.material import deliveries


def main() -> None:
    batches, limit = (int(argument) for argument in (sys.argv[2:4] or ("20000", "0")))
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        spool.COMMIT_S = 0.001  # type: ignore[misc]
    writer = Writer(Path(sys.argv[1]), clock="live", version="test 1")
    began = time.monotonic_ns()
    for i in range(batches):
        now = time.monotonic_ns() - began
        writer.batch(Batch(str(i), now, (deliveries(50, i),)))
        print(i, now, flush=True)
        if writer.error:
            break
        if not limit:
            time.sleep(0.001)
    writer.close()
    print(writer.error, flush=True)


if __name__ == "__main__":
    main()
