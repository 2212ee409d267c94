"""Hostile tables: CSV, gzipped or not, Parquet and ARFF."""

from __future__ import annotations

import gzip
import io
import struct

from tests.data.readers.hostile.arrays import Cases

GOOD = b"a,b,y\n" + b"".join(b"%d,%d,%d\n" % (i, i * i % 7, i % 2) for i in range(20))


def csv_cases() -> Cases:
    zipped = gzip.compress(GOOD, mtime=0)
    bomb = gzip.compress(b"a,y\n" + b"0,1\n" * 18_000_000, mtime=0)
    return {
        "nothing": (b"", "an empty file"),
        "zero bytes": (bytes(5000), "zero bytes"),
        "zero bytes far below": (GOOD * 3000 + bytes(50), ""),
        "bytes that are no text": (bytes(range(128, 256)) * 40, "UTF-8"),
        "no text far below": (GOOD.replace(b"a,b,y", b"a,b,y", 1) + b"1,\xff\xfe,0\n", "UTF-8"),
        "half a character at the end": (GOOD + b"1,\xc3", ""),
        "UTF-32": (GOOD.decode().encode("utf-32"), ""),
        "a line of 17 million characters": (b"x" * 17_000_000, "a line of 16,777,216 characters"),
        "a million columns": (b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n", "131,072 columns"),
        "two million commas": (b"," * 2_000_000 + b"\n" + b"1" + b"," * 2_000_000, ""),
        "a cell of a megabyte": (b'a,y\n"' + b"x" * (1 << 20) + b'",1\n2,0\n3,1\n4,0\n', ""),
        "a quote that never ends": (b'a,y\n"' + b"x\n" * 100_000, ""),
        "quotes in quotes": (b'a,y\n"""""""""""""1,2\n3,4', ""),
        "carriage returns alone": (b"a,y\r1,2\r\r\r\x003,4", ""),
        "a name that comes twice": (b"a,a,y\n1,2,3\n4,5,6\n", "unlike the others"),
        "a thousand equal names": (b",".join([b"a"] * 1000) + b"\n" + b",".join([b"1"] * 1000), "unlike the others"),
        "numbers beyond all": (b"a,y\n1e999,0\n1,1\n2,0\n3,1\n", "finite"),
        "targets beyond all": (b"a,y\n1,1e308\n2,-1e308\n3,5e307\n", "targets of finite variance"),
        "features beyond all": (b"a,y\n1e308,1\n-1e308,2\n5e307,4\n", "column 'a' must be numbers of finite variance"),
        "infinity and nothing": (b"a,y\ninf,0\n-inf,1\n,0\nnan,1\n", "finite"),
        "lines that grow": (b"\n".join(b",".join([b"1"] * n) for n in range(1, 200)), ""),
        "lines that shrink": (b"a,b,c,y\n1,2,3,4\n1,2,3\n1,2\n1\n", "cells like the header"),
        "formulas": (b"=cmd|'/c calc'!A1,y\n1,2\n", ""),
        "comments to the end": (b"#" * 100_000, "an empty file"),
        "a zip": (b"PK\x03\x04" + bytes(100), ""),
        "gzip of nothing": (gzip.compress(b"", mtime=0), "an empty file"),
        "gzip that ends early": (zipped[:-12], ""),
        "gzip with a wrong checksum": (zipped[:-8] + bytes(8), "CRC"),
        "gzip with a wrong length": (zipped[:-4] + bytes(4), ""),
        "gzip damaged in the middle": (zipped[:30] + b"\xff" * 20 + zipped[50:], ""),
        "gzip with something behind": (zipped + b"not gzip", ""),
        "gzip in gzip": (gzip.compress(zipped, mtime=0), ""),
        "a bomb": (bomb, "at most 256 times as large"),
        "a bomb of empty lines": (gzip.compress(b"a,y\n" + b"\n" * 70_000_000, mtime=0), "at most 256 times"),
        "a bomb of one line": (gzip.compress(b"1" * 70_000_000, mtime=0), "at most 256 times"),
        "a bomb of many members": (gzip.compress(bytes(1 << 20), mtime=0) * 260, ""),
    }


def parquet_cases() -> Cases:
    import pyarrow as arrow
    from pyarrow import parquet

    def table(rows: int = 8, **columns: object) -> bytes:
        out = io.BytesIO()
        parquet.write_table(arrow.table(columns or {"a": range(rows), "y": [0, 1] * (rows // 2)}), out)
        return out.getvalue()

    good = table()
    footer = good[-8 - struct.unpack("<I", good[-8:-4])[0] : -8]
    body = good[: -8 - len(footer)]

    def ending(footer: bytes, length: int | None = None, magic: bytes = b"PAR1") -> bytes:
        return body + footer + struct.pack("<I", len(footer) if length is None else length) + magic

    constant = table(a=arrow.array([0] * 12_000_000, arrow.int8()), y=arrow.array([1] * 12_000_000, arrow.int8()))
    return {
        "nothing": (b"", ""),
        "magic alone": (b"PAR1", ""),
        "magic twice": (b"PAR1PAR1", ""),
        "no footer": (ending(b""), ""),
        "a footer of 4 GiB": (ending(footer, 0xFFFFFFFF), ""),
        "a footer of 2 GiB": (ending(footer, 0x7FFFFFFF), ""),
        "a footer beyond the beginning": (ending(footer, len(good)), ""),
        "a footer of zeros": (ending(bytes(len(footer))), ""),
        "a footer of ones": (ending(b"\xff" * len(footer)), ""),
        "half a footer": (ending(footer[: len(footer) // 2]), ""),
        "a footer backwards": (ending(footer[::-1]), ""),
        "an encrypted footer": (ending(footer, magic=b"PARE"), ""),
        "pages of zeros": (b"PAR1" + bytes(len(body) - 4) + good[len(body) :], ""),
        "pages of ones": (b"PAR1" + b"\xff" * (len(body) - 4) + good[len(body) :], ""),
        "without pages": (b"PAR1" + good[len(body) :], ""),
        "the same value 24 million times": (constant, "12,000,000 rows of 2 columns of 192,000,000 bytes"),
        "lists": (table(a=[[1], [2]], y=[0, 1]), "column 'a' must be one value per cell"),
        "lists in lists": (table(a=[[[[1]]], [[[2]]]], y=[0, 1]), "one value per cell"),
        "structures": (table(a=[{"b": 1}, {"b": 2}], y=[0, 1]), "one value per cell"),
        "no rows": (table(a=arrow.array([], "int8"), y=arrow.array([], "int8")), "at least one row"),
        "no columns": (table(**{"": [1, 2]}), ""),
        "infinity": (table(a=[float("inf"), 1.0] * 4, y=[0, 1] * 4), "finite"),
        "CSV": (GOOD, ""),
    }


ARFF_HEADER = b"@relation r\n@attribute a numeric\n@attribute y {u,v}\n@data\n"


def arff_cases() -> Cases:
    rows = b"1,u\n2,v\n" * 4
    return {
        "nothing": (b"", ""),
        "zero bytes": (bytes(1000), ""),
        "no text": (b"\xff\xfe" * 500, ""),
        "no attributes": (b"@relation r\n@data\n1,2\n", ""),
        "no data": (ARFF_HEADER, "at least one row"),
        "rows before attributes": (rows + ARFF_HEADER, ""),
        "a value unknown": (ARFF_HEADER + b"1,w\n", ""),
        "a row too short": (ARFF_HEADER + b"1\n", ""),
        "a row too long": (ARFF_HEADER + b"1,u,3,4,5\n", ""),
        "text for a number": (ARFF_HEADER + b"x,u\n", ""),
        "attributes of text": (b"@relation r\n@attribute a string\n@attribute y {u,v}\n@data\nx,u\n", ""),
        "attributes of relations": (b"@relation r\n@attribute a relational\n@end a\n@data\nx\n", ""),
        "an attribute without a type": (b"@relation r\n@attribute a\n@data\n1\n", ""),
        "values that never end": (b"@relation r\n@attribute a {" + b"u," * 50_000 + b"\n@data\nu\n", ""),
        "a quote that never ends": (b"@relation r\n@attribute 'a numeric\n@data\n1\n", ""),
        "a date in no format": (b"@relation r\n@attribute a date 'QQQQ'\n@attribute y {u,v}\n@data\nx,u\n", ""),
        "sparse rows": (ARFF_HEADER + b"{0 1, 1 u}\n", ""),
        "infinity": (ARFF_HEADER + b"inf,u\n1,v\n" * 4, "finite"),
        "names twice": (b"@relation r\n@attribute a numeric\n@attribute a numeric\n@data\n1,2\n", ""),
    }
