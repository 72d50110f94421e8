"""`--ask`: the question is in the request, and not a byte is different otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from collectors.tap.asking import FIELDS, asked
from tests.loopback import page
from tests.tap.test_proxy import raw, tapped, upstream_of


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b'{"model":"m"}', b"{" + FIELDS + b',"model":"m"}'),
        (b' \n{ "model" : "m" , "x":1e400 }', b" \n{" + FIELDS + b', "model" : "m" , "x":1e400 }'),
        (b"{ }", b"{" + FIELDS + b" }"),
        (b'{"a":1,"a":2}', b"{" + FIELDS + b',"a":1,"a":2}'),
        (b'{"x":{"nvext":1}}', b"{" + FIELDS + b',"x":{"nvext":1}}'),
    ],
)
def test_the_question_is_put_at_the_beginning(body: bytes, changed: bytes) -> None:
    assert asked(body) == changed


@pytest.mark.parametrize(
    "body",
    [
        b'{"nvext":{"annotations":[]}}',
        b'{"nvext":null}',
        b"[1]",
        b'"{"',
        b"",
        b"{",
        b'{"a":1}{"b":2}',
        b"\xff{}",
        b"[" * 100_000,
    ],
)
def test_what_asks_itself_or_is_no_object_stays_as_it_is(body: bytes) -> None:
    assert asked(body) == body


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[list[tuple[bytes, bytes]], str]]:
    """What came, as (head, body), and where to send it."""
    came: list[tuple[bytes, bytes]] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        top = await reader.readuntil(b"\r\n\r\n")
        lengths = [line.split(b": ")[1] for line in top.split(b"\r\n") if line.lower().startswith(b"content-length")]
        assert len(lengths) <= 1
        body = await reader.readexactly(int(lengths[0])) if lengths else await reader.readuntil(b"0\r\n\r\n")
        came.append((top, body))
        writer.write(page(b"{}", kind="application/json"))
        writer.close()

    async with upstream_of(handler) as upstream:
        yield came, upstream


@pytest.mark.parametrize("ask", [True, False])
async def test_only_a_completion_in_json_is_asked_and_only_if_told_to(ask: bool) -> None:
    body, json_kind = b'{"model": "m",  "stream": true}', "application/json; charset=utf-8"
    async with listening() as (came, upstream), tapped(upstream, ask=ask) as (_, url):
        await raw(url, body=body, Content_Type=json_kind, X_Mine="1", Authorization="Bearer hush")
        await raw(url, path="/v1/embeddings", body=body, Content_Type=json_kind)
        await raw(url, body=b"a=1&b=2", Content_Type="application/x-www-form-urlencoded")
        await raw(url, body=b'{"not json', Content_Type=json_kind)
        await raw(url, body=body, Content_Type=json_kind, Content_Encoding="gzip")
        await raw(url, body=b'{"nvext":{}}', Content_Type=json_kind)
    (top, first), *others = came
    assert first == (body.replace(b"{", b"{" + FIELDS + b",", 1) if ask else body)
    assert json.loads(first)["model"] == "m"
    assert b"x-mine: 1" in top.lower()
    assert b"authorization: bearer hush" in top.lower()
    assert top.lower().count(b"content-length") == 1
    assert [sent for _, sent in others] == [body, b"a=1&b=2", b'{"not json', body, b'{"nvext":{}}']
