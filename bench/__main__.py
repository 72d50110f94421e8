"""`python -m bench [NAME…]`: prints each goal beside its measured value. Informs, never gates: wall clocks are the machine's, ratios and counts are ours."""

import importlib
import pkgutil
import sys

import bench
from bench.result import Result

BESIDE = {"__main__", "result", "pages", "loaded", "stream"}
"""What benchmarks are made of, beside their children."""
MARKS = {True: "met", False: "MISSED", None: ""}


def modules() -> list[str]:
    return sorted(
        module.name
        for module in pkgutil.iter_modules(bench.__path__)
        if module.name not in BESIDE and not module.name.endswith("_child")
    )


def main(names: list[str]) -> int:
    known = modules()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(known)}", file=sys.stderr)
        return 64
    print(f"{'what':<58} {'goal':<24} {'measured':<36}")
    for name in names or known:
        module = importlib.import_module(f"bench.{name}")
        if not hasattr(module, "run"):
            continue
        results: list[Result] = module.run()
        for result in results:
            print(f"{result.name:<58} {result.goal:<24} {result.measured:<36} {MARKS[result.met]}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
