"""What may be written as a target, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.detect import TargetError, open_target, open_targets, parse_target
from collectors.sources.target import file_of, is_loopback, kinds
from collectors.wire.http import HttpClient

S = "/placement/v1/stream"
GOOD = {
    # text: name, page to try, stream to try
    "localhost:9100": ("localhost:9100", "http://localhost:9100/metrics", f"http://localhost:9100{S}"),
    "http://h": ("h", "http://h/metrics", f"http://h{S}"),
    "http://h:1/": ("h:1", "http://h:1/metrics", f"http://h:1{S}"),
    "https://h:1": ("h:1", "https://h:1/metrics", f"https://h:1{S}"),
    "HTTP://h:1": ("h:1", "http://h:1/metrics", f"http://h:1{S}"),
    "[::1]:8000": ("[::1]:8000", "http://[::1]:8000/metrics", f"http://[::1]:8000{S}"),
    "h:1/metrics": ("h:1", "http://h:1/metrics", None),
    "http://h:1/engine/metrics": ("h:1/engine/metrics", "http://h:1/engine/metrics", None),
    "http://h:1/m?a=b&c": ("h:1/m", "http://h:1/m?a=b&c", None),
    "http://h:1/?a=b": ("h:1", "http://h:1/?a=b", None),
    "http://h:1/m#part": ("h:1/m", "http://h:1/m", None),
    f"http://h:1{S}": ("h:1", None, f"http://h:1{S}"),
    f"h:1/router{S}": (f"h:1/router{S}", None, f"http://h:1/router{S}"),
    "vllm+http://h:1": ("h:1", "http://h:1/metrics", None),
    "emulator+https://h/x": ("h/x", "https://h/x", None),
    "placement+http://h:1": ("h:1", None, f"http://h:1{S}"),
    "placement+http://h:1/s": ("h:1/s", None, "http://h:1/s"),
}


@pytest.mark.parametrize("text", GOOD)
def test_a_target(text: str) -> None:
    target = parse_target(text)
    assert (target.name, target.page, target.stream) == GOOD[text]


BAD = {
    "": "is not a URL or host:port",
    "gpu-0": "has no port; write host:port or a URL",
    "h:port": "is not a URL or host:port",
    "h:99999": "is not a URL or host:port",
    "h:0": "has no usable port",
    "h:": "has no port",
    "http://h:/x": "has no usable port",
    ":8000": "has no host",
    "http://": "has no host",
    "http:///metrics": "has no host",
    "http://[::1": "is not a URL or host:port",
    "h:1 /metrics": "is not a URL or host:port",
    "h:1/\x1b[2J": "is not a URL or host:port",
    "http://h\u202e:1": "is not a URL or host:port",
    "ftp://h:1": "is of an unknown scheme; known: http, https, file",
    "vllm://h:1": "is of an unknown scheme; known: http, https, file",
    "abacus+http://h:1": f"is of an unknown kind 'abacus'; known: {', '.join(kinds())}",
    "http://user:secret@h:1": "holds credentials",
    "[fe80::1%eth0]:8000": "scope",
    "user:secret@h:1": "holds credentials",
    "ftp://user:se/secret@h": "is of an unknown scheme",
    "http://user:secret@h:port": "is not a URL or host:port",
    "h:1/" + "x" * 3000: "is too long",
}


@pytest.mark.parametrize("text", BAD)
def test_no_target(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    message = str(caught.value)
    assert BAD[text] in message
    assert message.isprintable()
    assert len(message) < 250
    assert "secret" not in message


@given(st.text() | st.from_regex(r"([a-z+]{0,9}://)?[^/]{0,12}(:[0-9]{0,6})?(/.*)?"))
def test_any_text_is_a_target_or_an_error(text: str) -> None:
    try:
        target = parse_target(text)
    except TargetError:
        return
    assert target.name
    assert target.page or target.stream


async def test_names_are_unique() -> None:
    async with HttpClient() as client:
        sources = open_targets(["h:1", "http://h:1/metrics", "g:1", "h:1"], client)
        assert [source.name for source in sources] == ["h:1", "h:1#2", "g:1", "h:1#3"]
        assert open_target("h:1", client, "mine").name == "mine"
        with pytest.raises(TargetError):
            open_targets(["h:1", "nonsense"], client)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("h:80", "http://H./metrics", True),
        ("h:8000", "http://h:8000/metrics/", True),
        ("h:8000", "vllm+http://h:8000", True),
        ("h:8000", "http://h:8000/placement/v1/stream", True),
        ("localhost:8000", "[::1]:8000", True),
        ("127.0.0.1:8000", "http://[::ffff:127.0.0.1]:8000/metrics", True),
        ("0.0.0.0:8000", "LOCALHOST:8000", True),
        ("https://h/metrics", "https://h:443/metrics", True),
        ("h:8000", "https://h:8000/metrics", False),
        ("h:8000", "h:8001", False),
        ("http://h:8000/a", "http://h:8000/b", False),
        ("http://h:8000/a?x=1", "http://h:8000/a?x=2", False),
        ("127.0.0.1:8000", "127.0.0.2:8000", False),
        ("prom+http://h:9090/metrics", "http://h:9090/metrics", False),
    ],
)
def test_what_two_targets_share_however_they_are_spelt(one: str, other: str, same: bool) -> None:
    assert bool(parse_target(one).places & parse_target(other).places) == same


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("::1:2", False),
        ("localhost.example.com", False),
        ("127.example.com", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_trace_file_is_a_target() -> None:
    for text in ("trace+file:///var/log/my%20run/t.*.jsonl.gz", "file:///var/log/my%20run/t.*.jsonl.gz"):
        target = parse_target(text)
        assert (target.kind, target.page) == ("trace", None)
        assert (target.name, file_of(target)) == ("t.*.jsonl.gz", "/var/log/my run/t.*.jsonl.gz")
    for wrong in ("trace+http://h:1", "vllm+file:///x", "file://host/x", "trace+file:///", "trace+file:///x/"):
        with pytest.raises(TargetError):
            parse_target(wrong)


def test_where_spans_come_to_is_a_target() -> None:
    target = parse_target("otlp+http://127.0.0.1:4318")
    assert (target.kind, target.page, target.stream) == ("otlp", None, "http://127.0.0.1:4318/v1/traces")
    assert parse_target("otlp+http://127.0.0.1:4318/v1/traces") == target
    for wrong in ("otlp+https://h:1", "otlp+http://h:1/metrics", "otlp+file:///x"):
        with pytest.raises(TargetError):
            parse_target(wrong)
