"""Requests that somebody waits for: tokens as the simulation makes them, request by request, out of the deliveries of all.

No sockets here, and nothing is decided: `emulators.cluster` makes the tokens, `emulators.frontend` sends them.
"""

import asyncio
from typing import Final

import numpy as np

from emulators.asking import Asked
from emulators.events import Events, Rows

MAX_LIVE: Final = 512
"""Requests from outside at once."""


class Answer:
    """One request from outside. `made`: output tokens so far."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.made = 0
        self.taken = asyncio.Event()
        """Set when the cluster has received it, and has ended it if no worker can hold it."""
        self._deliveries: list[int] = []
        self._news = asyncio.Event()

    async def more(self) -> list[int]:
        """How many tokens each delivery since the last call brought; waits for one. Empty at the end."""
        await self._news.wait()
        deliveries, self._deliveries = self._deliveries, []
        if not self.asked.ended:
            self._news.clear()
        return deliveries

    def hear(self, rows: Rows) -> None:
        """The deliveries on its stream in one advance, which are not all its own where a number is given back and taken again."""
        asked = self.asked
        assert asked.request is not None
        self.taken.set()
        own = rows[rows["time_ns"] > asked.request.received_ns]
        for tokens in own["tokens"].tolist():
            if asked.ended and self.made >= asked.request.produced:
                break
            self.made += tokens
            self._deliveries.append(tokens)
        if asked.ended or self._deliveries:
            self._news.set()


class Answers:
    """All requests from outside that have not ended."""

    def __init__(self) -> None:
        self._live: list[Answer] = []
        self.hurry = asyncio.Event()
        """Set when one has been asked for."""

    def __len__(self) -> int:
        return len(self._live)

    def asked(self) -> list[Asked]:
        return [answer.asked for answer in self._live]

    def wait_for(self, asked: Asked) -> Answer:
        answer = Answer(asked)
        self._live.append(answer)
        self.hurry.set()
        return answer

    def hear(self, events: Events) -> None:
        """Everything that happened in one advance."""
        if not self._live:
            return
        rows = events.deliveries
        begun = [answer for answer in self._live if answer.asked.request is not None]
        streams = {answer: answer.asked.request.stream for answer in begun if answer.asked.request is not None}
        rows = rows[np.isin(rows["stream"], list(streams.values()))]
        for answer, stream in streams.items():
            answer.hear(rows[rows["stream"] == stream])
        self._live = [answer for answer in self._live if not answer.asked.ended]
