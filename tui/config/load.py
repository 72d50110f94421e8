"""Where each setting comes from: a flag, else the environment, else the file, else the default. Errors name the place, the key, and what to write."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET

from collectors.model.vocabulary import Device, Role
from tui.config.tables import BY_NAME, DEFAULTS, NESTED, TOKEN, WATCHED, Config, variable

FILE_VARIABLE: Final = "TOKENYARD_CONFIG"
MAX_BYTES: Final = 4 << 20
_SECRET: Final = ("token", "password", "secret", "bearer", "api_key", "authorization", "credentials")

Origin = Literal["flag", "env", "file", "default"]
_Kind = TypeVar("_Kind")


class ConfigError(ValueError):
    """What is wrong with a setting, where it stands, and what to write."""


class Written(str):
    """A flag's value that is still to be read as text."""


class Setting(NamedTuple):
    value: Any
    origin: Origin
    where: str
    """The flag, the variable or the file; empty for a default."""


class Loaded(NamedTuple):
    settings: dict[str, Setting]
    """By key, all of them."""
    file: Path | None
    below: Config
    """What the file and the environment say is there, though something else may have been asked for: see `resolve`."""
    warnings: tuple[str, ...]

    @property
    def config(self) -> Config:
        return _typed({key: one.value for key, one in self.settings.items()}, "")


def load(flags: Mapping[str, Any], file: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """`flags` by key; those that are `Written` are read as in the environment. Raises ConfigError.

    What to watch is one thing: where a flag says it, neither the environment nor the file does, and so on downwards.
    """
    variables = os.environ if environment is None else environment
    path = file or (Path(named).expanduser() if (named := variables.get(FILE_VARIABLE)) else None)
    levels: dict[Origin, dict[str, Setting]] = {
        "file": _from_file(path, path is not None),
        "env": _from_texts("env", {key: (variable(key), variables.get(variable(key), "")) for key in DEFAULTS}),
        "flag": _from_flags(flags),
    }
    settings = {key: Setting(value, "default", "") for key, value in DEFAULTS.items()}
    below = {key: one.value for level in ("file", "env") for key, one in levels[level].items()}
    for level in levels.values():
        if any(key in level for key in WATCHED):
            settings |= {key: Setting(DEFAULTS[key], "default", "") for key in WATCHED}
        if any(key in level for key in TOKEN):
            settings |= {key: Setting("", "default", "") for key in TOKEN}
        settings |= level
    found = next((one.where for one in levels["file"].values()), None)
    known = {FILE_VARIABLE, *map(variable, DEFAULTS)}
    strange = sorted(name for name in variables if name.startswith("TOKENYARD_") and name not in known)
    warnings = tuple(f"{name} is not a setting{_near(name, known)}" for name in strange)
    loaded = Loaded(settings, Path(found) if found else None, _typed(below, ""), warnings)
    _ = loaded.config  # typed as a whole: two flags may contradict each other
    return loaded


def default_file() -> Path:
    import platformdirs

    return platformdirs.user_config_path("tokenyard") / "config.toml"


def _from_file(path: Path | None, asked: bool) -> dict[str, Setting]:
    path = path or default_file()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if asked:
            raise ConfigError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    config = _typed(_flat(table), str(path))
    return {key: Setting(value, "file", str(path)) for key, value in _flat(_anchored(config, path.parent)).items()}


def _from_texts(origin: Origin, texts: Mapping[str, tuple[str, str]]) -> dict[str, Setting]:
    """Of `(where, text)` by key; an empty text says nothing."""
    said: dict[str, Setting] = {}
    for key, (where, text) in texts.items():
        if text:
            value = _read(key, text, where)
            _typed({key: value}, where)
            said[key] = Setting(value, origin, where)
    return said


def _from_flags(flags: Mapping[str, Any]) -> dict[str, Setting]:
    said: dict[str, Setting] = {}
    for key, value in flags.items():
        where = "arguments" if key == "targets" else f"--{key.removesuffix('_s').replace('_', '-')}"
        if key not in DEFAULTS:
            raise ConfigError(_unknown(key, "--set"))
        if isinstance(value, Written):
            said |= _from_texts("flag", {key: (f"--set {key}", value)})
        else:
            _typed({key: value}, where)
            said[key] = Setting(value, "flag", where)
    return said


def _read(key: str, text: str, where: str) -> Any:
    """A value that is written as text: lists with commas or spaces between, or a value as in the file."""
    default = DEFAULTS[key]
    if isinstance(default, list):
        if not text.lstrip().startswith("["):
            words: list[str] = text.replace(",", " ").split()
            return [int(word) if key == "worker_ports" and word.isdecimal() else word for word in words]
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not a list as in the file: {error}") from None
    if isinstance(default, dict):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where}: not a table as in the file: {error}") from None
    if isinstance(default, str):
        return text
    try:
        return msgspec.convert(text.strip().lower(), type(default), strict=False)
    except msgspec.ValidationError:
        wanted = {bool: "true or false", int: "a whole number"}.get(type(default), "a number")
        raise ConfigError(f"{where}: {key} is {wanted}") from None


