"""The targets of an existing `prometheus.yml`: of each job those that stand in it and those of its `file_sd` files. What else is in it is named as not used.

Read again when it changes. How often, and with what credentials, Prometheus scrapes is its own matter: here the settings of tokenyard hold.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.source import Emit
from collectors.targets import documents, sd
from collectors.targets.documents import DocumentError
from collectors.targets.file_sd import LOOK_S, FileSd
from collectors.targets.spec import TargetSpec
from collectors.wire.safe import safe_text

MAX_REASON: Final = 200
_USED: Final = frozenset({"job_name", "scheme", "metrics_path", "params", "static_configs", "file_sd_configs"})
_QUIET: Final = frozenset({"scrape_interval", "scrape_timeout", "honor_labels", "honor_timestamps"})
"""Without effect on which targets there are."""
_QUIET_PARTS: Final = frozenset({"scrape_configs", "global", "rule_files", "alerting", "storage", "remote_write"})


class _FileSd(msgspec.Struct):
    files: list[sd.Text]


class _Job(msgspec.Struct):
    job_name: sd.Text = ""
    scheme: sd.Text = ""
    metrics_path: sd.Text = ""
    params: dict[sd.Text, list[sd.Text]] = {}
    static_configs: list[sd.Group] = []
    file_sd_configs: list[_FileSd] = []


class PrometheusYml:
    """The file at `path`; its targets are watched like `like`."""

    every_s = LOOK_S

    def __init__(self, path: Path, like: TargetSpec) -> None:
        self.name = safe_text(f"prometheus.yml {path}", 120)
        self._path = path
        self._like = like
        self._stamp: tuple[int, int, int] | None = None
        self._fault = ""
        self._static = sd.Listed((), ())
        self._files: list[FileSd] = []
        self._unused = ""

    async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...] | None:
        await asyncio.to_thread(self._read)
        specs, warnings = list(self._static.specs), [self._unused, sd.summary(self._static.left_out)]

        def hear(batch: Batch) -> None:
            warnings.extend(part.warning for part in batch.parts if isinstance(part, Status))

        for file in self._files:
            specs += await file.look(now_ns, hear) or ()
        reason = self._fault and f"{self._fault}; its targets are as before"
        status = TargetStatus.REJECTED if reason else TargetStatus.UP
        warning = safe_text("; ".join(filter(None, warnings)), MAX_REASON)
        said = Status(
            safe_text(str(self._path)), Listing.PROMETHEUS_YML, status, safe_text(reason, MAX_REASON), warning
        )
        emit(Batch(self.name, now_ns, (said,)))
        return tuple(specs)

    def _read(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            jobs, self._unused = _jobs(documents.read(self._path))
        except OSError as error:
            self._fault, self._stamp = error.strerror or "cannot be read", None
            return
        except DocumentError as error:
            self._fault = str(error)
            return
        self._fault = ""
        groups = [_labelled(group, job) for job in jobs for group in job.static_configs]
        self._static = sd.listed(groups, self._like)
        self._files = [
            FileSd(str(self._path.parent / pattern), self._like, _how(job))
            for job in jobs
            for one in job.file_sd_configs
            for pattern in one.files
        ]


def _jobs(document: Any) -> tuple[list[_Job], str]:
    """The jobs, and what of the file is not used. Raises DocumentError."""
    if not isinstance(document, dict) or not isinstance(document.get("scrape_configs"), list):
        raise DocumentError("not a prometheus.yml: it has no list scrape_configs")
    unused = [str(key) for key in document if key not in _QUIET_PARTS]
    jobs = []
    for index, row in enumerate(document["scrape_configs"]):
        try:
            job = msgspec.convert(row, _Job)
        except msgspec.ValidationError as error:
            raise DocumentError(safe_text(f"scrape_configs[{index}]: {error}", 160)) from None
        unused += [f"{job.job_name}: {key}" for key in row if key not in _USED | _QUIET]
        jobs.append(job)
    return jobs, f"not used: {', '.join(unused)}" if unused else ""


def _how(job: _Job) -> dict[str, str]:
    """The job as labels that say how its targets are read."""
    labels = {"job": job.job_name, "__scheme__": job.scheme, "__metrics_path__": job.metrics_path}
    labels |= {f"__param_{name}": values[0] for name, values in job.params.items() if values}
    return {name: value for name, value in labels.items() if value}


def _labelled(group: sd.Group, job: _Job) -> sd.Group:
    return sd.Group(group.targets, {**_how(job), **(group.labels or {})})
