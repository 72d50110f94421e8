"""Targets and settings as a user has them: `config show`, lists, a look round; and a token that is nowhere but in the request."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import ROOT, tokenyard
from tests.loopback import by_path, page, says, serving
from tui.config.tables import DEFAULTS, MEANING, variable

VLLM = (ROOT / "tests/fixtures/vllm/under_load.metrics.txt").read_bytes()
SECRET = "s3cret-Token_0123456789"


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


async def started(*arguments: str) -> tuple[int | None, str, str]:
    """A command beside the loop that serves it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def shown(*arguments: str) -> dict[str, Any]:
    done = tokenyard("config", "show", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_config_show_says_what_holds_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.toml"
    file.write_text("interval_s = 2\n[limits]\nmax_lines = 9\n")
    monkeypatch.setenv("TOKENYARD_LIMITS_MAX_LABELS", "8")
    monkeypatch.setenv("TOKENYARD_TOKEN_ENV", "A_TOKEN")
    monkeypatch.setenv("A_TOKEN", SECRET)
    arguments = ("--config", str(file), "h:1", "--insecure-tls", "--set", "limits.max_series=7")
    found = shown(*arguments)
    assert found["file"] == str(file)
    settings = {one["key"]: (one["value"], one["origin"], one["where"]) for one in found["settings"]}
    assert list(settings) == list(DEFAULTS)
    assert settings["targets"] == (["h:1"], "flag", "arguments")
    assert settings["insecure_tls"] == (True, "flag", "--insecure-tls")
    assert settings["limits.max_series"] == (7, "flag", "--set limits.max_series")
    assert settings["limits.max_labels"] == (8, "env", "TOKENYARD_LIMITS_MAX_LABELS")
    assert settings["limits.max_lines"] == (9, "file", str(file))
    assert settings["token_env"] == ("A_TOKEN", "env", "TOKENYARD_TOKEN_ENV")
    assert settings["sole_reader"] == (False, "default", "")
    text = tokenyard("config", "show", *arguments).stdout
    assert SECRET not in text + json.dumps(found)
    assert all(key in text for key in DEFAULTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("h:1", "--set", "limits.max_lines=0"), "limits.max_lines: write `int` >= 1"),
        (("h:1", "--set", "token=hunter2"), "secrets do not stand here"),
        (("h:1", "--set", "interval_s"), "write KEY=VALUE"),
        (("h:1", "--interval", "soon"), "not a duration"),
        (("--http-sd", "h:1"), "is no URL"),
        (("h:1", "--token-env", "A", "--token-file", "b"), "write one of them"),
    ],
)
def test_wrong_settings_are_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = tokenyard("snapshot", *arguments)
    assert done.returncode == 64
    assert said in done.stderr
    assert "hunter2" not in done.stderr


async def test_a_snapshot_of_a_list_with_a_role_and_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", SECRET)
    async with serving(by_path(metrics=says(page(VLLM)))) as server:
        (tmp_path / "sd.yml").write_text(f"- targets: ['{server.name}']\n  labels: {{rack: r1}}\n")
        (tmp_path / "c.toml").write_text(
            "[[groups]]\nname = 'p'\nrole = 'prefill'\nfile_sd = ['sd.yml']\ntoken_env = 'A_TOKEN'\ninterval_s = 0.2\n"
        )
        code, out, _ = await started("snapshot", "--json", "--config", str(tmp_path / "c.toml"))
        assert {request.headers.get("authorization") for request in server.requests} == {f"Bearer {SECRET}"}
    seen = json.loads(out)
    assert code == 0
    assert [(row["backend"], row["status"]) for row in seen["targets"]] == [("file_sd", "up"), ("vllm", "up")]
    (worker,) = seen["workers"]
    assert (worker["role"], worker["assumed"], worker["labels"]) == ("prefill", ["role"], {"group": "p", "rack": "r1"})
    assert SECRET not in out


async def test_a_list_that_is_there_is_not_a_target_that_is_up(tmp_path: Path) -> None:
    (tmp_path / "sd.json").write_text("[]")
    code, out, _ = await started("snapshot", "--json", "--file-sd", str(tmp_path / "sd.json"))
    assert code == 2
    assert [row["status"] for row in json.loads(out)["targets"]] == ["up"]


async def test_without_a_target_it_says_what_it_tried() -> None:
    code, out, _ = await started("snapshot", "--json", "--set", "limits.total_s=2")
    (row,) = [one for one in json.loads(out)["targets"] if one["backend"] == "usual local ports"]
    assert code == (0 if row["status"] == "up" else 2)  # who knows what runs here
    assert row["reason"].startswith("no target was named; tried ports ")
    assert all(port in row["reason"] for port in ("8000", "30000", "9400"))


def test_the_documentation_has_every_key_its_variable_and_default() -> None:
    text = (ROOT / "docs" / "config.md").read_text()
    for key, default in DEFAULTS.items():
        assert f"| `{key}` | `{variable(key)}` | `{json.dumps(default)}` |" in text, key
    assert set(MEANING) == {key for key in DEFAULTS if not key.startswith("limits.")}
