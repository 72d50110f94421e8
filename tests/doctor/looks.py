"""Looks at servers on loopback that say what a test wants, and at fixtures without a server."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from collectors.backends.reach import Aspect, Evidence, Facts
from collectors.doctor.findings import findings, helps
from collectors.doctor.page import understand
from collectors.doctor.probe import examine
from collectors.doctor.report import Examined, Verdict
from collectors.model.vocabulary import Role
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.target import parse_target
from collectors.targets.spec import TargetSpec
from collectors.wire.access import Access, Clients
from collectors.wire.limits import DEFAULT, Limits
from tests.loopback import Handler, page, says

FIXTURES = Path(__file__).parent.parent / "fixtures"
IMPATIENT = Limits(connect_s=1.0, idle_s=0.3, total_s=0.5)


class Judged:
    """What is found on a page of text, without a server."""

    def __init__(self, text: str, **facts: str) -> None:
        found = understand(text.encode(), "http://host:1/metrics", "", "host:1")
        told: Facts = {**found.evidence.facts, **facts}
        self.seen: Evidence = replace(found.evidence, facts=told)
        self.page = found
        self.says = {one.aspect: one.says for one in findings(self.seen)}
        self.verdicts = tuple(one.verdict for one in findings(self.seen))
        self.help = helps(self.seen, found.backend.reach)

    def does(self, aspect: Aspect) -> list[str]:
        """What would help with an aspect, as it is typed, up to the first blank."""
        return [one.do.partition(" ")[0] for one in self.help if one.aspect is aspect]


def fixture(path: str) -> str:
    """Without the `...` that stand for what was left out where it was copied from."""
    return "\n".join(line for line in (FIXTURES / path).read_text().splitlines() if line != "...") + "\n"


def json(body: str) -> Handler:
    return says(page(body.encode(), kind="application/json"))


def text(body: str, *headers: str) -> Handler:
    return says(page(body.encode(), *headers))


async def looked(target: str, limits: Limits = DEFAULT, **said: Any) -> Examined:
    """`said`: settings, and the role, that configuration gives the target."""
    assumed = Assumed(role=said.pop("role", Role.UNKNOWN))
    settings = TargetSettings(access=Access(limits=limits, insecure_tls=said.pop("insecure", False)), **said)
    async with Clients() as clients:
        return await examine(TargetSpec(parse_target(target), settings, assumed), clients.of(settings.access))


def verdict(one: Examined, aspect: Aspect) -> Verdict:
    return next(found.verdict for found in one.findings if found.aspect is aspect)
