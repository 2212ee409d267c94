"""Hostile .npy files, .npz archives and IDX files."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
import zipfile
import zlib
from typing import Any, TypeAlias

Cases: TypeAlias = dict[str, tuple[bytes, str]]
"""By name: what the file holds, and what its refusal says."""


def npy(
    descr: str = "'<f8'",
    shape: str = "(2, 2)",
    order: str = "False",
    values: bytes = bytes(32),
    *,
    version: bytes = b"\x01\x00",
    header: str | bytes | None = None,
    length: int | None = None,
    magic: bytes = b"\x93NUMPY",
) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}" if header is None else header
    raw = text.encode("latin-1", "replace") if isinstance(text, str) else text
    raw += b" " * (-(len(raw) + 11) % 64) + b"\n"
    size = struct.pack("<H" if version[0] == 1 else "<I", (len(raw) if length is None else length) % (1 << 16))
    return magic + version + size + raw + values


def npy_cases() -> Cases:
    return {
        "nothing": (b"", ""),
        "magic alone": (b"\x93NUMPY", ""),
        "magic and version": (b"\x93NUMPY\x01\x00", ""),
        "another magic": (npy(magic=b"\x93NUMPZ"), "magic"),
        "version 0": (npy(version=b"\x00\x00"), "version"),
        "version 3": (npy(version=b"\x03\x00"), "version"),
        "version 255": (npy(version=b"\xff\xff"), "version"),
        "a header beyond the end": (npy(length=65535), ""),
        "a header of no length": (npy(length=0), ""),
        "an empty header": (npy(header=""), ""),
        "a header of spaces": (npy(header=" " * 500), ""),
        "a header that is a list": (npy(header="[1, 2, 3]"), ""),
        "a header that calls": (npy(header="__import__('os').system('true')"), ""),
        "a header that computes": (npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (9**9**9,)}"), ""),
        "a header of brackets": (npy(header="(" * 5000), ""),
        "a header of signs": (npy(header="-" * 9000 + "1"), ""),
        "a header of nested lists": (npy(header="[" * 300 + "]" * 300), ""),
        "a header with zero bytes": (npy(header=b"{'descr': '<f8'\x00, 'shape': (2,)}"), ""),
        "a header that ends early": (npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (2,"), ""),
        "a header too long": (npy(header="{}" + " " * 20000), ""),
        "one key less": (npy(header="{'descr': '<f8', 'shape': (2, 2), }"), ""),
        "one key more": (npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), 'x': 1}"), ""),
        "keys that are numbers": (npy(header="{1: '<f8', 2: False, 3: (2, 2), }"), ""),
        "a shape of one huge axis": (npy(shape="(10**15,)"), ""),
        "a shape of terabytes": (npy(shape="(1000000, 1000000)"), "8,000,000,000,000 bytes"),
        "a shape beyond 64 bits": (npy(shape="(99999999999999999999, 2)"), "bytes"),
        "a product beyond 64 bits": (npy(shape="(4294967296, 4294967296, 4294967296)"), "bytes"),
        "a product that wraps to 4": (npy(shape="(2147483648, 8589934592, 4)"), "bytes"),
        "no values along a vast axis": (npy(shape="(0, 4611686018427387904)", values=b""), "an array of a valid shape"),
        "a negative axis": (npy(shape="(-1, 4)"), ""),
        "two negative axes": (npy(shape="(-2, -2)"), ""),
        "an axis of truth": (npy(shape="(True, 4)"), ""),
        "an axis of a fraction": (npy(shape="(2.0, 2)"), ""),
        "an axis of text": (npy(shape="('2', 2)"), ""),
        "a shape that is a list": (npy(shape="[2, 2]"), ""),
        "a shape that is a number": (npy(shape="4"), ""),
        "a shape of 70 axes": (npy(shape="(" + "1, " * 70 + ")", values=bytes(8)), ""),
        "an order that is a number": (npy(order="2"), ""),
        "objects": (npy(descr="'|O'"), "dtype object"),
        "a pickle behind objects": (npy(descr="'|O'", shape="(1,)", values=b"\x80\x04cos\nsystem\n"), "dtype object"),
        "fields": (npy(descr="[('a', '<f8'), ('b', '<f8')]"), "dtype"),
        "fields of objects": (npy(descr="[('a', '|O')]"), "dtype"),
        "void": (npy(descr="'|V8'"), "dtype"),
        "complex numbers": (npy(descr="'<c16'", shape="(2,)"), "dtype complex128"),
        "text of no width": (npy(descr="'<U0'", shape="(1000000000000,)", values=b""), "dtype"),
        "text of huge width": (npy(descr="'<U500000000'", shape="(1,)"), "2,000,000,000 bytes"),
        "text of impossible width": (npy(descr="'<U99999999999'", shape="(1,)"), ""),
        "a dtype that is none": (npy(descr="'hello'"), ""),
        "a dtype that is a number": (npy(descr="7"), ""),
        "a dtype that is a class": (npy(descr="'numpy.float64'"), ""),
        "a dtype of nested arrays": (npy(descr="('<f8', (1000000, 1000000))"), ""),
        "values that end early": (npy(values=bytes(31)), "31 bytes"),
        "values that go on": (npy(values=bytes(33)), "33 bytes"),
        "no values": (npy(values=b""), "0 bytes"),
        "an archive": (b"PK\x03\x04" + bytes(60), "an .npz archive"),
    }  # fmt: skip


def npz(entries: dict[str, bytes] | list[tuple[str, bytes]], by: int = zipfile.ZIP_DEFLATED, **forged: Any) -> bytes:
    """Return an archive; forged: fields of the first entry of the directory, as (offset, format, value)."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", by) as archive:
        warnings.simplefilter("ignore")  # that a name comes twice
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    raw = bytearray(out.getvalue())
    local, central = 0, raw.index(b"PK\x01\x02")
    places = {  # offset in the local header, in the directory
        "flags": ("<H", 6, 8), "method": ("<H", 8, 10), "crc": ("<I", 14, 16), "packed": ("<I", 18, 20),
        "size": ("<I", 22, 24), "offset": ("<I", None, 42), "name": ("<H", 26, 28), "extra": ("<H", 28, 30),
        "entries": ("<H", None, None), "version": ("<H", 4, 6),
    }  # fmt: skip
    for field, value in forged.items():
        kind, near, far = places[field]
        if near is not None:
            struct.pack_into(kind, raw, local + near, value)
        if far is not None:
            struct.pack_into(kind, raw, central + far, value)
    return bytes(raw)


