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
LOOK_BACK_S = 300.0
_SELECTOR = re.compile(
    r'(?:\{__name__=~?"(?P<names>[^"]*)"\}|(?P<of_any>up|process_start_time_seconds)(?:\{job=~(?P<job>"[^}]*")\})?)(?:\[(?P<window>\d+)s\])?'
)


@dataclass
class Double:
    """`now_s` is its clock. `broken` answers, instead of a right one, whatever query holds the key."""

    now_s: float = 1_000_000.0
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, Any]]] = field(default_factory=dict)
    types: dict[str, list[str]] = field(default_factory=dict)
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
        if url.path.endswith("/values"):
            data: Any = self._names()
        elif url.path.endswith("/metadata"):
            data = {
                name: [{"type": one, "help": "", "unit": ""} for one in types] for name, types in self.types.items()
            }
        elif url.path.endswith("/query_range"):
            start, end, step = (float(parse_qs(url.query)[name][0]) for name in ("start", "end", "step"))
            data = self._range(query, start, end, step)
        else:
            data = self._answer(query)
        body = json.dumps({"status": "success", "data": data, "warnings": self.warnings}).encode()
        writer.write(page(body, kind="application/json"))

    def _names(self) -> list[str]:
        return sorted({dict(labels)["__name__"] for labels in self.series})

    def _range(self, query: str, start_s: float, end_s: float, step_s: float) -> dict[str, Any]:
        """The newest sample at each step, if it is no older than LOOK_BACK_S; or its time."""
        timed = re.fullmatch(r"timestamp\((.*)\)", query)
        found = _SELECTOR.fullmatch(timed[1] if timed else query)
        assert found, query
        assert found["window"] is None, query
        result = []
        for labels, rows in self.series.items():
            if not re.fullmatch(found["names"], dict(labels)["__name__"]):
                continue
            row: dict[str, Any] = {"metric": {name: text for name, text in labels if not timed or name != "__name__"}}
            for number in range(int((end_s - start_s) / step_s) + 1):
                step = start_s + number * step_s
                inside = [(time_s, value) for time_s, value in rows if step - LOOK_BACK_S < time_s <= step]
                if inside:
                    time_s, value = max(inside, key=lambda one: one[0])
                    kind = "histograms" if isinstance(value, dict) and not timed else "values"
                    row.setdefault(kind, []).append(
                        [step, str(time_s) if timed else value if kind == "histograms" else str(value)]
                    )
            if len(row) > 1:
                result.append(row)
        return {"resultType": "matrix", "result": result}

    def _answer(self, query: str) -> dict[str, Any]:
        if query == "time()":
            return {"resultType": "scalar", "result": [self.now_s, str(self.now_s)]}
        counted = re.fullmatch(r"count by \(job\) \((.*)\)", query)
        found = _SELECTOR.fullmatch(counted[1] if counted else query)
        assert found, query
        names = re.compile(found["names"] if found["names"] is not None else found["of_any"])
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
