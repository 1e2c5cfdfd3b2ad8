"""Files damaged or forged in many ways, the same ones for the same seed.

``mutations(content, n, seed)`` takes the bytes of a good file and gives n pairs (what was done, bytes of a bad one).
What it does depends on the content: any file has its bytes changed; the arrays of an .npz archive are also edited
inside, with right checksums, so that what reads them must notice by itself; in text, cells and words are replaced.
"""

import io
import struct
import warnings
import zipfile

import numpy as np

MAGIC = b"\x93NUMPY"
NUMBERS = [0, 1, -1, 7, 255, 2**31, 2**32 - 1, 2**63, 10**18, 10**40]
CELLS = [
    "", "NA", "nan", "inf", "-9", "x", "1" + "0" * 400, "1" * 5000, "1e999", "\0", "\ufeff", "True", '"', "'",
    "[" * 3000, "{}", "null", "1;2", "1_0", "-1", "1970-01-01", "\x1b[31m", "\u0661", "=1", "9" * 140_000,
]  # fmt: skip
DTYPES = [
    "<f8",
    "<f4",
    ">f4",
    "|b1",
    "|u1",
    "<U7",
    "|O",
    "|S3",
    "<c16",
    "<M8[ns]",
    "<f3",
    "<U999999999",
    "|V8",
    "",
    "V",
]


def mutations(content, n, seed=0):
    """n pairs (words, bytes)."""
    rng = np.random.default_rng(seed)
    kinds = [of_bytes]
    if content[:2] == b"PK":
        kinds += [of_archive, of_archive, of_archive]
    elif content[:6] == MAGIC:
        kinds += [lambda content, rng: of_header(content, rng), lambda content, rng: of_array(content, rng)]
    elif b"\0" not in content and content[:2] != b"\x1f\x8b":
        kinds += [of_text, of_text]
    for _ in range(n):
        yield kinds[rng.integers(len(kinds))](content, rng)


def pick(rng, values):
    return values[rng.integers(len(values))]


# ---------------------------------------------------------------- any file


def of_bytes(content, rng):
    """Bits, runs, cuts, exchanged and repeated parts; half of them in the first 200 bytes, where headers are."""
    data = bytearray(content)
    end = max(1, min(len(data), 200) if rng.random() < 0.5 else len(data))
    at, length = int(rng.integers(end)), int(rng.integers(1, 40))
    what = pick(rng, ["flip", "zeros", "ones", "cut", "remove", "repeat", "swap", "random", "append"])
    if not data:
        return "append", bytes(rng.bytes(length))
    if what == "flip":
        data[at] ^= 1 << int(rng.integers(8))
    elif what in ("zeros", "ones"):
        stop = min(at + length, len(data))
        data[at:stop] = (b"\0" if what == "zeros" else b"\xff") * (stop - at)
    elif what == "cut":
        del data[at:]
    elif what == "remove":
        del data[at : at + length]
    elif what == "repeat":
        data[at:at] = data[at : at + length]
    elif what == "swap" and at + 1 < len(data):
        data[at], data[at + 1] = data[at + 1], data[at]
    elif what == "random":
        data[at : at + length] = rng.bytes(length)
    else:
        data += rng.bytes(length)
    return f"{what} at {at}", bytes(data)


# ---------------------------------------------------------------- arrays


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def with_header(content, head):
    """The data of an .npy content below another header."""
    start = 10 + struct.unpack("<H", content[8:10])[0]
    text = head.encode("latin-1", "replace").ljust(118) + b"\n"
    return content[:6] + b"\x01\x00" + struct.pack("<H", len(text) & 0xFFFF) + text + content[start:]


def of_header(content, rng):
    """A header that lies about its data."""
    if len(content) < 12 or content[:6] != MAGIC:
        return of_bytes(content, rng)
    start = 10 + struct.unpack("<H", content[8:10])[0]
    head = content[10:start].decode("latin-1")
    what = pick(rng, ["shape", "dtype", "order", "version", "length", "code", "deep", "keys"])
    if what == "shape":
        shape = tuple(pick(rng, NUMBERS) for _ in range(rng.integers(0, 4)))
        return f"shape {shape}", with_header(content, f"{head.split('(')[0]}{shape}, }}")
    if what == "dtype":
        dtype = pick(rng, DTYPES)
        return f"dtype {dtype}", with_header(content, head.replace(head.split("'")[3], dtype))
    if what == "order":
        return what, with_header(content, head.replace("False", pick(rng, ["True", "0", "None"])))
    if what == "version":
        return what, content[:6] + bytes([int(rng.integers(256)), 0]) + content[8:]
    if what == "length":
        return what, content[:8] + rng.bytes(2) + content[10:]
    if what == "code":
        return what, with_header(content, "__import__('os').abort()")
    if what == "deep":
        return what, with_header(content, "(" * 5000)
    return what, with_header(content, head.replace(pick(rng, ["'descr'", "'shape'", "'fortran_order'"]), "'other'"))


