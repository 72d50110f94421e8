"""Pages fed to a session as a scrape source would."""

from pathlib import Path

from collectors.model.batch import Batch, Layout, Samples, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from collectors.session.session import Session
from collectors.sources.scrape import inventory_of
from tests.backends.pages import FIXTURES, read

SECOND = 1_000_000_000


def scrape(page: str, source: str, time_ns: int) -> Batch:
    """One answer of `source`, whatever back end's page it is."""
    known = read(page, source)
    mapping = known.mapping
    status = Status(f"http://{source}/metrics", known.backend, TargetStatus.UP)
    return Batch(source, time_ns, (status, inventory_of(mapping), Layout(mapping.series), Samples(known.found)))


def fed(*pages: tuple[str, str, int], at_s: int = 60) -> tuple[Session, Frame]:
    """A session that heard (page, source, second) each, and its Frame at `at_s`."""
    session = Session("virtual")
    for page, source, second in pages:
        session.feed(scrape(page, source, second * SECOND))
    return session, session.tick(at_s * SECOND)


def at_zero(page: str) -> str:
    """The same page before anything happened."""
    lines = (line.rpartition(" ")[0] + " 0" if line and line[0] != "#" else line for line in page.splitlines())
    return "\n".join(lines) + "\n"


def fixture(name: str) -> str:
    """A captured page, without the dots of an excerpt."""
    text = (Path(FIXTURES) / name).read_text()
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() != "...")
