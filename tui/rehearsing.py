"""`demo --rehearse`: a scenario run headless at full speed, and every chapter's claim held against the figures of that chapter. Never loads Textual."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collectors.diagnose.claimed import Told
from collectors.diagnose.claims import Held, held
from collectors.export.span import Part
from collectors.export.whole import whole
from collectors.recording.reader import Reader
from tui.headless import demo_frames
from tui.show.claims import claims_of

if TYPE_CHECKING:
    from emulators.chapters import Chapter

NS = 1_000_000_000


@dataclass(frozen=True)
class Heard:
    """A chapter from `at_s` to `until_s`, and its claim (None: it has none)."""

    chapter: "Chapter"
    until_s: float
    held: Held | None


def rehearse(scenario: str, seed: int) -> list[Heard]:
    """Raises `click.ClickException` where the scenario has no chapters, ClaimError where a claim is none."""
    from emulators.scenarios import scenario as found

    played = found(scenario)
    if not played.chapters:
        raise click.ClickException(f"{scenario} has no chapters to rehearse")
    claims = claims_of(scenario, played)
    times = [*(one.at_s for one in played.chapters), played.length_s]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rehearsal.tyard"
        asyncio.run(demo_frames(scenario, seed, played.length_s, path, lambda _: None))
        return [
            Heard(chapter, until_s, None if claim is None else held(claim, _told(path, begin_s, until_s)))
            for chapter, claim, (begin_s, until_s) in zip(played.chapters, claims, pairwise(times), strict=True)
        ]


def _told(path: Path, begin_s: float, until_s: float) -> Told:
    """Figures whose window is the chapter, and all that was found in it, or was the verdict."""
    with Reader(path) as reader:
        it = whole(reader, Part(round(begin_s * NS), round(until_s * NS)))
    named = [(str(one.finding.kind), one.finding.worker, one.led) for one in it.episodes]
    return Told(
        it.frame,
        frozenset((kind, worker) for kind, worker, _ in named),
        frozenset((kind, worker) for kind, worker, led in named if led),
    )


def lines(scenario: str, seed: int, heard: Sequence[Heard]) -> Iterator[str]:
    yield f"{scenario}, seed {seed}"
    for one in heard:
        mark = " " if one.held is None else "✓" if one.held.holds else "?" if one.held.holds is None else "✗"
        yield f"{mark} {one.chapter.at_s:g}–{one.until_s:g} s  {one.chapter.title}: {one.chapter.caption}"
        if one.held is not None:
            yield f"    {one.chapter.claim}"
            yield from (f"      {name} = {value}" for name, value in one.held.told)


def run_rehearsal(scenario: str, seed: int) -> None:
    """Prints it. Exit code 1 where a claim does not hold, or is not known to."""
    heard = rehearse(scenario, seed)
    click.echo("\n".join(lines(scenario, seed, heard)))
    if any(one.held is not None and not one.held.holds for one in heard):
        raise SystemExit(1)


def main(names: Sequence[str]) -> None:
    """`make rehearse`: each scenario with chapters (or those named), with three seeds that are drawn now."""
    import secrets

    from emulators.scenarios import SCENARIOS

    wanted = list(names) or [name for name, one in SCENARIOS.items() if one.chapters]
    failed = []
    for seed in (secrets.randbelow(1 << 31) for _ in range(3)):
        for name in wanted:
            heard = rehearse(name, seed)
            print("\n".join(lines(name, seed, heard)), flush=True)
            if any(one.held is not None and not one.held.holds for one in heard):
                failed.append(f"{name} --seed {seed}")
    for one in failed:
        print(f"does not hold: tokenyard demo {one} --rehearse")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
