"""The targets of an existing `prometheus.yml`, and what of it is not used."""

from pathlib import Path

from collectors.model.batch import Status
from collectors.model.vocabulary import TargetStatus
from collectors.sources.target import Target
from collectors.targets.prometheus_yml import PrometheusYml
from collectors.targets.spec import TargetSpec
from tests.sources.seen import Seen

YML = """
global: {scrape_interval: 15s}
rule_files: [rules/*.yml]
remote_read: []
scrape_configs:
  - job_name: vllm
    scrape_interval: 5s
    scheme: https
    metrics_path: /m
    params: {model: [tiny]}
    static_configs:
      - targets: ["a:1", "b:1"]
        labels: {rack: r1, shard: 2}
    relabel_configs: [{source_labels: [x]}]
  - job_name: sglang
    authorization: {credentials: s3cret}
    file_sd_configs:
      - files: [sd/*.json]
        refresh_interval: 1m
  - job_name: pods
    kubernetes_sd_configs: [{role: pod}]
"""


async def look(yml: PrometheusYml) -> tuple[dict[str, dict[str, str]], Status]:
    seen = Seen()
    found = await yml.look(0, seen)
    assert found is not None
    (status,) = seen.parts(Status)
    return {spec.target.url: dict(spec.assumed.labels) for spec in found}, status


async def test_static_targets_and_those_of_files(tmp_path: Path) -> None:
    (tmp_path / "sd").mkdir()
    (tmp_path / "sd" / "x.json").write_text('[{"targets": ["c:1"]}]')
    (tmp_path / "prometheus.yml").write_text(YML)
    yml = PrometheusYml(tmp_path / "prometheus.yml", TargetSpec(Target("", "", None, None)))
    found, status = await look(yml)
    assert found == {
        "https://a:1/m?model=tiny": {"job": "vllm", "rack": "r1", "shard": "2"},
        "https://b:1/m?model=tiny": {"job": "vllm", "rack": "r1", "shard": "2"},
        "http://c:1/metrics": {"job": "sglang"},
    }
    assert status.status is TargetStatus.UP
    assert status.warning == (
        "not used: remote_read, vllm: relabel_configs, sglang: authorization, pods: kubernetes_sd_configs"
    )
    (tmp_path / "sd" / "x.json").write_text('[{"targets": ["c:1", "d:1"]}]')
    assert "http://d:1/metrics" in (await look(yml))[0]


async def test_a_broken_file_leaves_its_targets(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(YML)
    yml = PrometheusYml(file, TargetSpec(Target("", "", None, None)))
    before, _ = await look(yml)
    for text, said in (
        ("scrape_configs: {", "not YAML"),
        ("a: 1", "no list scrape_configs"),
        ("scrape_configs: [{static_configs: [{targets: 3}]}]", "scrape_configs[0]"),
        (None, "No such file"),
    ):
        file.write_text(text) if text is not None else file.unlink()
        found, status = await look(yml)
        assert found == before
        assert status.status is TargetStatus.REJECTED
        assert said in status.reason
        assert "as before" in status.reason
