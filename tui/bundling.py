"""`bundle`: an incident as one archive: the part of the recording around a moment, the screen of that moment, a report of the part, and the configuration without secrets."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from collectors.diagnose.judging import Judging
from collectors.export.excerpt import excerpt
from collectors.export.output import ExportError, new_file
from collectors.export.span import Part
from collectors.export.whole import whole
from collectors.recording.errors import RecordingError
from collectors.recording.playback import Playback
from tui.app import TokenyardApp
from tui.recorded import bookmark, opened
from tui.replaying import ReplayDriver
from tui.report.html import html
from tui.report.markdown import markdown
from tui.report.sections import sections, title
from tui.shots import pasted

if TYPE_CHECKING:
    from tui.config.load import Loaded

SIZE: Final = (120, 36)
WAIT_S: Final = 20.0


def bundle_file(
    file: Path, path: Path, at: float | str, before_s: float, after_s: float, judging: Judging, config: Loaded
) -> None:
    """`at`: seconds from the recording's beginning, or a bookmark's note. The configuration names hosts: it is not beside a redacted recording. Raises `click.ClickException` where there is nothing, or it cannot be written."""
    from tui.config.show import as_text

    with opened(file) as reader, tempfile.TemporaryDirectory() as name:
        span = Playback(reader).span()
        if span is None:
            raise click.ClickException(f"{file}: it holds no Frames")
        wanted_ns = bookmark(file, at) if isinstance(at, str) else span[0] + at * 1e9
        at_ns = round(min(max(wanted_ns, span[0]), span[1]))
        of = Part(max(at_ns - round(before_s * 1e9), span[0]), min(at_ns + round(after_s * 1e9), span[1]) + 1)
        part = Path(name) / file.name
        try:
            excerpt(reader, of, part)
            it = whole(reader, of, judging)
            svg, text = asyncio.run(_screen(part, (at_ns - of.begin_ns) / 1e9))
            about = {
                "of": file.name, "at_s": (at_ns - span[0]) / 1e9, "from_s": (of.begin_ns - span[0]) / 1e9, "until_s": (of.end_ns - 1 - span[0]) / 1e9,
                "emulated": it.frame.emulated, "redaction": it.info.redaction, "torn": it.torn,
            }  # fmt: skip
            contents = {
                "about.json": json.dumps(about, indent=2) + "\n",
                "report.md": markdown(title(it, file.name), sections(it)),
                "report.html": html(it, file.name),
                "screen.svg": svg,
                "screen.txt": text,
            }
            if it.info.redaction == "none":
                contents["config.txt"] = as_text(config) + "\n"
            with new_file(path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(part, file.name)
                for inside, said in contents.items():
                    archive.writestr(inside, said)
        except (ExportError, RecordingError) as error:
            raise click.ClickException(str(error)) from error
    click.echo(json.dumps({"file": str(path), "contents": [file.name, *contents], **about}))


async def _screen(file: Path, at_s: float) -> tuple[str, str]:
    """The Overview of that moment as SVG and as text."""
    driver = ReplayDriver(file, at_s)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZE) as pilot, asyncio.timeout(WAIT_S):
        while app.playhead.shown is None:
            await pilot.pause(0.01)
        await pilot.pause(0.1)
        return app.export_screenshot(title=f"tokenyard: {file.name}"), pasted(
            *SIZE, {key: (box, app.page.panels[key].lines) for key, box in app.page.boxes.items()}
        )
