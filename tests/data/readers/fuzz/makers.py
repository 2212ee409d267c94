"""Files made by the rules of their format, with rules broken at random."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from tests.data.readers.hostile.arrays import LABELS_AS_NPY, X, idx, npy, npz
from tests.data.readers.hostile.models import ARRAYS, PREPROCESSING, model, one

NUMBERS = [0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**62]


def damaged(rng: Random, content: bytes, most: int = 4) -> bytes:
    """Return bytes with up to ``most`` damages: bits turned, numbers written over, pieces lost, repeated or moved."""
    raw = bytearray(content)
    for _ in range(max(0, rng.randint(-most, most))):  # half of the files stay as they are
        at, n = rng.randrange(len(raw) + 1), rng.choice((1, 1, 2, 4, 8, rng.randint(1, 64)))
        match rng.randrange(6):
            case 0 if at < len(raw):
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS) % (1 << 32))
            case 2:
                del raw[at : at + n]
            case 3:
                raw[at:at] = raw[at : at + n]
            case 4:
                raw[at:at] = rng.randbytes(n)
            case 5 if rng.random() < 0.2:
                del raw[at:]
    return bytes(raw)


# ------------------------------------------------ a file of every kind


def some_npy(rng: Random) -> bytes:
    axis = lambda: rng.choice([str(n) for n in NUMBERS] + ["4", "4", "1", "-1", "True", "2.5", "'a'", "9**9", "()"])  # noqa: E731
    fields: dict[str, Any] = {"shape": "(4, 1)"}
    if rng.random() < 0.4:
        kinds = [
            "<f8",
            "<f4",
            ">f8",
            "<i8",
            "|u1",
            "|b1",
            "<f2",
            "<f16",
            "<U3",
            "|S2",
            "<M8[D]",
            "<m8[s]",
            "|O",
            "<c8",
            "|V4",
        ]
        fields["descr"] = rng.choice(
            [repr(rng.choice(kinds)), f"'<U{rng.choice(NUMBERS)}'", "[('a', '<f8')]", "'f8, i4'"]
        )
    if rng.random() < 0.4:
        fields["shape"] = rng.choice(
            [f"({axis()}, {axis()})", f"({axis()},)", "()", "[4]", f"({'1, ' * rng.randint(1, 40)})"]
        )
    if rng.random() < 0.2:
        fields["order"] = rng.choice(["True", "1", "None"])
    if rng.random() < 0.2:
        fields["version"] = bytes([rng.randrange(5), rng.randrange(2)])
    if rng.random() < 0.1:
        fields["header"] = "".join(rng.choice("{}[](),:'<>f8iO|-+ 019aT\\\n") for _ in range(rng.randint(0, 120)))
    if rng.random() < 0.1:
        fields["length"] = rng.choice(NUMBERS)
    return damaged(rng, npy(**fields, values=bytes(rng.choice([32, 32, 32, 0, 31, 64, 8]))), 3)


def some_npz(rng: Random) -> bytes:
    names = ["x.npy", "y.npy", "x", "X.npy", "x_train.npy", "y_test.npy", "weight.npy", "a/b.npy", "é.npy", ".npy", ""]
    entries = [("x.npy", X), ("y.npy", LABELS_AS_NPY)]
    for _ in range(rng.randrange(3)):
        entries.insert(
            rng.randrange(len(entries) + 1), (rng.choice(names) or "q", rng.choice([X, LABELS_AS_NPY, b"", b"?"]))
        )
    if rng.random() < 0.3:
        at = rng.randrange(len(entries))
        entries[at] = (entries[at][0], some_npy(rng))
    ways = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]
    places = ["flags", "method", "crc", "packed", "size", "offset", "name", "extra", "version"]
    forged = {place: rng.choice(NUMBERS) % (1 << 16) for place in rng.sample(places, rng.choice([0, 0, 1, 1, 2]))}
    return damaged(rng, npz(entries, rng.choice(ways), **forged), 3)


def some_idx(rng: Random) -> bytes:
    sizes = (4, 2, 2) if rng.random() < 0.4 else tuple(rng.choice(NUMBERS) % (1 << 32) for _ in range(rng.randrange(6)))
    kind = 8 if rng.random() < 0.5 else rng.choice([8, 9, 11, 12, 13, 14, 0, 255])
    axes = None if rng.random() < 0.8 else rng.randrange(256)
    content = damaged(rng, idx(kind, sizes, rng.randbytes(rng.choice([16, 16, 0, 15, 128])), axes), 2)
    return damaged(rng, gzip.compress(content, 1, mtime=0), 2) if rng.random() < 0.3 else content


def some_csv(rng: Random) -> bytes:
    cells = ["1", "2.5", "-3", "x", "", "NA", "?", "true", "no", "1e999", "-inf", "nan", '"a,b"', '"q',
             "2020-01-01", "1,5", "é", "\u2028", "0x1F", "1_000", "9" * 40, "#", "\t", "\ufeff"]  # fmt: skip
    width, separator = rng.choice([1, 2, 3, 3, 5]), rng.choice([",", ",", ";", "\t", "|", " "])
    kinds = [[rng.choice(cells[: rng.choice([4, 99])]) for _ in range(rng.choice([1, 2, 3, 6]))] for _ in range(width)]
    names = [
        f"c{place}" if rng.random() < 0.9 else rng.choice(["", "1", "id", "y", "c0", '"']) for place in range(width)
    ]
    lines = [separator.join(names)]
    for _ in range(rng.choice([1, 3, 12, 12, 40])):
        short = rng.randint(0, width) if rng.random() < 0.01 else width
        lines.append(separator.join(rng.choice(kind) for kind in kinds[:short]))
    if rng.random() < 0.2:
        lines.insert(rng.randrange(len(lines)), "# note")
    content = (
        rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines).encode(rng.choice(["utf-8"] * 9 + ["utf-8-sig", "utf-16"]))
    )
    content = damaged(rng, content, rng.choice([0, 0, 3]))
    return damaged(rng, gzip.compress(content, 1, mtime=0), 2) if rng.random() < 0.1 else content


@cache
def _parquet_tables() -> list[bytes]:
    import pyarrow as arrow
    from pyarrow import parquet

    columns: list[dict[str, Any]] = [
        {"a": range(12), "y": [0, 1] * 6},
        {"a": [0.5, None] * 6, "b": ["u", "v", None] * 4, "y": ["p", "q"] * 6},
        {"a": arrow.array([True, None] * 6), "d": arrow.array([1, 2, None] * 4, "date32"), "y": [1.5, 2.5] * 6},
        {"a": arrow.array(["u", "v"] * 6).dictionary_encode(), "t": arrow.array([1, 2] * 6, "timestamp[us]"),
         "y": [0, 1] * 6},
        {"a": [b"\xff", b"x"] * 6, "e": arrow.array([1, 2] * 6, arrow.decimal128(9, 2)), "y": [0, 1] * 6},
        {"a": [[1], [2, 3]] * 6, "y": [0, 1] * 6},
    ]  # fmt: skip
    tables = []
    for each in columns:
        for way in ({"compression": "none"}, {"compression": "snappy"}, {"compression": "gzip", "version": "1.0"}):
            parquet.write_table(arrow.table(each), out := io.BytesIO(), **way)
            tables.append(out.getvalue())
    return tables


def some_parquet(rng: Random) -> bytes:
    content = rng.choice(_parquet_tables())
    footer = struct.unpack("<I", content[-8:-4])[0]
    body, end = content[: -8 - footer], content[-8 - footer : -8]
    match rng.randrange(3):
        case 0:
            body = damaged(rng, body)
        case 1:
            end = damaged(rng, end)
        case 2:
            return damaged(rng, content)
    return body + end + struct.pack("<I", len(end)) + b"PAR1"


def some_arff(rng: Random) -> bytes:
    kinds = [
        "numeric",
        "real",
        "integer",
        "{u,v}",
        "{u, 'v w'}",
        "{}",
        "string",
        "date",
        "date 'yyyy-MM-dd'",
        "relational",
        "",
    ]
    names = ["a", "y", "'b c'", "a", '"q', "", "%"]
    n = rng.randrange(4)
    n = n if rng.random() < 0.5 else 0
    lines = [f"@attribute {rng.choice(names)} {rng.choice(kinds)}" for _ in range(n)] + [
        "@attribute a numeric",
        "@attribute y {u,v}",
    ]
    cells = ["1", "2.5", "u", "v", "?", "inf", "'v w'", "", "2020-01-01", "{0 1}", "w", "%"]
    rows = [
        ",".join([*(rng.choice(cells) for _ in range(n)), rng.choice("12"), rng.choice("uv")])
        for _ in range(rng.choice([0, 2, 8]))
    ]
    parts = ["@relation r", *lines, "@data", *rows]
    if rng.random() < 0.3:
        rng.shuffle(parts)
    return damaged(rng, rng.choice(["\n", "\r\n"]).join(parts).encode(), rng.choice([0, 1, 4]))


def some_weights(rng: Random) -> bytes:
    values: list[Any] = [
        *NUMBERS,
        -1,
        0.5,
        True,
        None,
        "a",
        [],
        {},
        [1, 2],
        ["a", "b"],
        float("nan"),
        float("inf"),
        10**400,
    ]

    def turned(document: Any) -> Any:
        """Return a document with one value, somewhere in it, replaced or left out."""
        if isinstance(document, dict) and document and rng.random() < 0.9:
            key = rng.choice(list(document))
            if rng.random() < 0.1:
                return {name: value for name, value in document.items() if name != key}
            return document | {key: turned(document[key])}
        if isinstance(document, list) and document and rng.random() < 0.7:
            at = rng.randrange(len(document))
            return [*document[:at], turned(document[at]), *document[at + 1 :]]
        return rng.choice(values)

    rules = [{"column": "a", "kind": "number", "shift": 1.0, "scale": 2.0, "fill": 0.0, "indicator": True}, {
        "column": "b", "kind": "category", "levels": ["u", "v"], "other": False}]  # fmt: skip
    whole = PREPROCESSING | rng.choice([
        {}, {"standardization": {"mean": [0.0] * 3, "std": [1.0] * 3}}, {"columns": ["a"], "encoding": {"rules": rules}}
    ])  # fmt: skip
    said: dict[str, Any] = {"input_shape": [3], "input_scale": 1.0, "classes": ["a", "b"], "preprocessing": whole,
                            "output_scale": [[0.0, 0.0], [1.0, 1.0]]}  # fmt: skip
    said = {name: json.dumps(turned(value) if rng.random() < 0.15 else value) for name, value in said.items()}
    header: dict[str, Any] = one() | one("0.b", [2], "F32", 24, 32)
    if rng.random() < 0.2:
        header = {name: turned(entry) for name, entry in header.items() if rng.random() < 0.95}
    for entry in header.values():
        if isinstance(entry, dict) and rng.random() < 0.1:
            entry["dtype"] = rng.choice(["F64", "F16", "BF16", "F8_E4M3", "I32", "U8", "BOOL", "C64", "F4"])
            size = {"F64": 8, "F16": 2, "BF16": 2, "I32": 4, "C64": 8}.get(entry["dtype"], 1)
            entry["shape"] = [32 // size] if rng.random() < 0.5 else entry.get("shape")
    return damaged(
        rng, model(header, rng.choice([ARRAYS, ARRAYS, bytes(32), rng.randbytes(32)]), **said), rng.choice([0, 0, 3])
    )


MAKERS: dict[str, Callable[[Random], bytes]] = {
    "npy, mapped": some_npy,
    "npy, read": some_npy,
    "npz": some_npz,
    "idx": some_idx,
    "csv": some_csv,
    "parquet": some_parquet,
    "arff": some_arff,
    "weights": some_weights,
}
