"""Where a setting comes from, which one wins, and what is said of a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.config.load import ConfigError, Written, load
from tui.config.tables import DEFAULTS, WATCHED, variable

EXAMPLE: dict[str, tuple[str, Any]] = {
    # key: as it is written in the environment, and what that is
    "targets": ("a:1, b:2", ["a:1", "b:2"]),
    "groups": ('[{name = "g", targets = ["a:1"]}]', [{"name": "g", "targets": ["a:1"]}]),
    "file_sd": ("x.json y.yml", ["x.json", "y.yml"]),
    "http_sd": ("http://h/x", ["http://h/x"]),
    "prometheus": ("p.yml", ["p.yml"]),
    "interval_s": ("2.5", 2.5),
    "sole_reader": ("TRUE", True),
    "kv_events": ("false", False),
    "kv_endpoint": ("tcp://h:1", "tcp://h:1"),
    "kv_replay": ("tcp://h:2", "tcp://h:2"),
    "kv_topic": ("kv", "kv"),
    "worker_ports": ("8081,9090", [8081, 9090]),
    "trace_from_start": ("true", True),
    "slo": ("rag", "rag"),
    "profiles": ("{ v = { ttft_s = 1, share = 0.5 } }", {"v": {"ttft_s": 1, "share": 0.5}}),
    "prices": ("{ LPU = { watts = 300.5 } }", {"LPU": {"watts": 300.5}}),
    "probe_s": ("30", 30.0),
    "probe_model": ("m", "m"),
    "ca_file": ("ca.pem", "ca.pem"),
    "insecure_tls": ("1", True),
    "token_env": ("TOKEN", "TOKEN"),
    "token_file": ("token", "token"),
    "limits.connect_s": ("1.5", 1.5),
    "limits.idle_s": ("2", 2.0),
    "limits.total_s": ("3", 3.0),
}
EXAMPLE |= {
    "layout.theme": ("safe", "safe"),
    "layout.glyphs": ("ascii", "ascii"),
    "layout.fleet": ("map", "map"),
    "layout.page": ("slo", "slo"),
    "layout.stage": ("true", True),
    "keys": ('{ "pause-or-resume" = "p" }', {"pause-or-resume": "p"}),
}
EXAMPLE |= {key: ("4097", 4097) for key in DEFAULTS if key.startswith("limits.max_")}


def config(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("key", DEFAULTS)
def test_every_key_has_a_default_a_variable_and_a_flag(key: str, tmp_path: Path) -> None:
    text, value = EXAMPLE[key]
    file = config(tmp_path, "")
    default = load({}, file, {}).settings[key]
    assert (default.value, default.origin) == (DEFAULTS[key], "default")
    assert value != default.value
    one = load({}, file, {variable(key): text}).settings[key]
    assert (one.value, one.origin, one.where) == (value, "env", variable(key))
    flag = load({key: Written(text)}, file, {}).settings[key]
    assert (flag.value, flag.origin) == (value, "flag")


def test_flag_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = config(tmp_path, "interval_s = 2\nca_file = 'f.pem'\nkv_topic = 'f'\n[limits]\nmax_lines = 7\n")
    environment = {"TOKENYARD_INTERVAL_S": "3", "TOKENYARD_CA_FILE": "e.pem", "TOKENYARD_LIMITS_MAX_LABELS": ""}
    found = load({"interval_s": 4.0}, file, environment).settings
    assert (found["interval_s"].value, found["interval_s"].origin) == (4.0, "flag")
    assert (found["ca_file"].value, found["ca_file"].origin) == ("e.pem", "env")
    assert (found["kv_topic"].value, found["kv_topic"].origin, found["kv_topic"].where) == ("f", "file", str(file))
    assert found["limits.max_lines"].value == 7
    assert found["limits.max_labels"].origin == "default"


def test_what_to_watch_is_one_thing(tmp_path: Path) -> None:
    file = config(tmp_path, "targets = ['a:1']\nfile_sd = ['x']\n[[groups]]\nname = 'g'\ntargets = ['c:1']\n")
    found = load({"targets": ["b:1"]}, file, {}).settings
    assert {key: found[key].value for key in WATCHED if found[key].value} == {"targets": ["b:1"]}
    assert [found[key].origin for key in WATCHED] == ["flag", *["default"] * 4]
    assert load({}, file, {"TOKENYARD_HTTP_SD": "http://h/x"}).settings["targets"].value == []
    assert load({"interval_s": 2.0}, file, {}).settings["targets"].value == ["a:1"]


def test_one_place_of_a_token_is_enough(tmp_path: Path) -> None:
    file = config(tmp_path, "token_env = 'A'\n")
    found = load({"token_file": "t"}, file, {}).settings
    assert (found["token_env"].value, found["token_file"].value) == ("", "t")
    with pytest.raises(ConfigError, match="token_env and token_file: write one of them"):
        load({"token_file": "t", "token_env": "B"}, file, {})


def test_paths_of_the_file_are_from_where_it_is(tmp_path: Path) -> None:
    text = """