def of_array(content, rng):
    """A sound array, but not the one that was there."""
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    what = pick(rng, ["shorter", "longer", "flat", "deeper", "empty", "scalar", "transposed", "dtype", "value", "text"])
    with np.errstate(all="ignore"):
        if what == "shorter":
            array = array[..., : max(1, array.shape[-1] // 2)] if array.ndim else array
        elif what == "longer":
            array = np.concatenate([array, array]) if array.ndim else np.stack([array, array])
        elif what == "flat":
            array = array.reshape(-1)
        elif what == "deeper":
            array = array[None]
        elif what == "empty":
            array = array.reshape(-1)[:0].reshape((0, *array.shape[1:]))
        elif what == "scalar":
            array = np.asarray(array.reshape(-1)[0] if array.size else 0)
        elif what == "transposed":
            array = np.asfortranarray(array.T)
        elif what == "dtype" and array.dtype.kind != "U":
            array = array.astype(pick(rng, ["f8", ">f4", "i8", "u8", "i1", "?", "c16", "f2", "U5", "O"]))
        elif what == "value" and array.dtype.kind in "iuf" and array.size:
            array = array.copy()
            extremes = [np.nan, np.inf, -np.inf, 1e38, -1e30]
            if array.dtype.kind in "iu":
                extremes = [np.iinfo(array.dtype).max, np.iinfo(array.dtype).min]
            values = [0, 1, 2, 100, *extremes]
            array.reshape(-1)[rng.integers(array.size)] = pick(rng, values)
        else:
            array = np.array("text")
    return f"{what}", npy(array)


# ---------------------------------------------------------------- archives


def entries_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def packed(entries, compression=zipfile.ZIP_STORED):
    """An archive of (name, content), names more than once if they are given so."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal names
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in entries:
                archive.writestr(zipfile.ZipInfo(name), data, compression)  # with a date that is always the same
    return file.getvalue()


def in_directory(content, k, offset, value):
    """An archive with 2 or 4 bytes of the k-th entry of its central directory replaced."""
    place = -1
    for _ in range(k + 1):
        place = content.index(b"PK\x01\x02", place + 1)
    return content[: place + offset] + value + content[place + offset + len(value) :]


def of_archive(content, rng):
    """One entry changed, with right checksums, or what the archive says of it."""
    entries = entries_of(content)
    k = int(rng.integers(len(entries)))
    name, data = entries[k]
    what = pick(
        rng,
        ["header"] * 3
        + ["array"] * 5
        + ["bytes", "text", "delete", "rename", "twice", "swap", "encrypted", "method", "size", "offset", "compressed"],
    )
    if what == "header":
        words, data = of_header(data, rng)
    elif what == "array":
        words, data = of_array(data, rng)
    elif what == "bytes":
        words, data = of_bytes(data, rng)
    elif what == "text":
        start = data.index(b"\n") + 1
        words, text = of_text(data[start:], rng)
        data = npy(np.frombuffer(text, np.uint8))
    else:
        words = what
        if what == "delete":
            del entries[k]
        elif what == "rename":
            entries[k] = (
                pick(rng, ["x.npy", "x", "../x.npy", "a\nb.npy", "/etc/passwd", name[:-4], "weights.npy"]),
                data,
            )
        elif what == "twice":
            entries.append((name, data))
        elif what == "swap":
            j = int(rng.integers(len(entries)))
            entries[k], entries[j] = (name, entries[j][1]), (entries[j][0], data)
        content = packed(entries, zipfile.ZIP_DEFLATED if what == "compressed" else zipfile.ZIP_STORED)
        if what == "encrypted":
            content = in_directory(content, k, 8, b"\x01\x00")
        elif what == "method":
            content = in_directory(content, k, 10, struct.pack("<H", pick(rng, [1, 8, 9, 12, 14, 93, 99])))
        elif what == "size":
            content = in_directory(content, k, pick(rng, [20, 24]), struct.pack("<I", pick(rng, [0, 1, 10**6, 2**31])))
        elif what == "offset":
            content = in_directory(content, k, 42, struct.pack("<I", pick(rng, [1, 10**6, 2**31])))
        return f"{name}: {words}", content
    entries[k] = (name, data)
    return f"{name}: {words}", packed(entries)


# ---------------------------------------------------------------- text


def of_text(content, rng):
    """A cell, a word or a line of a text replaced by one that is odd."""
    text = content.decode("latin-1")
    what = pick(rng, ["cell", "cell", "line", "delete", "insert", "encoding", "shuffle"])
    cell = pick(rng, CELLS)
    places = [i for i, c in enumerate(text) if c in ",\n=:; "] or [0]
    at = int(pick(rng, places))
    after = next((i for i in places if i > at), len(text))
    if what == "cell":
        text = text[: at + 1] + cell + text[after:]
    elif what == "line":
        lines = text.split("\n")
        lines[rng.integers(len(lines))] = cell
        text = "\n".join(lines)
    elif what == "delete":
        text = text[:at] + text[after:]
    elif what == "insert":
        text = text[:at] + cell + text[at:]
    elif what == "shuffle":
        lines = text.split("\n")
        text = "\n".join(lines[i] for i in rng.permutation(len(lines)))
    else:
        return what, text.encode(pick(rng, ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"]))
    return f"{what} {cell[:20]!r} at {at}", text.encode("utf-8", "surrogatepass")
