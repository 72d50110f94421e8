"""`doctor`: looks at the targets, or at this terminal and the local ports, and tells it as text or as one JSON object (`docs/doctor.md`).

What is found is `collectors.doctor`'s; here it is only put into words for a person at 80 columns. Never loads Textual.
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final, NamedTuple

import msgspec

from collectors.doctor.lists import listed
from collectors.doctor.probe import examine_all
from collectors.doctor.report import Examined, Verdict
from collectors.model.vocabulary import TargetStatus
from collectors.sources.usual import USUAL_PORTS, usual_targets
from collectors.stats.offsets import Offset
from collectors.wire.access import Clients
from tui.config.load import Loaded, default_file
from tui.config.resolve import resolve
from tui.config.tables import WATCHED
from tui.format import Unit, interval, plain, seconds
from tui.glyphs import ABSENT
from tui.selftest import BRAILLE, GLYPHS, Terminal, advice, packages, terminal
from tui.targets import listers, local, named

SCHEMA: Final = "tokenyard.doctor/1"
WIDTH: Final = 80
_INDENT: Final = 13
_MARKS: Final = {Verdict.SEEN: "✓ seen", Verdict.PARTLY: "≈ partly", Verdict.NOT: f"{ABSENT} not"}
_REFUSED: Final = "refused"


class Found(NamedTuple):
    """`here` and `silent` only without targets: of this machine, and the local ports at which nobody answers."""

    here: dict[str, Any] | None
    silent: tuple[str, ...]
    targets: tuple[Examined, ...]

    @property
    def any_up(self) -> bool:
        """A list of targets is none."""
        return any(one.status is TargetStatus.UP and one.findings for one in self.targets)


async def look(loaded: Loaded) -> Found:
    """At the targets of the configuration; where the command line named none, at this machine too, and without any at its usual ports."""
    plan = resolve(loaded)
    asked = any(loaded.settings[key].origin == "flag" for key in WATCHED)
    here = None if asked else {**packages(), **_configuration(loaded), "terminal": msgspec.to_builtins(terminal())}
    async with Clients() as clients:
        specs, failed = await listed(listers(plan, clients))
        found = (*failed, *await examine_all([*named(plan), *specs], clients))
        if plan.named or plan.lists:
            return Found(here, (), found)
        tried = await examine_all([local(plan, address) for address in usual_targets()], clients)
    silent = tuple(one.name for one in tried if one.reason == _REFUSED)
    return Found(here, silent, tuple(one for one in tried if one.name not in silent))


def _configuration(loaded: Loaded) -> dict[str, str | None]:
    return {"config": str(loaded.file) if loaded.file else None, "config_looked_for": str(default_file())}


def as_json(found: Found) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "here": found.here,
        "silent": list(found.silent),
        "targets": msgspec.to_builtins(found.targets),
    }


def as_text(found: Found) -> str:
    blocks = [] if found.here is None else [_here(found.here)]
    blocks += [_target(one) for one in found.targets]
    if found.silent:
        blocks.append(_silent(found))
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _target(one: Examined) -> Iterator[str]:
    what = " ".join(filter(None, (one.title, one.version)))
    state = one.status.value + (f": {one.reason}" if one.reason else "")
    emulated = " · EMULATED" if one.emulated else ""
    yield from _wrapped(f"{what} at {one.name} — {state}{emulated}" if what else f"{one.name} — {state}{emulated}")
    about = [
        *([_counted(one.workers, "worker")] if one.workers else []),
        *([_counted(one.routers, "router")] if one.routers else []),
        *([_counted(one.devices, "device")] if one.devices else []),
        *one.models,
        *one.chips,
    ]
    if about:
        yield from _row("what", ", ".join(about))
    if one.never_seen:
        yield from _row("mapping", "never seen on the wire by us: made from its documentation or source")
    for finding in one.findings:
        yield from _row(finding.aspect, f"{_MARKS[finding.verdict]}: {finding.says}")
    if one.clock is not None:
        yield from _row("clock", _clock(one.clock))
    if one.page is not None:
        most = one.limits
        yield from _row(
            "limits",
            f"{_kib(one.page.bytes)} of {_kib(most.max_body_bytes)}; {one.page.series:,} of {most.max_series:,} series; "
            f"{seconds(one.page.seconds)} of {seconds(most.total_s)}",
        )
    for note in one.notes:
        yield from _row("note", note)
    if one.help:
        yield "  would help"
    for help_ in one.help:
        about_it = f"{help_.aspect}: " if help_.aspect else ""
        yield from _wrapped(f"{about_it}{help_.gains}", "    ")
        yield f"      {help_.do}"  # not wrapped: it is to be copied


def _here(here: dict[str, Any]) -> Iterator[str]:
    own = msgspec.convert(here["terminal"], Terminal)
    yield f"tokenyard {here['tokenyard'] or 'not installed as a package'} on this machine"
    versions = ", ".join(f"{name} {version or 'MISSING'}" for name, version in here["packages"].items())
    yield from _row("python", f"{here['python']}; {versions}")
    for extra, needs in here["extras"].items():
        missing = [name for name, version in needs.items() if version is None]
        there = ", ".join(f"{name} {version}" for name, version in needs.items() if version)
        text = f"{extra}: not installed; pip install 'tokenyard[{extra}]'" if missing else f"{extra}: {there}"
        yield from _row("extra", text)
    yield from _row("config", here["config"] or f"none at {here['config_looked_for']}; the defaults hold")
    said = [
        own.term or "TERM not set",
        f"{own.columns}×{own.rows}",
        _colours(own),
        own.encoding,
        f"locale {own.locale or 'not set'}",
        *(["in tmux or screen"] if own.tmux else []),
        *(["over ssh"] if own.ssh else []),
    ]
    yield from _row("terminal", ", ".join(said) if own.tty else f"output is not a terminal; {', '.join(said)}")
    if own.tty:
        widths = [own.glyph_width, own.braille_width]
        judged = (
            "it did not say how wide"
            if None in widths
            else "one cell each"
            if widths == [1.0, 1.0]
            else "not one cell each"
        )
        yield from _row("glyphs", f"{GLYPHS} {BRAILLE} ({judged})")
    yield from _row("speed", _speed(own))
    for line in advice(own):
        yield from _row("would help", line)


def _speed(own: Terminal) -> str:
    said = f"not measured: {own.silent}"
    if own.speed is not None:
        low, high = own.speed.low, own.speed.high
        taken = f"at least {plain(low, Unit.BYTES)}" if high is None else interval(low, high, Unit.BYTES)[0]
        by = ", as tmux takes it, whatever the terminal behind it does" if own.tmux else ""
        said = f"takes {taken} a second{by}"
    return said if own.drawn_hz is None else f"{said}; drawn about {own.drawn_hz:g} times a second"


def _silent(found: Found) -> Iterator[str]:
    who = dict(zip(usual_targets(), (one.who for one in USUAL_PORTS), strict=True))
    yield "Nobody answers at"
    for name in found.silent:
        yield f"  {name:<17}{who[name]}"


def _clock(offset: Offset) -> str:
    low, high, source = offset.low_s, offset.high_s, offset.source
    if offset.contradicts:
        return f"its answers contradict each other ({source}): several hosts behind one address?"
    if low > 0:
        return f"ahead of ours by {_seconds(low)} to {_seconds(high)} ({source})"
    if high < 0:
        return f"behind ours by {_seconds(-high)} to {_seconds(-low)} ({source})"
    return f"no difference seen: at most {_seconds(-low)} behind ours, {_seconds(high)} ahead ({source})"


def _seconds(value: float) -> str:
    """No finer than a millisecond: our own clock is not known better."""
    return f"{value:.1f} s" if value >= 0.1 else f"{value * 1e3:.0f} ms"


def _colours(own: Terminal) -> str:
    if own.no_color:
        return "no colours (NO_COLOR)"
    return {0: "no colours", 1 << 24: "16 million colours"}.get(own.colours, f"{own.colours} colours")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _kib(size: float) -> str:
    return f"{size / 1024:.4g} KiB" if size < 1 << 20 else f"{size / (1 << 20):.4g} MiB"


def _row(name: str, text: str) -> list[str]:
    return _wrapped(f"  {name:<{_INDENT - 2}}{text}", " " * _INDENT)


def _wrapped(text: str, indent: str = "") -> list[str]:
    first = "" if text.startswith("  ") else indent
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent or "  ", break_on_hyphens=False)
