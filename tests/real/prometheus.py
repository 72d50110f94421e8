"""Debian's Prometheus on loopback, scraping what it is told to every second."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.peers import Server, answers, free_port, program, running


@contextmanager
def prometheus(folder: Path, *targets: str) -> Iterator[str]:
    """Yields its URL when it is ready."""
    binary, port = program("prometheus", "prometheus"), free_port()
    settings = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "real", "static_configs": [{"targets": list(targets)}]}],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(settings))  # which is YAML too
    server = Server(
        folder / "prometheus.log",
        *(binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with running(server, lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "prometheus"):
        yield f"http://127.0.0.1:{port}"
