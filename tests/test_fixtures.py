"""Every fixture has its source in SOURCES.md, and a test that names it."""

import itertools
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FIXTURES = TESTS / "fixtures"
FILES = sorted(
    str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*") if path.is_file() and path.name != "SOURCES.md"
)
SOURCES = [path.read_text() for path in TESTS.rglob("*.py") if path != Path(__file__)]
SUFFIX = re.compile(r"\.(metrics\.txt|prom|json|jsonl|txt|sse|csv)$")
BRACES = re.compile(r"\{([^{}]+)\}")


def expanded(pattern: str) -> list[str]:
    """`a{b,c}` is `ab` and `ac`."""
    choices = [one.split(",") for one in BRACES.findall(pattern)]
    return [BRACES.sub("%s", pattern) % chosen for chosen in itertools.product(*choices)]


def listed() -> list[str]:
    """Patterns of the table of sources: the folder of the first in a row is that of those without one."""
    found = []
    for row in (FIXTURES / "SOURCES.md").read_text().partition("## Known")[0].splitlines():
        folder = ""
        for pattern in (
            re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", row.split("|")[1])) if row.startswith("| `") else ()
        ):
            folder = pattern.rpartition("/")[0] or folder
            found += expanded(pattern if "/" in pattern else f"{folder}/{pattern}")
    return found


def test_there_are_fixtures() -> None:
    assert len(FILES) > 100


@pytest.mark.parametrize("name", FILES)
def test_its_source_is_told_and_a_test_uses_it(name: str) -> None:
    assert any(fnmatch(name, pattern) for pattern in listed())
    folder, _, file = name.rpartition("/")
    stem = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(SUFFIX.sub('', file))}(?![A-Za-z0-9_])")
    assert any(stem.search(text) and folder in text for text in SOURCES)


def test_nothing_is_told_that_is_not_there() -> None:
    assert [pattern for pattern in listed() if not any(fnmatch(name, pattern) for name in FILES)] == []
