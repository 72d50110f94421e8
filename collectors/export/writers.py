"""Tables into a file, piece by piece: Parquet, CSV and lines of JSON. Each gives how many rows it wrote."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from collectors.export.output import ExportError
from collectors.export.table import PIECE_ROWS, Coded, Column, Kind, Rows, Schema, count, values

if TYPE_CHECKING:
    import pyarrow as pa

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so may be run by a spreadsheet."""


def csv_file(file: BinaryIO, schema: Schema, tables: Iterable[Rows]) -> int:
    """UTF-8 with a heading; what is not known is empty. A text that a spreadsheet would take for a formula has an apostrophe before it."""
    with _text(file) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(schema)
        written = 0
        for rows in tables:
            columns = [_cells(rows[name], kind) for name, kind in schema.items()]
            writer.writerows(zip(*columns, strict=True))
            written += count(rows)
    return written


def jsonl_file(file: BinaryIO, schema: Schema, tables: Iterable[Rows]) -> int:
    """An object a line; what is not known is null, and a number that JSON does not have a text (`NaN`, `Infinity`)."""
    written = 0
    with _text(file) as text:
        for rows in tables:
            columns = [_plain(values(rows[name]), kind) for name, kind in schema.items()]
            for row in zip(*columns, strict=True):
                text.write(json.dumps(dict(zip(schema, row, strict=True)), ensure_ascii=False, allow_nan=False))
                text.write("\n")
            written += count(rows)
    return written


def parquet_file(file: BinaryIO, schema: Schema, tables: Iterable[Rows]) -> int:
    """Compressed by zstd. Raises `ExportError` where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ExportError("Parquet needs pyarrow: pip install 'tokenyard[parquet]'") from None
    types = {Kind.INT: pa.int64(), Kind.FLOAT: pa.float64(), Kind.TEXT: pa.string(), Kind.FLAG: pa.bool_()}
    fields = pa.schema([(name, types[kind]) for name, kind in schema.items()])
    written = 0
    with parquet.ParquetWriter(file, fields, compression="zstd") as writer:
        for group in _grouped(tables):
            made = [
                pa.table([_array(rows[name], types[kind]) for name, kind in schema.items()], fields) for rows in group
            ]
            writer.write_table(pa.concat_tables(made))
            written += sum(map(count, group))
    return written


WRITERS: Final[dict[str, Callable[[BinaryIO, Schema, Iterable[Rows]], int]]] = {
    "parquet": parquet_file,
    "csv": csv_file,
    "jsonl": jsonl_file,
}


@contextmanager
def _text(file: BinaryIO) -> Iterator[TextIOWrapper]:
    """Text into `file`, which stays open."""
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        yield text
    finally:
        text.detach()


def _cells(column: Column, kind: Kind) -> Iterable[Any]:
    if kind is not Kind.TEXT:
        return values(column)
    if isinstance(column, Coded):
        return values(Coded(column.codes, [_harmless(name) for name in column.names]))
    return [_harmless(text) for text in column]


def _harmless(text: str | None) -> str | None:
    return f"'{text}" if text and text.startswith(_FORMULA) else text


def _plain(column: list[Any], kind: Kind) -> list[Any]:
    if kind is not Kind.FLOAT:
        return column
    return [value if value is None or math.isfinite(value) else _odd(value) for value in column]


def _odd(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _array(column: Column, of: "pa.DataType") -> "pa.Array":
    import pyarrow as pa

    if isinstance(column, Coded):
        return pa.DictionaryArray.from_arrays(column.codes, pa.array(column.names, of)).dictionary_decode()
    return pa.array(column, of)


def _grouped(tables: Iterable[Rows]) -> Iterator[list[Rows]]:
    """Small ones together, as a row group is only worth its while with many rows."""
    waiting: list[Rows] = []
    rows = 0
    for one in tables:
        waiting.append(one)
        rows += count(one)
        if rows >= PIECE_ROWS:
            yield waiting
            waiting, rows = [], 0
    if waiting:
        yield waiting
