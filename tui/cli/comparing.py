"""`compare`: two recordings beside each other."""

import sys
from pathlib import Path
from typing import Any

import click

from tui.cli.configured import SLO
from tui.cli.parameters import FILE, Moment, output


class Stretch(click.ParamType[tuple[float | None, float | None]]):
    """`10s..60s`, `2m..`, `..30s`; with a minus before the bookmark: `-10s..30s`."""

    name = "from..until"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float | None, float | None]:
        if isinstance(value, tuple):
            return value
        begin, dots, end = str(value).partition("..")
        if not dots:
            self.fail(f"{value!r} is not a stretch such as 10s..60s, 2m.. or ..30s", param, ctx)
        moments = [self._moment(one, param, ctx) if one else None for one in (begin, end)]
        if moments[1] is not None and (moments[0] or 0.0) >= moments[1]:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return moments[0], moments[1]

    def _moment(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = Moment().convert(text.removeprefix("-"), param, ctx)
        return -seconds if text.startswith("-") else seconds


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE, required=False)
@click.option("--a", "span_a", type=Stretch(), help="Only this part of A: 10s..60s, 2m.., ..30s.")
@click.option("--b", "span_b", type=Stretch(), help="The same of B. Without a second file: another part of A.")
@click.option("--align", metavar="NOTE", help="Both begin at their bookmark with this note; parts count from there.")
@SLO
@click.option("--text", is_flag=True, help="In words, without the dashboard; as it is where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print a tokenyard.compare/1 object.")
def compare(
    a: Path, b: Path | None, span_a: Any, span_b: Any, align: str | None, judging: Any, text: bool, as_json: bool
) -> None:
    """Two recordings, or two parts of one, beside each other: what differs, and whether that is more than chance.

    Quantiles, rates and shares have an interval of the difference; one that holds 0 shows none. At most 6 h of each.
    """
    if b is None and span_b is None:
        raise click.UsageError("compare two files, or two parts of one: compare FILE --a 0s..60s --b 2m..3m")
    from tui.compared import lines
    from tui.comparing import compared

    it = compared((a, b or a), (span_a or (None, None), span_b or (None, None)), align, judging)
    if as_json:
        import msgspec

        output(msgspec.to_builtins(it))
    elif text or not sys.stdout.isatty():
        click.echo("\n".join(lines(it)))
    else:
        from tui.start import run_compare

        run_compare(it, b or a)
    if it.a.torn is not None or it.b.torn is not None:
        raise SystemExit(1)
