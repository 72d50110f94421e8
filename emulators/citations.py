"""Who says what a scenario computes with: the figures of its chips, serving software and model, out of the catalogue."""

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

import msgspec

from emulators import catalogue
from emulators.catalogue import Figure
from emulators.specs import Scenario


class Cited(NamedTuple):
    """A figure `of` a chip, an engine or a model; its name has its unit. `assumed`: nobody publishes it."""

    of: str
    name: str
    value: float | None
    source: str
    date: str
    assumed: bool = False


def citations(scenario: Scenario) -> list[Cited]:
    """In the order in which the scenario names what they are of."""
    named = {
        value: None
        for worker in scenario.workers
        for field in fields(worker)
        if field.name != "id" and isinstance(value := getattr(worker, field.name), str)
    }
    found: list[Cited] = []
    for name in (scenario.model, *named):
        model = catalogue.models().get(name)
        if model is not None:
            found.append(Cited(name, "architecture", None, model.source, model.date))
        for table in (catalogue.chips().get(name), catalogue.engines().get(name)):
            if table is not None:
                found += _of(name, "", table)
    return list(dict.fromkeys(found))


def _of(of: str, path: str, table: msgspec.Struct) -> Iterator[Cited]:
    for field in table.__struct_fields__:
        value = getattr(table, field)
        if isinstance(value, Figure):
            yield Cited(of, f"{path}{field}", value.value, value.source, value.date, value.assumed)
        elif isinstance(value, msgspec.Struct):
            yield from _of(of, f"{path}{field}.", value)
