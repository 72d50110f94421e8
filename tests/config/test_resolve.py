"""What is to be watched and how: the closest word holds."""

from pathlib import Path

import pytest

from collectors.model.vocabulary import Role
from collectors.probe.source import probed as with_probe
from collectors.sources.detect import open_parsed
from collectors.sources.settings import DEFAULTS
from collectors.targets.local import LocalPorts
from collectors.targets.roster import Roster
from collectors.wire.access import Access, Clients, Token
from collectors.wire.limits import Limits
from tui.config.load import ConfigError, load
from tui.config.resolve import Plan, resolve
from tui.targets import list_access, opened, spec_of

TEXT = """
interval_s = 2
token_env = "ALL"
targets = ["a:1", {url = "b:1", name = "bee", interval_s = 5}]
http_sd = ["https://sd/x", {url = "https://sd/y", token_env = "SD"}]
[limits]
max_lines = 100
max_labels = 5
[[groups]]
name = "prefill"
role = "prefill"
labels = {rack = "r1"}
token_file = "/t"
sole_reader = true
file_sd = ["/x.json"]
targets = ["c:1", {url = "d:1", role = "decode", labels = {rack = "r2"}, limits = {max_lines = 9}}]
"""


def plan(tmp_path: Path, *targets: str, text: str = TEXT) -> Plan:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return resolve(load({"targets": list(targets)} if targets else {}, file, {}))


def test_settings_of_all_of_a_group_and_of_one(tmp_path: Path) -> None:
    found = plan(tmp_path)
    specs = {one.target.name: spec_of(one.target, one.said) for one in found.named}
    a, b, c, d = (specs[name] for name in ("a:1", "b:1", "c:1", "d:1"))
    assert (a.settings.interval_s, b.settings.interval_s, c.settings.interval_s) == (2.0, 5.0, 2.0)
    assert (b.called, c.called) == ("bee", "c:1")
    assert (a.settings.access.token, c.settings.access.token) == (Token(env="ALL"), Token(file="/t"))
    assert (a.settings.sole_reader, d.settings.sole_reader) == (False, True)
    assert (c.assumed.role, d.assumed.role) == (Role.PREFILL, Role.DECODE)
    assert c.assumed.labels == {"group": "prefill", "rack": "r1"}
    assert d.assumed.labels == {"group": "prefill", "rack": "r2"}
    assert c.settings.access.limits == Limits(max_lines=100, max_labels=5)
    assert d.settings.access.limits == Limits(max_lines=9, max_labels=5)
    assert [(one.kind, one.what, one.said.get("role")) for one in found.lists] == [
        ("http_sd", "https://sd/x", None),
        ("http_sd", "https://sd/y", None),
        ("file_sd", "/x.json", "prefill"),
    ]
    # The targets' token is not the list's.
    assert [dict(one.access) for one in found.lists] == [{}, {"token_env": "SD"}, {}]


def test_a_list_is_reached_as_its_targets_are_but_for_their_token(tmp_path: Path) -> None:
    text = """
    [[groups]]
    ca_file = "/ca.pem"
    token_env = "T"
    limits = {max_lines = 9}
    http_sd = ["https://a/x", {url = "https://b/x", ca_file = "/b.pem", token_file = "/b"}]
    """
    first, second = (list_access(one) for one in plan(tmp_path, text=text).lists)
    assert first == Access(limits=Limits(max_lines=9), ca_file="/ca.pem")
    assert second == Access(limits=Limits(max_lines=9), ca_file="/b.pem", token=Token(file="/b"))


def test_what_is_asked_for_by_name_or_address_is_watched_as_the_file_says(tmp_path: Path) -> None:
    found = plan(tmp_path, "prefill", "bee", "http://d:1", "x:1")
    assert [one.target.name for one in found.named] == ["b:1", "d:1", "x:1", "c:1", "d:1"]
    assert [one.said.get("role") for one in found.named] == [None, "decode", None, "prefill", "decode"]
    assert [one.what for one in found.lists] == ["/x.json"]
    assert found.title == "bee, d:1, x:1, c:1, d:1, /x.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets = ['nonsense']", "target 'nonsense' has no port"),
        ("targets = ['http://u:hunter2@h:1']", "holds credentials"),
        ("http_sd = ['h:1']", "h:1 is no URL"),
        ("[[groups]]\ntargets = [{url = 'ftp://h'}]", "unknown scheme"),
        ("targets = [{url = 'h:1', kv_endpoint = 'h:5557'}]", "kv_endpoint: 'h:5557' is no endpoint"),
    ],
)
def test_a_target_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(tmp_path, text=text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_opened(tmp_path: Path) -> None:
    async with Clients() as clients:
        assert isinstance(opened(plan(tmp_path), clients), Roster)
        nothing = opened(plan(tmp_path, text="interval_s = 3"), clients)
        assert isinstance(nothing, LocalPorts)
    found = plan(tmp_path, text="")
    assert (found.named, found.lists, found.title) == ((), (), "usual local ports")
    assert spec_of(plan(tmp_path, "h:1", text="").named[0].target, found.said).settings == DEFAULTS


def test_who_is_probed_is_said_for_each(tmp_path: Path) -> None:
    text = """probe_s = 30
    [[groups]]
    probe_s = 0
    targets = ["a:1", { url = "b:1", probe_s = 5, probe_model = "m" }]
    """
    found = [spec_of(one.target, one.said).settings for one in plan(tmp_path, "c:1", text=text).named]
    assert [(one.probe_s, one.probe_model) for one in found] == [(30, "")]
    found = [spec_of(one.target, one.said).settings for one in plan(tmp_path, text=text).named]
    assert [(one.probe_s, one.probe_model) for one in found] == [(0, ""), (5, "m")]


def test_a_probe_is_not_sent_more_often_than_each_second(tmp_path: Path) -> None:
    for text in ("probe_s = 0.5", 'targets = [{ url = "a:1", probe_s = 0.5 }]'):
        with pytest.raises(ConfigError, match=r"probe_s: 0\.5 is too often; write 1 or more, or 0 for never"):
            plan(tmp_path, text=text)


@pytest.mark.parametrize(
    ("text", "probed"),
    [
        ("http://h:8000", True),
        ("vllm+http://h:8000/x", True),
        ("placement+http://h:8000", True),
        ("prom+http://h:9090", False),
        ("trace+file:///var/log/x.jsonl", False),
        ("otlp+http://127.0.0.1:4318", False),
    ],
)
async def test_only_a_server_that_asks_for_it_has_a_probe_beside_it(tmp_path: Path, text: str, probed: bool) -> None:
    async with Clients() as clients:
        for probe_s in (0, 30):
            one = plan(tmp_path, text, text=f"probe_s = {probe_s}").named[0]
            spec = spec_of(one.target, one.said)
            client = clients.of(spec.settings.access)
            source = open_parsed(spec.target, client, "t", spec.settings)
            assert (with_probe(source, spec, client) is not source) == (probed and probe_s > 0)
