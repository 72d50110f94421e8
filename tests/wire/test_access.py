"""What a server is told of who asks, and whom we believe: tokens from their places only, certificates checked unless that is switched off."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from collectors.model.vocabulary import TargetStatus
from collectors.wire.access import Access, Clients, Token
from collectors.wire.http import FetchError
from tests.loopback import head, page, says, serving

BODY = b"up 1\n"
SECRET = "s3cret-Token_0123456789"


@contextlib.asynccontextmanager
async def https(
    authority: trustme.CA, *names: str, answer: bytes = page(BODY), silent_end: bool = False
) -> AsyncIterator[str]:
    """The URL of a server whose certificate is for these names. `silent_end`: it ends the connection without TLS's own word for that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        if silent_end:
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        else:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"


async def got(url: str, access: Access) -> bytes:
    async with Clients() as clients:
        return await clients.of(access).get(url)


async def refused(url: str, access: Access) -> str:
    with pytest.raises(FetchError) as caught:
        await got(url, access)
    assert caught.value.status is TargetStatus.REJECTED
    return caught.value.reason


async def test_a_certificate_of_an_authority_that_is_named(tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    async with https(ours, "127.0.0.1") as url:
        assert await got(url, Access(ca_file=str(tmp_path / "ca.pem"))) == BODY
        for access in (Access(), Access(ca_file=str(tmp_path / "other.pem"))):
            assert await refused(url, access) == "tls: certificate not trusted"
        assert await got(url, Access(insecure_tls=True)) == BODY


async def test_an_end_without_tls_s_own_word_for_it_is_an_end_of_a_whole_page_only(tmp_path: Path) -> None:
    """Many servers never say it. A page that does not tell its length tells by its last line whether it is whole."""
    ours = trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    access = Access(ca_file=str(tmp_path / "ca.pem"))
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    for whole in (page(BODY), start + b"\r\n" + BODY):
        async with https(ours, "127.0.0.1", answer=whole, silent_end=True) as url:
            assert await got(url, access) == BODY
    for cut in (
        page(BODY)[:-1],
        start + b"\r\n" + BODY[:-1],
        start + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY,
    ):
        async with https(ours, "127.0.0.1", answer=cut, silent_end=True) as url:
            with pytest.raises(FetchError, match=r"^truncated$"):
                await got(url, access)


async def test_a_certificate_of_another_host(tmp_path: Path) -> None:
    ours = trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with https(ours, "elsewhere.example") as url:
        assert await refused(url, Access(ca_file=str(tmp_path / "ca.pem"))) == "tls: certificate not trusted"
        assert await got(url, Access(ca_file=str(tmp_path / "ca.pem"), insecure_tls=True)) == BODY


async def test_a_file_without_an_authority(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    url = "https://127.0.0.1:1/metrics"
    assert "holds no certificate" in await refused(url, Access(ca_file=str(tmp_path / "empty.pem")))
    assert "No such file" in await refused(url, Access(ca_file=str(tmp_path / "none.pem")))


async def test_a_token_from_the_environment_or_a_file_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    async with serving(says(page(BODY))) as server:
        for token in (Token(env="A_TOKEN"), Token(file=str(file))):
            assert await got(f"{server.url}/metrics", Access(token=token)) == BODY
            assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
        assert await got(f"{server.url}/metrics", Access()) == BODY
        assert "authorization" not in server.requests[-1].headers


async def test_a_renewed_token_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(0o600)
    async with serving(says(page(BODY))) as server, Clients() as clients:
        client = clients.of(Access(token=Token(file=str(file))))
        for text in ("first", "second"):
            file.write_text(text)
            await client.get(server.url)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
async def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)
    file.chmod(mode)
    async with serving(says(page(BODY))) as server:
        reason = await refused(server.url, Access(token=Token(file=str(file))))
    assert f"mode {mode:04o}); chmod 600 it" in reason
    assert server.requests == []


async def test_what_is_no_token_is_not_sent_and_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:1/"
    file = tmp_path / "token"
    for text in (f"{SECRET}\r\nX-Other: 1", f"{SECRET} {SECRET}", "é" + SECRET, SECRET + "\x00"):
        file.write_text(text)
        file.chmod(0o600)
        reason = await refused(url, Access(token=Token(file=str(file))))
        assert "holds no token" in reason
        assert SECRET not in reason
    monkeypatch.delenv("A_TOKEN", raising=False)
    assert await refused(url, Access(token=Token(env="A_TOKEN"))) == "token: variable A_TOKEN is empty or not set"
    assert "No such file" in await refused(url, Access(token=Token(file=str(tmp_path / "none"))))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no regular file" in await refused(url, Access(token=Token(file=str(tmp_path / "pipe"))))


async def test_a_token_never_follows_a_redirect_to_another_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    async with serving(says(page(BODY))) as thief:
        moved = says(head(f"Location: {thief.url}/metrics", status="302 Found"))
        async with serving(moved) as server:
            reason = await refused(f"{server.url}/metrics", Access(token=Token(env="A_TOKEN")))
    assert reason == "redirect to another origin"
    assert thief.requests == []


async def test_equal_ways_of_access_share_a_client() -> None:
    async with Clients() as clients:
        assert clients.of(Access()) is clients.of(Access())
        assert clients.of(Access()) is not clients.of(Access(insecure_tls=True))