X = npy(shape="(4, 1)")
Y = npy(descr="'<i8'", shape="(4,)")
LABELS_AS_NPY = npy(descr="'<i8'", shape="(4,)", values=(bytes(15) + b"\1") * 2)
GOOD = {"x.npy": X, "y.npy": Y}


def _overlapping() -> bytes:
    raw = bytearray(npz(GOOD))
    first = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", first + 4)
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    return bytes(raw)


def npz_cases() -> Cases:
    whole, zeros = npz(GOOD), npy(shape="(8750000, 1)", values=bytes(70_000_000))
    return {
        "nothing": (b"", ""),
        "no archive": (b"x" * 100, ""),
        "an array by itself": (X, ""),
        "the end alone": (whole[-22:], ""),
        "half": (whole[: len(whole) // 2], ""),
        "without its end": (whole[:-10], ""),
        "without its beginning": (whole[10:], ""),
        "no entries": (b"PK\x05\x06" + bytes(18), "arrays none"),
        "no x": (npz({"y.npy": Y}), "arrays y"),
        "other names": (npz({"../../etc/passwd": X, "y.npy": Y}), "arrays ../../etc/passwd"),
        "a name that turns around": (npz({"\u202ex.npy": X, "y.npy": Y}), "arrays"),
        "a long name": (npz({"x" * 60000: X, "y.npy": Y}), "arrays"),
        "x twice": (npz([("x.npy", X), ("x.npy", X), ("y.npy", Y)]), "the only one of its name"),
        "x with and without its ending": (npz([("x.npy", X), ("x", X), ("y.npy", Y)]), "the only one of its name"),
        "x in two cases": (npz([("x.npy", X), ("X.npy", X), ("y.npy", Y)]), "'x.npy', 'X.npy'"),
        "y in two cases": (npz([("x.npy", X), ("Y.NPY", Y), ("y.npy", Y), ("Y.npy", Y)]), "the only one"),
        "encrypted": (npz(GOOD, flags=1), "an encrypted entry"),
        "strongly encrypted": (npz(GOOD, flags=0x41), "an encrypted entry"),
        "patched": (npz(GOOD, flags=0x20), ""),
        "bzip2": (npz(GOOD, zipfile.ZIP_BZIP2), "compressed by bzip2"),
        "LZMA": (npz(GOOD, zipfile.ZIP_LZMA), "compressed by lzma"),
        "said to be LZMA": (npz(GOOD, method=14), "compressed by lzma"),
        "Zstandard": (npz(GOOD, method=93), "compressed by method 93"),
        "an unknown method": (npz(GOOD, method=250), "compressed by method 250"),
        "said to be stored": (npz(GOOD, method=0), ""),
        "said to be deflated": (npz(GOOD, zipfile.ZIP_STORED, method=8), ""),
        "a wrong checksum": (npz(GOOD, crc=1), "CRC"),
        "a size of 4 GiB": (npz(GOOD, size=0xFFFFFFFE), "arrays of 4,294,967,"),
        "a size of 3 GiB, stored": (npz(GOOD, zipfile.ZIP_STORED, size=3 << 30), "arrays of"),
        "a packed size of 4 GiB": (npz(GOOD, packed=0xFFFFFFFE), ""),
        "a size of nothing": (npz(GOOD, size=0), ""),
        "a size too small": (npz(GOOD, size=100), ""),
        "a size too large": (npz(GOOD, size=500), ""),
        "an offset beyond the end": (npz(GOOD, offset=10**6), ""),
        "an offset of 4 GiB": (npz(GOOD, offset=0xFFFFFFFE), ""),
        "entries that overlap": (_overlapping(), ""),
        "a name that goes on": (npz(GOOD, name=40000), ""),
        "a version of the future": (npz(GOOD, version=999), ""),
        "a bomb": (npz({"x.npy": zeros, "y.npy": Y}), "arrays of 70,000,"),
        "many bombs": (npz({f"a{i}.npy": zeros[:30_000_000] for i in range(3)} | GOOD), "arrays of 90,000,"),
        "a header of terabytes": (npz({"x.npy": npy(shape="(1000000, 1000000)"), "y.npy": Y}), "array 'x' must be"),
        "a header of objects": (npz({"x.npy": X, "y.npy": npy(descr="'|O'")}), "dtype object"),
        "a header that computes": (npz({"x.npy": npy(header="9**9**9**9"), "y.npy": Y}), ""),
        "an entry that is no array": (npz({"x.npy": b"hello", "y.npy": Y}), ""),
        "an empty entry": (npz({"x.npy": b"", "y.npy": Y}), ""),
        "a folder for an entry": (npz({"x.npy/": b"", "y.npy": Y}), ""),
        "damaged in the middle": (whole[:60] + bytes(20) + whole[80:], ""),
        "lengths that differ": (npz({"x.npy": X, "y.npy": npy(descr="'<i8'", shape="(3,)", values=bytes(24))}), "y"),
        "no rows": (npz({"x.npy": npy(shape="(0, 2)", values=b""), "y.npy": npy("'<i8'", "(0,)", values=b"")}), ""),
        "no axes": (npz({"x.npy": npy(shape="()", values=bytes(8)), "y.npy": Y}), ""),
        "not a number": (npz({"x.npy": npy(shape="(4, 1)", values=b"\xff" * 32), "y.npy": LABELS_AS_NPY}), "finite"),
    }  # fmt: skip


def idx(
    kind: int = 0x08, sizes: tuple[int, ...] = (4, 2, 2), values: bytes = bytes(16), axes: int | None = None
) -> bytes:
    n = len(sizes) if axes is None else axes
    return struct.pack(">BBBB", 0, 0, kind, n) + struct.pack(f">{len(sizes)}I", *sizes) + values


LABELS = idx(sizes=(4,), values=bytes([0, 1, 0, 1]))
_MANY = (0xFFFFFFFF,) * 3


def idx_cases() -> Cases:
    return {
        "nothing": (b"", "an empty file"),
        "three bytes": (b"\0\0\x08", ""),
        "another magic": (b"\x01" + idx()[1:], "an IDX file"),
        "an unknown type": (idx(kind=0x0A), "an IDX file"),
        "no axes": (idx(sizes=(), values=b""), "an IDX file"),
        "255 axes": (idx(axes=255), "an IDX file"),
        "sizes that end early": (idx(axes=8, values=b""), "32 bytes of sizes"),
        "terabytes": (idx(sizes=(10**6, 10**3, 10**3)), "got 16 bytes"),
        "beyond 64 bits": (idx(sizes=_MANY), "got 16 bytes"),
        "beyond 64 bits of doubles": (idx(kind=0x0E, sizes=_MANY), "got 16 bytes"),
        "a product that wraps": (idx(sizes=(1 << 31, 1 << 31, 4)), "got 16 bytes"),
        "values that end early": (idx(values=bytes(15)), "got 15 bytes"),
        "values that go on": (idx(values=bytes(17)), "more bytes"),
        "no images": (idx(sizes=(0, 2, 2), values=b""), ""),
        "images of no width": (idx(sizes=(4, 0, 2), values=b""), ""),
        "no images of vast size": (idx(sizes=(0, *_MANY), values=b""), "an array of a valid shape"),
        "no bytes that were too many floats": (idx(kind=9, sizes=(1 << 31, 1 << 31, 0), values=b""), "a valid shape"),
        "labels for images": (LABELS, "images"),
        "one image more": (idx(sizes=(5, 2, 2), values=bytes(20)), ""),
        "floats that are none": (idx(kind=0x0D, sizes=(4, 1), values=b"\xff" * 16), "finite"),
        "gzip of nothing": (gzip.compress(b"", mtime=0), "an empty file"),
        "gzip that ends early": (gzip.compress(idx(), mtime=0)[:-9], ""),
        "gzip with a wrong checksum": (gzip.compress(idx(), mtime=0)[:-8] + bytes(8), ""),
        "gzip of terabytes": (gzip.compress(idx(sizes=(10**6, 10**3, 10**3)), mtime=0), "at most 256 times"),
        "gzip beyond 64 bits": (gzip.compress(idx(sizes=_MANY), mtime=0), "at most 256 times"),
        "a bomb in gzip": (gzip.compress(idx(sizes=(70, 1000, 1000), values=bytes(70_000_000))), "at most 256"),
        "a bomb behind a small array": (gzip.compress(idx(values=bytes(70_000_000)), mtime=0), "more bytes"),
        "gzip with an unknown method": (b"\x1f\x8b\x07" + gzip.compress(idx(), mtime=0)[3:], ""),
        "gzip with reserved flags": (b"\x1f\x8b\x08\xe0" + bytes(30), ""),
        "gzip with an endless name": (b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 5000, ""),
        "gzip in gzip": (gzip.compress(gzip.compress(idx(), mtime=0), mtime=0), "an IDX file"),
        "zlib": (zlib.compress(idx()), "an IDX file"),
    }  # fmt: skip
