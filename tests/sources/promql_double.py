"""A Prometheus server's query API, on loopback, over scrapes that a test puts in: just the expressions that the source asks with."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from collectors.wire.exposition import parse
from tests.loopback import Request, page

Labels = dict[str, str]
_SELECTOR = re.compile(
    r'(?:\{__name__=~?"(?P<names>[^"]*)"\}|up(?:\{job=~(?P<job>"[^}]*")\})?)(?:\[(?P<window>\d+)s\])?'
)


@dataclass
class Double:
    """`now_s` is its clock. `broken` answers, instead of a right one, whatever query holds the key."""

    now_s: float = 1_000_000.0
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, Any]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    broken: dict[str, bytes] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def scraped(self, body: bytes, time_s: float, instance: str, job: str = "llm", **target: str) -> None:
        """A page scraped at `time_s`, with the labels of its target."""
        put_on = {"instance": instance, "job": job, **target}
        keys, values = parse(body)
        for key, value in zip(keys, values.tolist(), strict=True):
            own = {(f"exported_{name}" if name in put_on else name): text for name, text in key.labels}
            self.add({"__name__": key.name, **own, **put_on}, time_s, value)
        self.add({"__name__": "up", **put_on}, time_s, 1.0)

    def add(self, labels: Labels, time_s: float, value: Any) -> None:
        self.series.setdefault(tuple(sorted(labels.items())), []).append((time_s, value))

    async def handler(self, request: Request, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(request.path)
        query = parse_qs(url.query).get("query", [url.path])[0]
        self.queries.append(query)
        for part, body in self.broken.items():
            if part in query:
                writer.write(body)
                return
        data = self._names() if url.path.endswith("/values") else self._answer(query)
        body = json.dumps({"status": "success", "data": data, "warnings": self.warnings}).encode()
        writer.write(page(body, kind="application/json"))

    def _names(self) -> list[str]:
        return sorted({dict(labels)["__name__"] for labels in self.series})

    def _answer(self, query: str) -> dict[str, Any]:
        if query == "time()":
            return {"resultType": "scalar", "result": [self.now_s, str(self.now_s)]}
        counted = re.fullmatch(r"count by \(job\) \((.*)\)", query)
        found = _SELECTOR.fullmatch(counted[1] if counted else query)
        assert found, query
        names = re.compile(found["names"] if found["names"] is not None else "up")
        jobs = re.compile(json.loads(found["job"]) if found["job"] else ".*")
        chosen = {
            labels: rows
            for labels, rows in self.series.items()
            if names.fullmatch(dict(labels)["__name__"]) and jobs.fullmatch(dict(labels).get("job", ""))
        }
        if counted:
            of_jobs = {dict(labels).get("job", "") for labels in chosen}
            return {
                "resultType": "vector",
                "result": [{"metric": {"job": job} if job else {}, "value": [self.now_s, "1"]} for job in of_jobs],
            }
        oldest_s = self.now_s - float(found["window"])
        return {
            "resultType": "matrix",
            "result": [
                one for one in map(_row, chosen.items(), [(oldest_s, self.now_s)] * len(chosen)) if len(one) > 1
            ],
        }


def _row(
    item: tuple[tuple[tuple[str, str], ...], list[tuple[float, Any]]], between: tuple[float, float]
) -> dict[str, Any]:
    labels, rows = item
    inside = [(time_s, value) for time_s, value in rows if between[0] < time_s <= between[1]]
    row: dict[str, Any] = {"metric": dict(labels)}
    if values := [[time_s, str(value)] for time_s, value in inside if not isinstance(value, dict)]:
        row["values"] = values
    if histograms := [[time_s, value] for time_s, value in inside if isinstance(value, dict)]:
        row["histograms"] = histograms
    return row