def _typed(flat: Mapping[str, Any], where: str) -> Config:
    """Raises ConfigError."""
    table: dict[str, Any] = {}
    for key, value in flat.items():
        outer, _, inner = key.partition(".")
        if outer in NESTED and inner:
            table.setdefault(outer, {})[inner] = value
        else:
            table[key] = value
    for key, kind in BY_NAME.items():
        named = table.get(key)
        for name, one in named.items() if isinstance(named, dict) else ():
            _converted(one, kind, where, f"{key}.{name}")  # msgspec does not say of which name it speaks
    config = _converted(table, Config, where)
    for one, path in _tables(config):
        if (one.token_env or UNSET) is not UNSET and (one.token_file or UNSET) is not UNSET:
            raise ConfigError(f"{_at(where)}{path}token_env and token_file: write one of them")
    return config


def _converted(value: Any, kind: type[_Kind], where: str, at: str = "") -> _Kind:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_told(str(error), where, at)) from None


def _tables(config: Config) -> list[tuple[Any, str]]:
    """Every table that may name a token, and where it stands."""
    found: list[tuple[Any, str]] = [(config, "")]
    for index, group in enumerate(config.groups or ()):
        found.append((group, f"groups[{index}]."))
        found += _parts(group, f"groups[{index}].")
    return found + _parts(config, "")


def _parts(table: Any, path: str) -> list[tuple[Any, str]]:
    return [
        (one, f"{path}{key}[{index}].")
        for key in ("targets", "http_sd")
        for index, one in enumerate(getattr(table, key) or ())
        if not isinstance(one, str)
    ]


def _anchored(config: Config, folder: Path) -> dict[str, Any]:
    """What the file says, with the paths in it from where the file is."""
    for table, _ in _tables(config):
        for key in ("ca_file", "token_file"):
            if value := getattr(table, key) or "":
                setattr(table, key, _path(value, folder))
        for key in ("file_sd", "prometheus"):
            if values := getattr(table, key, UNSET) or []:
                setattr(table, key, [_path(value, folder) for value in values])
    found: dict[str, Any] = msgspec.to_builtins(config)
    return found


def _path(text: str, folder: Path) -> str:
    return str(folder / Path(text).expanduser())


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key in NESTED and isinstance(value, dict):
            flat |= {f"{key}.{inner}": one for inner, one in value.items()}
        else:
            flat[key] = value
    return flat


def _told(message: str, where: str, at: str = "") -> str:
    """msgspec's words, of the table `at`, as ours."""
    what, _, path = message.partition(" - at `$")
    path = (at + path.rstrip("`")).lstrip(".")
    if what.startswith("Object contains unknown field `"):
        name = what.split("`")[1]
        return _unknown(f"{path}.{name}" if path else name, where)
    if what.startswith("Invalid enum value"):
        known = Device if path.endswith("device") else Role
        return f"{_at(where)}{path}: {what.split(' ', 3)[3]} is none of {', '.join(known)}"
    what = what.replace("Object missing required field", "there is no").replace("Expected", "write")
    return f"{_at(where)}{f'{path}: ' if path else ''}{what}"


def _unknown(key: str, where: str) -> str:
    name = key.rpartition(".")[2]
    if any(word in name.lower() for word in _SECRET) and name not in ("token_env", "token_file"):
        return f"{_at(where)}{key}: secrets do not stand here; write token_env or token_file"
    from tui.config.tables import GroupTable, LimitsTable, TargetTable

    tables = (GroupTable, TargetTable, LimitsTable, *BY_NAME.values())
    known = {*DEFAULTS, *(field for table in tables for field in table.__struct_fields__)}
    return f"{_at(where)}{key} is not a setting{_near(name, known)}"


def _near(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _at(where: str) -> str:
    return f"{where}: " if where else ""
