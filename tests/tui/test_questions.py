"""What is asked in front of a page takes one answer, however quickly keys follow each other."""

import pytest
from textual.events import Key

from tests.tui.playing import Played
from tests.tui.screen import at_rest, minute, running
from tui.screens.choosing import Choose
from tui.screens.note import Note
from tui.screens.question import Question
from tui.screens.tenth import Tenth


@pytest.mark.parametrize(
    ("question", "keys", "answer"),
    [
        (Tenth(), ("escape", "slash"), None),
        (Tenth(), ("3", "4"), 3),
        (Choose("which?", ["one", "two"]), ("2", "1"), 1),
        (Choose("which?", ["one", "two"]), ("enter", "enter"), 0),
        (Note("kept"), ("enter", "enter"), "kept"),
    ],
)
async def test_keys_behind_the_answer_come_too_late(
    question: Question[int | str | None], keys: tuple[str, str], answer: int | str | None
) -> None:
    answers: list[int | str | None] = []
    async with running(Played(minute(3600))) as (app, pilot):
        app.push_screen(question, answers.append)
        await at_rest(pilot)
        for key in keys:
            app.post_message(Key(key, key if len(key) == 1 else None))
        await at_rest(pilot)
        assert answers == [answer]
        assert app.screen is app.page
