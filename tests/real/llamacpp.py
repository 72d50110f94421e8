"""llama.cpp's server as a peer: two slots on a tiny model."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.real import models
from tests.real.peers import CACHE, Server, answers, environment, free_port, running

SERVE: Final = Path(__file__).with_name("llama_server.py")
EXACT: Final = {"ignore_eos": True}
"""As many tokens as were asked for."""


@contextmanager
def llamacpp(folder: Path) -> Iterator[tuple[Server, str]]:
    """Yields the process and `host:port`."""
    python = environment("llamacpp", "xllamacpp==2026.10.11549", "gguf==0.19.0") / "python"
    model = models.gguf(python, CACHE / "models" / "tiny.gguf")
    port = free_port()
    made = Server(folder / "llamacpp.log", python, SERVE, model, str(port), "2", "4096")
    with running(made, lambda: answers(f"http://127.0.0.1:{port}/health"), "llama.cpp"):
        yield made, f"127.0.0.1:{port}"


def prompts(seed: int, count: int, tokens: int = 200) -> list[list[int]]:
    """Of bytes that are text by themselves, so that each token is an event."""
    source = random.Random(seed)
    return [[source.randrange(40, 90) for _ in range(tokens)] for _ in range(count)]
