"""llama.cpp's own HTTP server out of the wheel xllamacpp: `llama_server.py MODEL PORT SLOTS CONTEXT`. Run by a peer's Python."""

import signal
import sys

import xllamacpp  # type: ignore[import-not-found]  # of the peer


def main(model: str, port: int, slots: int, context: int) -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.model_alias = {"tiny"}
    settings.hostnames, settings.port = ["127.0.0.1"], port
    settings.n_parallel, settings.n_ctx = slots, context
    settings.endpoint_metrics = settings.endpoint_slots = settings.endpoint_props = True
    settings.warmup = False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