file_sd = ["sd/*.json"]
ca_file = "/etc/ca.pem"
[[groups]]
prometheus = ["p.yml"]
token_file = "token"
targets = [{url = "h:1", ca_file = "~/ca.pem"}]
"""
    found = load({}, config(tmp_path, text), {}).settings
    assert found["file_sd"].value == [str(tmp_path / "sd/*.json")]
    assert found["ca_file"].value == "/etc/ca.pem"
    (group,) = found["groups"].value
    assert (group["prometheus"], group["token_file"]) == ([str(tmp_path / "p.yml")], str(tmp_path / "token"))
    assert group["targets"][0]["ca_file"] == str(Path.home() / "ca.pem")


BAD = {
    "interval = 2": "interval is not a setting; did you mean interval_s",
    "[limits]\nmax_line = 3": "limits.max_line is not a setting; did you mean max_lines",
    "[limits]\nmax_lines = 'x'": "limits.max_lines: write `int`, got `str`",
    "[limits]\nmax_lines = 0": "limits.max_lines: write `int` >= 1",
    "limits = 3": "limits: write `object`, got `int`",
    "interval_s = 0": "interval_s: write `float` >= 0.05",
    "targets = 'h:1'": "targets: write `array`, got `str`",
    "[[groups]]\nrole = 'cook'": "groups[0].role: 'cook' is none of prefill, decode",
    "[[groups]]\ndevice = 'abacus'": "groups[0].device: 'abacus' is none of GPU, LPU",
    "[[groups]]\ntargets = [{name = 'x'}]": "groups[0].targets[0]: there is no `url`",
    "[profiles.v]\nttft = 1": "profiles.v.ttft is not a setting; did you mean ttft_s",
    "[profiles.v]\nttft_s = '1 s'": "profiles.v.ttft_s: write `float`, got `str`",
    "[profiles.v]\nttft_s = 1\nshare = 1": "profiles.v.share: write `float` < 1.0",
    "[profiles.v]\nttft_s = nan": "profiles.v.ttft_s: write `float` > 0.0",
    "profiles = 3": "profiles: write `object`, got `int`",
    "[profiles]\nv = 3": "profiles.v: write `object`, got `int`",
    "[prices.LPU]\ndollars_per_hour = -1": "prices.LPU.dollars_per_hour: write `float` >= 0.0",
    "[prices.LPU]\nwatts = 1\ndate = 2026-11-01": "prices.LPU.date: write `str`, got `date`",
    "[prices.LPU]\nwatts = 1\ndate = 'soon'": "prices.LPU.date: write `str` matching regex",
    "token = 'hunter2'": "token: secrets do not stand here; write token_env or token_file",
    "[[groups]]\npassword = 'hunter2'": "groups[0].password: secrets do not stand here",
    "[[groups]]\ntoken_env = 'a'\ntoken_file = 'b'": "groups[0].token_env and token_file: write one of them",
    "x = ": "not TOML",
    "x = '\x01'": "not TOML",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_and_what_to_write(text: str, tmp_path: Path) -> None:
    file = config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load({}, file, {})
    assert str(caught.value).startswith(f"{file}: ")
    assert BAD[text] in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TOKENYARD_INTERVAL_S": "often"}, "TOKENYARD_INTERVAL_S: interval_s is a number"),
        ({"TOKENYARD_SOLE_READER": "perhaps"}, "sole_reader is true or false"),
        ({"TOKENYARD_LIMITS_MAX_LINES": "1.5"}, "limits.max_lines is a whole number"),
        ({"TOKENYARD_GROUPS": "[{"}, "TOKENYARD_GROUPS: not a list as in the file"),
        ({"TOKENYARD_WORKER_PORTS": "x"}, "TOKENYARD_WORKER_PORTS: worker_ports[0]"),
        ({"TOKENYARD_CONFIG": "/no/such/file.toml"}, "/no/such/file.toml: there is no such file"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    file = None if "TOKENYARD_CONFIG" in environment else config(tmp_path, "")
    with pytest.raises(ConfigError) as caught:
        load({}, file, environment)
    assert said in str(caught.value)


def test_a_variable_that_is_no_setting_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load({}, config(tmp_path, ""), {"TOKENYARD_INTERVALL": "secret"}).warnings
    assert warning.startswith("TOKENYARD_INTERVALL is not a setting; did you mean TOKENYARD_INTERVAL_S")
    assert "secret" not in warning


def test_the_usual_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load({}, None, {}).file is None
    (tmp_path / "tokenyard").mkdir()
    file = config(tmp_path / "tokenyard", "interval_s = 9\n")
    assert load({}, None, {}).file == file


@given(st.text(max_size=80) | st.from_regex(r"([a-z_]{1,14} ?= ?[\"'\[{0-9a-z}\]]{0,9}\n){0,4}"))
def test_any_text_is_a_configuration_or_an_error(text: str) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        try:
            file.write(text)
        except UnicodeEncodeError:
            return
        file.flush()
        try:
            load({}, Path(file.name), {})
        except ConfigError as error:
            assert "Error" not in str(error)  # noqa: PT017  no exception of anybody else's
