"""A server that lists targets."""

import pytest

from collectors.model.batch import Status
from collectors.model.vocabulary import TargetStatus
from collectors.sources.annotated import warnings_of
from collectors.sources.settings import TargetSettings
from collectors.sources.target import Target
from collectors.targets.http_sd import HttpSd
from collectors.targets.spec import TargetSpec
from collectors.wire.access import Access, Token
from collectors.wire.http import HttpClient
from tests.loopback import page, says, says_in_turn, serving
from tests.sources.seen import Seen

LIKE = TargetSpec(Target("", "", None, None))
LIST = page(b'[{"targets": ["h:1"], "labels": {"rack": "a"}}]', kind="application/json; charset=utf-8")


async def test_the_list_and_while_there_is_none_nothing_changes() -> None:
    broken = page(b"[{", kind="application/json")
    answers = [LIST, page(b"", status="500 Internal Server Error"), broken, page(b"[]", kind="application/json")]
    seen = Seen()
    async with serving(says_in_turn(answers)) as server, HttpClient() as client:
        lister = HttpSd(f"{server.url}/targets?secret=1", LIKE, client)
        found = [await lister.look(index, seen) for index in range(4)]
    assert [spec.target.name for spec in found[0] or ()] == ["h:1"]
    assert found[1:] == [None, None, ()]
    said = [(status.status, status.reason) for status in seen.parts(Status)]
    assert said[0] == said[3] == (TargetStatus.UP, "")
    assert said[1] == (TargetStatus.DOWN, "http 500; its targets are as before")
    assert said[2][0] is TargetStatus.REJECTED
    assert server.requests[0].headers["accept"] == "application/json"
    assert not any("secret" in text for text in seen.texts())


@pytest.mark.parametrize("kind", ["text/html", "text/plain"])
async def test_what_is_no_json_is_refused(kind: str) -> None:
    seen = Seen()
    async with serving(says(page(b"[]", kind=kind))) as server, HttpClient() as client:
        assert await HttpSd(server.url, LIKE, client).look(0, seen) is None
    assert kind in seen.parts(Status)[0].reason


async def test_how_it_is_reached_is_said_as_loudly_as_of_a_target() -> None:
    seen = Seen()
    loud = TargetSettings(access=Access(insecure_tls=True, token=Token(env="T")))
    async with serving(says(LIST)) as server, HttpClient() as client:
        for index, url in enumerate(("https://sd.example/x", "http://sd.example/x", "http://127.0.0.1/x")):
            await HttpSd(server.url, LIKE, client, warnings_of(url, loud)).look(index, seen)
    told = [part.warning[:24] for part in seen.parts(Status)]
    assert told == ["TLS NOT VERIFIED (insecu", "token sent without TLS: ", ""]
