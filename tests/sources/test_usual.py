"""The ports that are tried where no target is given: each once, and each a target."""

from collectors.sources.target import parse_target
from collectors.sources.usual import LOCAL, USUAL_PORTS, usual_targets


def test_every_usual_port_is_a_target_of_its_own() -> None:
    names = [parse_target(text).name for text in usual_targets()]
    assert names == [f"{LOCAL}:{one.port}" for one in USUAL_PORTS]
    assert len(set(names)) == len(names)
    assert all(one.who for one in USUAL_PORTS)


def test_of_another_host() -> None:
    assert usual_targets("10.0.0.5")[0] == "10.0.0.5:8000"
