"""A page in Prometheus' protobuf format, the only one that has native histograms: a counter and one histogram of schema 3.

Field numbers: prometheus/client_model `io/prometheus/client/metrics.proto`.
"""

import struct
from collections.abc import Iterable

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
SCHEMA = 3
"""Bounds are powers of 2^(1/8)."""
LABELS = (("engine", "0"), ("model_name", "m"))


def page(tokens: int, counts: dict[int, int], total_s: float) -> bytes:
    """`counts` are the observations in (2^((i−1)/8), 2^(i/8)] by i."""
    labels = b"".join(_bytes(1, _text(1, name) + _text(2, value)) for name, value in LABELS)
    counter = _bytes(4, labels + _bytes(3, _double(1, tokens)))
    families = [
        _text(1, "vllm:generation_tokens_total") + _number(3, 0) + counter,
        _text(1, "vllm:inter_token_latency_seconds")
        + _number(3, 4)
        + _bytes(4, labels + _bytes(7, _native(counts, total_s))),
    ]
    return b"".join(_varint(len(one)) + one for one in families)


def _native(counts: dict[int, int], total_s: float) -> bytes:
    """A span for each bucket, and each bucket's count as the difference to the one before."""
    out = _number(1, sum(counts.values())) + _double(2, total_s) + _number(5, _zigzag(SCHEMA)) + _double(6, 1e-128)
    deltas: list[int] = []
    before, end = 0, 0
    for index, count in sorted(counts.items()):
        offset = index - end if deltas else index
        out += _bytes(12, _number(1, _zigzag(offset)) + _number(2, 1))
        deltas.append(count - before)
        before, end = count, index + 1
    return out + b"".join(_number(13, _zigzag(delta)) for delta in deltas)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def upper(indices: Iterable[int]) -> list[float]:
    """Upper bounds of buckets."""
    return [2.0 ** (index / 2**SCHEMA) for index in indices]
