"""The query API of a Prometheus-compatible server: GET, bounded, every answer typed.

Knows what an answer looks like (prometheus/prometheus `docs/querying/api.md`), not what a metric means. Answers of `query` and
`query_range` look the same, so `decode` reads both.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from collectors.model.vocabulary import TargetStatus
from collectors.wire.http import HttpClient
from collectors.wire.safe import safe_text

MAX_NODES: Final = 1_500_000
"""Arrays and objects of one answer: what it may take in memory, whatever its size in bytes."""
MAX_SERIES: Final = 200_000
"""Of one answer."""
MAX_BUCKETS: Final = 512
"""Of one native histogram."""
MAX_NAMES: Final = 500_000
MAX_WARNING: Final = 160
BIG_ANSWER: Final = 1 << 20
"""Bytes. A larger one is read beside the event loop, not in it."""

_JSON: Final = frozenset({"application/json"})
_TOLD: Final = frozenset({400, 422, 500, 502, 503, 504})
"""HTTP statuses that come with an error in JSON."""
_TRANSIENT: Final = frozenset({"timeout", "canceled", "internal", "unavailable"})
_LATEST_S: Final = 1e11
"""Unix time: no clock shows more."""

_T = TypeVar("_T")
Sample = tuple[float, float]
"""Unix time in seconds, and the value."""


class PromApiError(Exception):
    """What the server gave as an error, or that its answer is none. `kind` is its `errorType`, or `malformed`, or `limit`."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = safe_text(kind, 40)
        self.reason = f"{self.kind}: {safe_text(message, MAX_WARNING)}"
        super().__init__(self.reason)

    @property
    def status(self) -> TargetStatus:
        """DOWN where asking again may help."""
        return TargetStatus.DOWN if self.kind in _TRANSIENT else TargetStatus.REJECTED


class NativeHistogram(msgspec.Struct, frozen=True):
    """`buckets` are (low, high, observations of this bucket alone), ascending; only those that have any."""

    count: float
    sum: float
    buckets: tuple[tuple[float, float, float], ...]


