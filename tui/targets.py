"""A plan of what to watch, opened: the sources of a session. Heavy: imported after the first frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collectors.model.vocabulary import Device, Role
from collectors.sources.annotated import annotated, warnings_of
from collectors.sources.detect import open_parsed
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.source import Source
from collectors.sources.target import Places, Target, parse_target
from collectors.targets.file_sd import FileSd
from collectors.targets.http_sd import HttpSd
from collectors.targets.local import LocalPorts
from collectors.targets.prometheus_yml import PrometheusYml
from collectors.targets.roster import Roster
from collectors.targets.spec import Lister, TargetSpec
from collectors.wire.access import Access, Clients, Token
from collectors.wire.kv_discovery import KvEndpoint
from collectors.wire.limits import Limits
from tui.config.resolve import List, Plan, Said

_ANY: Target = Target("", "", None, None)


def opened(plan: Plan, clients: Clients) -> Roster | LocalPorts:
    """The one source that runs all others; without anything to watch, a look round this machine."""

    places = Places()

    def opener(spec: TargetSpec, name: str) -> Source:
        client = clients.of(spec.settings.access)
        source = open_parsed(spec.target, client, name, spec.settings, places)
        return annotated(source, spec.target.url, spec.settings, spec.assumed)

    def opener_of_named(spec: TargetSpec, name: str) -> Source:
        source = opener(spec, name)
        if not spec.settings.probe_s:
            return source
        from collectors.probe.source import probed  # heavy, and seldom asked for

        return probed(source, spec, clients.of(spec.settings.access))

    if plan.named or plan.lists:
        return Roster(named(plan), listers(plan, clients), opener_of_named, places)
    return LocalPorts(lambda address: opener(local(plan, address), address))


def named(plan: Plan) -> list[TargetSpec]:
    return [spec_of(one.target, one.said) for one in plan.named]


def listers(plan: Plan, clients: Clients) -> list[Lister]:
    def lister(one: List) -> Lister:
        like = spec_of(_ANY, one.said)
        if one.kind == "file_sd":
            return FileSd(one.what, like)
        if one.kind == "prometheus":
            return PrometheusYml(Path(one.what), like)
        access = list_access(one)
        return HttpSd(one.what, like, clients.of(access), warnings_of(one.what, TargetSettings(access=access)))

    return [lister(one) for one in plan.lists]


def list_access(one: List) -> Access:
    """How a list is reached: as its targets are, but for their token."""
    like = {key: one.said[key] for key in ("limits", "ca_file", "insecure_tls") if key in one.said}
    return _access({**like, **one.access})


def local(plan: Plan, address: str) -> TargetSpec:
    """A port of this machine, for a plan that names nothing."""
    return spec_of(_ANY, plan.said).of(parse_target(address), {})


def spec_of(target: Target, said: Said) -> TargetSpec:
    """`target` with what configuration says of it."""
    live = said.get("kv_endpoint", "")
    settings = TargetSettings(
        interval_s=said["interval_s"],
        access=_access(said),
        sole_reader=said["sole_reader"],
        kv_events=said["kv_events"],
        kv_endpoint=KvEndpoint(live, said["kv_replay"] or None, said["kv_topic"]) if live else None,
        worker_ports=tuple(said["worker_ports"]),
        trace_from_start=said["trace_from_start"],
        probe_s=said["probe_s"],
        probe_model=said["probe_model"],
    )
    assumed = Assumed(
        role=said.get("role", Role.UNKNOWN),
        device=said.get("device", Device.UNKNOWN),
        chip=said.get("chip", ""),
        chips=said.get("chips", 0),
        labels=said.get("labels", {}),
    )
    return TargetSpec(target, settings, assumed, said.get("name", ""))


def _access(said: Mapping[str, Any]) -> Access:
    return Access(
        limits=Limits(**said.get("limits", {})),
        ca_file=said.get("ca_file", ""),
        insecure_tls=said.get("insecure_tls", False),
        token=Token(said.get("token_env", ""), said.get("token_file", "")),
    )
