"""The script of a scenario, out of its file: the demo command reads it for the emulators and for the screen."""

from emulators.scenarios import scenario
from tui.show.script import Chapter, Script, Side


def script_of(name: str) -> Script | None:
    """None where the scenario has no chapters. ValueError where there is no such scenario."""
    played = scenario(name)
    if not played.chapters:
        return None
    chapters = tuple(
        Chapter(one.at_s, one.title, one.caption, one.look, one.note, one.pause) for one in played.chapters
    )
    sides = tuple(Side(one.title, one.workers) for one in played.sides)
    return Script(played.name, played.length_s, chapters, sides)
