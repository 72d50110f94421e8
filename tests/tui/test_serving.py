"""Who may open a served demo, and what is said without textual-serve."""

import sys

import click
import pytest

from tui import serving


@pytest.mark.parametrize(
    ("host", "origin", "given", "token", "may"),
    [
        ("127.0.0.1:8000", None, None, None, True),
        ("localhost:8000", "http://localhost:8000", None, None, True),
        ("[::1]:8000", "http://[::1]:8000", None, None, True),
        ("127.0.0.1:8000", "http://evil.example", None, None, False),
        ("evil.example:8000", "http://evil.example:8000", None, None, False),
        ("127.0.0.1.evil.example", None, None, None, False),
        ("10.0.0.5:8000", None, None, "s3cret", False),
        ("10.0.0.5:8000", None, "s3creT", "s3cret", False),
        ("10.0.0.5:8000", "http://10.0.0.5:8000", "s3cret", "s3cret", True),
        ("10.0.0.5:8000", "http://evil.example", "s3cret", "s3cret", False),
        ('10.0.0.5"><script>', None, "s3cret", "s3cret", False),
        ("10.0.0.5:8000", None, "é", "s3cret", False),
    ],
)
def test_who_is_let_in(host: str, origin: str | None, given: str | None, token: str | None, may: bool) -> None:
    assert serving.allowed(host, origin, given, token) is may


def test_what_is_loopback() -> None:
    assert [serving.loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.5", "a.b")] == [
        True, True, True, False, False, False
    ]  # fmt: skip


def test_without_textual_serve_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    with pytest.raises(click.ClickException, match=r"pip install 'tokenyard\[serve\]'"):
        serving.serve(["demo"], "127.0.0.1", 8000)
