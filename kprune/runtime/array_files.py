"""Reads `.npz` files from untrusted sources.

The reader checks a file's headers against its contents before it allocates
memory, runs nothing in it, and raises a `ValueError` of one sentence for
anything that can be wrong with it.
"""

import contextlib
import math
import os
import pathlib
import re
import zipfile

import numpy as np

# The default limit on the memory of a file's arrays is the larger of a number
# of bytes and a multiple of the file's size.
ANY_FILE = 2**28
TIMES_THE_FILE = 64

_LONGEST_HEADER = 10_000  # NumPy's own limit.
_LONGEST_NAME = 1_000
_MOST_OF_A_BYTE = 1032  # The largest ratio of DEFLATE.
_PIECE = 2**20
_END = 22  # Bytes of the record that ends a zip and counts its entries.
_HEADER = re.compile(
    r"\{'descr': '([<>=|]?([biufcSU])[1-9]\d{0,8})', "
    r"'fortran_order': (True|False), "
    r"'shape': \(([-\d, ]*)\),? ?\}\s*"
)


@contextlib.contextmanager
def reading(path, max_bytes=None, growth=1):
    """Yields a dict of the arrays of an `.npz` file.

    Exceptions of the block become the file's `ValueError` too, so the block
    may look up names and convert values without checking them.

    Args:
        path: File path.
        max_bytes: Integer, the most memory in bytes that arrays may take.
            Defaults to 256 MiB or 64 times the file's size, whichever is more.
        growth: Integer, the factor by which the block enlarges the arrays,
            as when it unpacks bits. Lowers the limit accordingly.

    Raises:
        ValueError: If the file is invalid, or the block raises.
        OSError: If there is no such file, or it cannot be read.
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(
            f"Cannot read {path}. Expected a file. Received: a directory or "
            "a device"
        )
    with open(path, "rb") as file:
        try:
            yield _arrays(file, path.stat().st_size, max_bytes, growth)
        except Exception as error:  # Of zipfile, zlib, NumPy or the block.
            raise ValueError(f"Cannot read {path}. {_words(error)}") from error


def read(path, max_bytes=None):
    """Returns the dict of arrays that `reading` yields."""
    with reading(path, max_bytes) as arrays:
        return arrays


def invalid(expected, received):
    """Returns the `ValueError` for invalid contents."""
    return ValueError(f"Expected {expected}. Received: {received}")


def shape(array):
    """Returns the shape tuple that an int64 array holds."""
    if array.dtype != np.int64 or array.ndim != 1 or (array < 0).any():
        raise invalid(
            "a shape, a list of integers >= 0", f"{array.dtype} {array!s:.100}"
        )
    return tuple(map(int, array))


def parts(arrays, what, kinds):
    """Returns the list of names for which there are arrays `"kind/name"`.

    Raises `ValueError` if there are none, a name lacks one of the kinds, or
    there are other arrays. `what` says what the file should hold.
    """
    first = f"{kinds[0]}/"
    names = [key.removeprefix(first) for key in arrays if key.startswith(first)]
    wanted = {f"{kind}/{name}" for kind in kinds for name in names}
    if not names or wanted != set(arrays):
        found = f"arrays {', '.join(sorted(arrays)):.200}"
        lacking = f", without {', '.join(sorted(wanted - set(arrays))):.200}"
        raise invalid(
            f"{what} written by kprune",
            found + (lacking if wanted - set(arrays) else ""),
        )
    return names


def unpacked(bits, shape):
    """Returns the boolean array of a given shape that `np.packbits` packed."""
    count = math.prod(shape)
    size = -(-count // 8)
    if bits.dtype != np.uint8 or bits.shape != (size,):
        raise invalid(
            f"{count} bits in {size} bytes",
            f"{bits.dtype} of the shape {bits.shape}",
        )
    if count % 8 and int(bits[-1]) << count % 8 & 0xFF:
        raise invalid(f"zeros after {count} bits", f"a last byte {bits[-1]}")
    return np.unpackbits(bits, count=count).view(bool).reshape(shape)


def _words(error):
    if isinstance(error, KeyError):
        return f"Expected an array {error}. Received: none of that name"
    text = str(error)
    if isinstance(error, ValueError) and text.startswith("Expected"):
        return text
    lines = text.splitlines() or [""]
    return (
        "Expected an .npz file, whole and as NumPy writes it. Received: "
        f"{type(error).__name__}: {lines[0]:.200}"
    )


def usual_limit(size):
    """Returns the default limit, in bytes, for a file of `size` bytes."""
    return max(ANY_FILE, TIMES_THE_FILE * size)


def _arrays(file, size, max_bytes, growth):
    if max_bytes is None:
        max_bytes = usual_limit(size)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_directory(file, members)
        _check_names([member.filename for member in members])
        _check_sizes(members, size, max_bytes // growth)
        return {
            member.filename.removesuffix(".npy"): _array(archive, member)
            for member in members
        }


def _check_directory(file, members):
    """Raises unless a zip ends with its directory and all its entries were
    found: a comment may hide those behind it from zipfile."""
    file.seek(-_END, os.SEEK_END)
    end = file.read(_END)
    count = int.from_bytes(end[10:12], "little")
    plain = end[:4] == b"PK\5\6" and not any(m.comment for m in members)
    if not plain or count != min(len(members), 0xFFFF):
        raise invalid(
            f"a directory of {count} arrays at the end, without comments",
            f"{len(members)} arrays",
        )


def _check_names(names):
    """Raises unless names are unique, and none, taken as a path, would lead out
    of its directory."""
    for name in names:
        parts = name.removesuffix(".npy").split("/")
        odd = {"", ".", ".."} & set(parts) or re.search(r"[\\\0-\x1f]", name)
        if odd or not name.endswith(".npy") or len(name) > _LONGEST_NAME:
            raise invalid("arrays with names such as 'a/b'", f"{name[:200]!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid("one array of each name", f"several of {twice!r}")


def _check_sizes(members, size, max_bytes):
    """Raises if the sizes that members claim are impossible or too large."""
    packed = sum(member.compress_size for member in members)
    if packed > size:  # Members overlap or claim more than the file has.
        raise invalid(f"arrays in {size:,} bytes", f"{packed:,} bytes of them")
    for member in members:
        known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if member.compress_type not in known:
            raise invalid(
                "arrays that are stored or deflated",
                f"the compression {member.compress_type}",
            )
        stored = member.compress_type == zipfile.ZIP_STORED
        ratio = 1 if stored else _MOST_OF_A_BYTE
        if member.file_size > ratio * member.compress_size:
            raise invalid(
                f"at most {ratio * member.compress_size:,} bytes from "
                f"{member.compress_size:,}",
                f"a claim of {member.file_size:,}",
            )
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise invalid(
            f"at most {max_bytes:,} bytes of arrays, for a file of {size:,} "
            "(`max_bytes` allows more, and so does a file that is not "
            "compressed)",
            f"{total:,}",
        )


def _array(archive, member):
    with archive.open(member) as file:
        dtype, order, dimensions, start = _header(file)
        count = math.prod(dimensions)
        size = count * dtype.itemsize
        if min(dimensions, default=0) < 0 or start + size != member.file_size:
            raise invalid(
                f"{member.file_size - start:,} bytes in {member.filename!r}",
                f"{dtype} of the shape {dimensions}",
            )
        data = np.empty(size, np.uint8)
        for at in range(0, size, _PIECE):
            wanted = min(_PIECE, size - at)
            piece = file.read(wanted)
            if len(piece) < wanted:
                raise invalid(f"{size:,} bytes", f"{at + len(piece):,}")
            data[at : at + wanted] = np.frombuffer(piece, np.uint8)
        file.read(1)  # At the end of a member, zipfile checks its checksum.
    _check_values(data, dtype)
    return data.view(dtype).reshape(dimensions, order=order)


def _header(file):
    """Returns (dtype, order, shape, number of bytes of the header) of a
    member."""
    start = file.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\1\0", b"\2\0"):
        raise invalid("an array as NumPy writes it", f"{start!r}")
    width = 2 * start[6]
    length = int.from_bytes(file.read(width), "little")
    text = file.read(min(length, _LONGEST_HEADER)).decode("latin1")
    match = _HEADER.fullmatch(text)
    if match is None or len(text) < length:
        raise invalid(
            "an array of numbers or strings, without pickles", f"{text[:200]!r}"
        )
    dimensions = tuple(map(int, re.findall(r"-?\d+", match[4])))
    order = "F" if match[3] == "True" else "C"
    return np.dtype(match[1]), order, dimensions, 8 + width + length


def _check_values(data, dtype):
    """Raises if bytes are not valid values of a dtype."""
    if dtype.kind == "b" and (data > 1).any():
        raise invalid("booleans of 0 and 1", f"{data.max()}")
    if dtype.kind == "U":
        points = data.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if points.max(initial=0) > 0x10FFFF:
            raise invalid("Unicode strings", "no characters of it")
