"""`doctor` as a user runs it and reads it: words at 80 columns, JSON of its schema, exit codes; the terminal's self-test."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import structs, to_builtins

from collectors.doctor.report import Examined
from collectors.model.vocabulary import TargetStatus
from collectors.stats.offsets import Offset
from tests.doctor import looks
from tests.e2e.commands import ROOT, tokenyard
from tests.loopback import by_path, serving, unused_port
from tui.config.load import load
from tui.doctor import WIDTH, Found, as_json, as_text, look
from tui.selftest import Terminal, advice, packages, terminal_of, unicode_fits

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "doctor.schema.json").read_text())
VLLM = looks.text(looks.fixture("vllm/under_load.metrics.txt"))
ANSI = re.compile(r"\x1b|[\u202a-\u202e]")


async def test_words_for_80_columns_and_json_of_the_schema() -> None:
    async with serving(by_path(metrics=VLLM, version=looks.json('{"version":"0.32.0"}'))) as server:
        found = await look(load({"targets": [server.name, f"127.0.0.1:{await unused_port()}"]}, environment={}))
    lines = as_text(found).splitlines()
    assert lines[0] == f"vLLM 0.32.0 at {server.name} — up"
    for word in (
        "≈ partly: output tokens by worker",
        "≈ partly: HBM: active only",
        "≈ partly: gaps in 20 buckets from 10 ms",
    ):
        assert any(word in line for line in lines)
    assert any(line.startswith("      --kv-events-config '{") for line in lines)
    assert any("— down: refused" in line for line in lines)
    assert all(len(line) <= WIDTH for line in lines if not line.startswith("      "))  # those are to be copied
    printed = json.loads(json.dumps(as_json(found)))
    jsonschema.validate(printed, SCHEMA)
    assert set(printed) == set(SCHEMA["properties"])
    assert set(printed["targets"][0]) == set(SCHEMA["properties"]["targets"]["items"]["properties"])
    assert printed["targets"][0]["limits"]["max_body_bytes"] == 32 << 20
    assert found.any_up


async def test_hostile_words_stay_words() -> None:
    evil = r"\u001b]0;owned\u0007\u202e" + "y" * 900
    async with serving(by_path(metrics=VLLM, version=looks.json(f'{{"version":"{evil}"}}'))) as server:
        shown = as_text(await look(load({"targets": [server.name]}, environment={})))
    assert not ANSI.search(shown)
    assert max(map(len, shown.splitlines()[0:2])) <= WIDTH


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (Offset(-0.9, 1.1, "HTTP Date"), "no difference seen: at most 0.9 s behind ours, 1.1 s ahead (HTTP Date)"),
        (Offset(3.0, 5.0, "HTTP Date"), "ahead of ours by 3.0 s to 5.0 s (HTTP Date)"),
        (Offset(-5.0, -0.004, "time()"), "behind ours by 4 ms to 5.0 s (time())"),
        (
            Offset(2.0, 1.0, "HTTP Date"),
            "its answers contradict each other (HTTP Date): several hosts behind one address?",
        ),
    ],
)
def test_the_clock_in_words(offset: Offset, said: str) -> None:
    one = Examined(name="x", status=TargetStatus.UP, clock=offset)
    words = " ".join(as_text(Found(None, (), (one,))).split())
    assert f"clock {said}" in words


def test_exit_codes() -> None:
    refused = tokenyard("doctor", "127.0.0.1:1", "--json")
    assert refused.returncode == 2
    jsonschema.validate(json.loads(refused.stdout), SCHEMA)
    wrong = tokenyard("doctor", "not a target")
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert "not a target" in wrong.stderr


def test_without_a_target_it_looks_at_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # where no configuration is
    done = tokenyard("doctor", "--json")
    assert done.returncode in (0, 2)
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, SCHEMA)
    here = printed["here"]
    assert here["python"] == ".".join(map(str, sys.version_info[:3]))
    assert here["packages"]["textual"]
    assert "pyzmq" in here["extras"]["kv-events"]
    assert here["terminal"]["tty"] is False
    assert here["config"] is None
    assert here["config_looked_for"].startswith(str(tmp_path))
    names = {one["name"] for one in printed["targets"]}
    assert "127.0.0.1:30000" in names | {*printed["silent"]}


async def test_targets_and_lists_of_the_configuration(tmp_path: Path) -> None:
    async with serving(by_path(metrics=VLLM)) as server:
        listed, broken = tmp_path / "list.json", tmp_path / "broken.json"
        listed.write_text(json.dumps([{"targets": [server.name], "labels": {"zone": "a"}}]))
        broken.write_text("[")
        file = tmp_path / "c.toml"
        file.write_text(
            f'file_sd = ["list.json", "broken.json"]\n[[targets]]\nurl = "{server.url}"\nname = "left"\nrole = "decode"\n'
        )
        found = await look(load({}, file, environment={}))
    assert found.here is not None
    assert found.here["config"] == str(file)
    assert found.silent == ()
    by_name = {one.name: one for one in found.targets}
    assert by_name["left"].status is TargetStatus.UP
    assert "roles: decode" in by_name["left"].findings[0].says
    assert by_name[server.name].status is TargetStatus.UP
    (failed,) = (one for one in found.targets if not one.findings)
    assert "broken.json" in f"{failed.name} {failed.reason}"
    assert found.any_up
    assert not Found(None, (), (failed,)).any_up
    jsonschema.validate(json.loads(json.dumps(as_json(found))), SCHEMA)


def test_a_missing_extra_comes_with_its_install_line() -> None:
    own = {
        **packages(),
        "config": None,
        "config_looked_for": "/home/me/c.toml",
        "extras": {"kv-events": {"pyzmq": None}},
    }
    own["terminal"] = to_builtins(_terminal())
    shown = as_text(Found(own, ("127.0.0.1:8000",), ()))
    assert "kv-events: not installed; pip install 'tokenyard[kv-events]'" in shown
    assert "127.0.0.1:8000   vLLM" in shown
    assert "none at /home/me/c.toml" in shown


def _terminal(
    environment: dict[str, str] | None = None,
    *,
    size: tuple[int, int] = (120, 36),
    encoding: str = "utf-8",
    widths: tuple[float | None, float | None] = (1.0, 1.0),
) -> Terminal:
    one = terminal_of(environment or {"TERM": "xterm-256color"}, tty=True, size=size, encoding=encoding)
    return structs.replace(one, glyph_width=widths[0], braille_width=widths[1])


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "xterm"}, 16),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
        ({}, 0),
    ],
)
def test_colours(environment: dict[str, str], colours: int) -> None:
    assert terminal_of(environment, tty=True, size=(80, 24), encoding="utf-8").colours == colours


def test_where_it_runs() -> None:
    one = _terminal({"TERM": "screen", "SSH_CONNECTION": "a", "LC_ALL": "de_DE.UTF-8", "LANG": "C"})
    assert (one.tmux, one.ssh, one.locale) == (True, True, "de_DE.UTF-8")
    assert not _terminal({"TERM": "xterm"}).tmux


def test_advice_only_where_something_lacks() -> None:
    assert advice(_terminal()) == []
    assert "C.UTF-8" in advice(_terminal(encoding="latin-1"))[0]
    assert "60×20" in advice(_terminal(size=(50, 20)))[0]
    assert "narrow" in advice(_terminal(widths=(2.0, 1.0)))[0]
    assert advice(_terminal(widths=(None, None))) == []
    assert "tmux-256color" in advice(_terminal({"TERM": "screen"}))[0]
    assert "cursor" in advice(_terminal({"TERM": "dumb"}))[0]
    assert advice(_terminal({"TERM": "xterm-256color", "NO_COLOR": "1"})) == []
    assert unicode_fits("utf-8")
    assert not unicode_fits("ascii")
    assert not unicode_fits("no-such-encoding")