class PromSeries(msgspec.Struct, frozen=True):
    """`labels` is a JSON object, the name within it, as the server wrote it: equal bytes are the same series. See `labels_of`."""

    labels: bytes
    samples: tuple[Sample, ...] = ()
    histograms: tuple[tuple[float, NativeHistogram], ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """Series of a vector (one sample each) or a matrix; a scalar is a series without labels. Warnings are safe to show."""

    series: tuple[PromSeries, ...]
    warnings: tuple[str, ...] = ()


class _Envelope(msgspec.Struct, rename="camel"):
    status: Literal["success", "error"]
    data: msgspec.Raw = msgspec.Raw(b"null")
    error_type: str = ""
    error: str = ""
    warnings: list[str] | None = None
    infos: list[str] | None = None
    is_partial: bool = False
    """VictoriaMetrics' word for an answer without what some of its storage has."""


class _Data(msgspec.Struct, rename="camel"):
    result_type: Literal["vector", "matrix", "scalar"]
    result: msgspec.Raw


class _Metadata(msgspec.Struct):
    type: str


class _Histogram(msgspec.Struct):
    count: str
    sum: str
    buckets: list[tuple[int, str, str, str]] = []


class _Series(msgspec.Struct):
    metric: msgspec.Raw
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []
    histogram: tuple[float, _Histogram] | None = None
    histograms: list[tuple[float, _Histogram]] = []


_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_data: Final = msgspec.json.Decoder(_Data).decode
_scalar: Final = msgspec.json.Decoder(tuple[float, str]).decode
_series: Final = msgspec.json.Decoder(list[_Series]).decode
_labels: Final = msgspec.json.Decoder(dict[str, str]).decode
_metadata: Final = msgspec.json.Decoder(dict[str, list[_Metadata]]).decode
_names: Final = msgspec.json.Decoder(list[str]).decode


def decode(body: bytes) -> Answer:
    """An answer of `query` or `query_range`. Raises PromApiError."""
    envelope = _opened(body)
    data = _typed(_data, envelope.data)
    if data.result_type == "scalar":
        found: tuple[PromSeries, ...] = (PromSeries(b"{}", (_sample(_typed(_scalar, data.result)),)),)
    else:
        rows = _typed(_series, data.result)
        if len(rows) > MAX_SERIES:
            raise PromApiError("limit", f"more than {MAX_SERIES} series in one answer")
        found = tuple(map(_read, rows))
    return Answer(found, _told(envelope))


def decode_names(body: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Values of a label, and warnings. Raises PromApiError."""
    envelope = _opened(body)
    values = _typed(_names, envelope.data)
    if len(values) > MAX_NAMES:
        raise PromApiError("limit", f"more than {MAX_NAMES} metric names")
    return tuple(values), _told(envelope)


def decode_counters(body: bytes) -> frozenset[str]:
    """Names that an answer of `metadata` has as counters and as nothing else. Raises PromApiError."""
    found = _typed(_metadata, _opened(body).data)
    return frozenset(name for name, told in found.items() if {one.type for one in told} == {"counter"})


def labels_of(series: PromSeries) -> dict[str, str]:
    """As they came: not safe to show. Raises PromApiError."""
    return _typed(_labels, series.labels)


class PromApi:
    """One server; `url` is what comes before `/api/v1`. Every method raises FetchError or PromApiError."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._base = f"{url.rstrip('/')}/api/v1"
        self._client = client

    async def now_s(self) -> float:
        """What the server's clock says."""
        answer = decode(await self._get("query", query="time()"))
        if len(answer.series) != 1 or len(answer.series[0].samples) != 1:
            raise PromApiError("malformed", "time() is not a scalar")
        return answer.series[0].samples[0][0]

    async def names(self, start_s: float, end_s: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Metric names that have samples in this time, and warnings."""
        return decode_names(await self._get("label/__name__/values", start=f"{start_s:.3f}", end=f"{end_s:.3f}"))

    async def counters(self) -> frozenset[str]:
        """Names of the metrics that every page which declares them declares as counters. Not every server can tell."""
        body = await self._get("metadata")
        return await asyncio.to_thread(decode_counters, body) if len(body) > BIG_ANSWER else decode_counters(body)

    async def query(self, expression: str, at_s: float) -> Answer:
        body = await self._get("query", query=expression, time=f"{at_s:.3f}")
        return await asyncio.to_thread(decode, body) if len(body) > BIG_ANSWER else decode(body)

    async def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> Answer:
        """A sample at `start_s` and each step after it, where there is one that is not too old."""
        times = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        body = await self._get("query_range", query=expression, **times)
        return await asyncio.to_thread(decode, body) if len(body) > BIG_ANSWER else decode(body)

    async def _get(self, path: str, **parameters: str) -> bytes:
        url = f"{self._base}/{path}?{urlencode(parameters)}"
        return await self._client.get(url, accept="application/json", kinds=_JSON, told=_TOLD)


def _opened(body: bytes) -> _Envelope:
    if body.count(b"[") + body.count(b"{") > MAX_NODES:
        raise PromApiError("limit", f"an answer of more than {MAX_NODES} arrays and objects")
    envelope = _typed(_envelope, body)
    if envelope.status == "error":
        raise PromApiError(envelope.error_type or "unknown", envelope.error or "no reason given")
    return envelope


def _typed(read: Callable[[bytes | msgspec.Raw], _T], data: bytes | msgspec.Raw) -> _T:
    try:
        return read(data)
    # msgspec lets the error of a text that is not UTF-8 through.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PromApiError("malformed", f"not a prometheus answer: {error}") from None


def _told(envelope: _Envelope) -> tuple[str, ...]:
    partial = ["partial response"] if envelope.is_partial else []
    told = [*partial, *(envelope.warnings or ()), *(envelope.infos or ())][:64]
    return tuple(dict.fromkeys(safe_text(one, MAX_WARNING) for one in told))


def _read(row: _Series) -> PromSeries:
    samples = row.values if row.value is None else [row.value]
    histograms = row.histograms if row.histogram is None else [row.histogram]
    return PromSeries(
        bytes(row.metric),
        tuple(map(_sample, samples)),
        tuple((_time(time_s), _native(one)) for time_s, one in histograms),
    )


def _sample(pair: tuple[float, str]) -> Sample:
    return _time(pair[0]), _number(pair[1])


def _time(time_s: float) -> float:
    if not 0.0 <= time_s <= _LATEST_S:
        raise PromApiError("malformed", f"a sample at {time_s:g} s")
    return time_s


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise PromApiError("malformed", f"{text!r} is no number") from None


def _native(one: _Histogram) -> NativeHistogram:
    if len(one.buckets) > MAX_BUCKETS:
        raise PromApiError("limit", f"more than {MAX_BUCKETS} buckets in a native histogram")
    buckets = tuple((_number(low), _number(high), _number(count)) for _rule, low, high, count in one.buckets)
    highs = [high for _, high, _ in buckets]
    if any(math.isnan(bound) for bucket in buckets for bound in bucket) or highs != sorted(set(highs)):
        raise PromApiError("malformed", "a native histogram whose buckets do not ascend")
    return NativeHistogram(_number(one.count), _number(one.sum), buckets)
