"""Target groups as Prometheus' service discovery has them (`[{"targets": […], "labels": {…}}]`), made into targets to be watched. Pure.

Labels that begin with `__` say how a target is read: the scheme, path and parameters as for Prometheus, and for us alone `__tokenyard_kind__` and
`__tokenyard_role__`. The others of these are for relabelling, which there is none of here, and are dropped (prometheus/prometheus
`docs/configuration/configuration.md`).
"""

from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from collectors.model.vocabulary import Role
from collectors.sources.target import TargetError, parse_target
from collectors.targets.documents import DocumentError
from collectors.targets.spec import TargetSpec
from collectors.wire.safe import safe_text

MAX_TARGETS: Final = 4_096
"""Of one list."""
MAX_LABELS: Final = 64
_PARAMETER: Final = "__param_"
_ROLES: Final = frozenset(map(str, Role))
_REASON: Final = 160

Text = Annotated[str, msgspec.Meta(max_length=2_048)]


class Group(msgspec.Struct):
    targets: list[Text]
    labels: dict[Text, Text | int | float | bool | None] | None = None
    """In YAML a value that looks like a number is one."""


class Listed(NamedTuple):
    specs: tuple[TargetSpec, ...]
    left_out: tuple[str, ...]
    """Why each of the others is not among them."""


def groups(document: Any) -> list[Group]:
    """Raises DocumentError for what is no such list."""
    try:
        return msgspec.convert([] if document is None else document, list[Group])
    except msgspec.ValidationError as error:
        raise DocumentError(safe_text(f"not a list of target groups: {error}", _REASON)) from None


def listed(found: list[Group], like: TargetSpec) -> Listed:
    """The targets of all groups, each once. One that cannot be used is left out, and the others go on."""
    specs: dict[Any, TargetSpec] = {}
    left_out: list[str] = []
    for group in found:
        labels = {name: "" if value is None else str(value) for name, value in (group.labels or {}).items()}
        kept = {
            safe_text(name, 80): safe_text(value, 120)
            for name, value in list(labels.items())[:MAX_LABELS]
            if not name.startswith("__")
        }
        for address in group.targets:
            try:
                spec = like.of(parse_target(_url(address, labels)), kept, **_role(labels))
            except TargetError as error:
                left_out.append(str(error))
                continue
            if len(specs) < MAX_TARGETS:
                specs.setdefault(spec.key, spec)
            elif spec.key not in specs:
                left_out.append(f"more than {MAX_TARGETS:,} targets")
    return Listed(tuple(specs.values()), tuple(left_out))


def summary(left_out: tuple[str, ...]) -> str:
    """Why some are not among the targets, in few words."""
    if not left_out:
        return ""
    more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    return f"left out: {left_out[0]}{more}"


def _url(address: str, labels: dict[str, str]) -> str:
    kind = labels.get("__tokenyard_kind__", "")
    scheme, path = labels.get("__scheme__", ""), labels.get("__metrics_path__", "")
    parameters = {name[len(_PARAMETER) :]: value for name, value in labels.items() if name.startswith(_PARAMETER)}
    if "://" in address or not (kind or scheme or path or parameters):
        return address
    default = ":443" if scheme == "https" else ":80"
    host, _, port = address.rpartition(":")
    whole = address if host and port.isdecimal() and not address.endswith("]") else f"{address}{default}"
    if parameters and not path:
        path = "/metrics"
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{f'{kind}+' if kind else ''}{scheme or 'http'}://{whole}{path}{query}"


def _role(labels: dict[str, str]) -> dict[str, object]:
    role = labels.get("__tokenyard_role__", "")
    return {"role": Role(role)} if role in _ROLES else {}
