"""The `.kpz` format: masks as bits, and the kept values.

It is an `.npz` file, which `runtime.array_files` reads from anybody. A weight
is a bit per entry, whether it is kept, and the kept entries, byte by byte of
all of them, as bytes of one kind compress best beside each other. An entry is
left out if all of its bits are zero, so that what comes back is equal to the
bit, negative zeros and NaN included.

    text        the members of a .keras file but for its weights, as JSON
    index       the groups and data sets of its weights, as JSON
    kept_N      bits of all data sets whose entries have N bytes
    values_N    array (N, entries) of the bytes of kept entries
    sha256      of all of that
"""

import base64
import hashlib
import io
import json
import math
import zipfile

import h5py
import numpy as np

from kprune.runtime import array_files

WEIGHTS = "model.weights.h5"
_VERSION = 1
_WIDTHS = (1, 2, 4, 8)
_EMPTY = np.zeros(0, np.uint8)


def pack(keras_file):
    """Returns the arrays by name that stand for a `.keras` file.

    Args:
        keras_file: Path of the file.
    """
    with zipfile.ZipFile(keras_file) as archive:
        members = {
            name: base64.b64encode(archive.read(name)).decode()
            for name in archive.namelist()
            if name != WEIGHTS
        }
        weights = io.BytesIO(archive.read(WEIGHTS))
    entries, columns = [], {width: [] for width in _WIDTHS}
    with h5py.File(weights) as file:
        _describe("", file, entries, columns)
        file.visititems(lambda name, x: _describe(name, x, entries, columns))
    arrays = {
        "text": _as_bytes({"version": _VERSION, "members": members}),
        "index": _as_bytes(entries),
    }
    for width, parts in columns.items():
        if parts:
            rows = np.concatenate(parts)
            kept = rows.any(axis=1)
            arrays[f"kept_{width}"] = np.packbits(kept)
            arrays[f"values_{width}"] = np.ascontiguousarray(rows[kept].T)
    return {**arrays, "sha256": _digest(arrays)}


def unpack(arrays, keras_file, max_bytes):
    """Writes the `.keras` file that arrays stand for.

    Args:
        arrays: Dict of arrays by name, which anybody may have made.
        keras_file: Path of a file that is not there yet.
        max_bytes: Integer, the most memory that the weights may take.

    Raises:
        ValueError, KeyError: If they are not what `pack` made.
    """
    given = dict(arrays)
    if not np.array_equal(given.pop("sha256"), _digest(given)):
        raise array_files.invalid(
            "the content that its checksum says", "another one"
        )
    text, entries = _as_json(arrays["text"]), _as_json(arrays["index"])
    if text["version"] != _VERSION:
        raise array_files.invalid(
            f"version {_VERSION} of the format", f"{text['version']!r}"
        )
    shapes = [entry for entry in entries if "shape" in entry]
    _check_size(shapes, max_bytes)
    rows = {width: _rows(arrays, shapes, width) for width in _WIDTHS}
    with zipfile.ZipFile(keras_file, "x") as archive:
        for name, content in text["members"].items():
            archive.writestr(_plain(name), base64.b64decode(content))
        archive.writestr(WEIGHTS, _hdf5(entries, rows))


def _describe(name, item, entries, columns):
    """Adds a group or data set to the index, and its entries to those of their
    width."""
    entry = {"name": name, "attributes": dict(item.attrs)}
    if isinstance(item, h5py.Dataset):
        values = np.asarray(item[()])
        if values.dtype.kind not in "biufV" or values.itemsize not in columns:
            raise ValueError(
                f"Weights {name} of type {values.dtype} cannot be packed. "
                "Expected numbers of 1, 2, 4 or 8 bytes."
            )
        entry |= {"shape": list(values.shape), "dtype": values.dtype.str}
        flat = np.ascontiguousarray(values).reshape(-1)
        columns[values.itemsize].append(
            flat.view(np.uint8).reshape(-1, values.itemsize)
        )
    entries.append(entry)


def _check_size(shapes, max_bytes):
    total = 0
    for entry in shapes:
        if not all(type(n) is int and n >= 0 for n in entry["shape"]):
            raise array_files.invalid("a shape", f"{entry['shape']!s:.100}")
        total += math.prod(entry["shape"]) * _dtype(entry).itemsize
    if total > max_bytes:
        raise array_files.invalid(
            f"at most {max_bytes:,} bytes of weights (`max_bytes` allows more)",
            f"{total:,}",
        )


def _dtype(entry):
    dtype = np.dtype(str(entry["dtype"]))
    if dtype.kind not in "biufV" or dtype.itemsize not in _WIDTHS:
        raise array_files.invalid("a type of numbers", f"{dtype}")
    return dtype


def _rows(arrays, shapes, width):
    """Returns the bytes of all entries of a width, a row for each."""
    count = sum(
        math.prod(e["shape"]) for e in shapes if _dtype(e).itemsize == width
    )
    if not count:
        return _EMPTY.reshape(0, width)
    kept = array_files.unpacked(arrays[f"kept_{width}"], (count,))
    values = arrays[f"values_{width}"]
    if values.dtype != np.uint8 or values.shape != (width, kept.sum()):
        raise array_files.invalid(
            f"{width} bytes of {kept.sum():,} entries",
            f"{values.dtype} of the shape {values.shape}",
        )
    rows = np.zeros((count, width), np.uint8)
    rows[kept] = values.T
    return rows


def _hdf5(entries, rows):
    """Returns the bytes of the file of weights."""
    place = dict.fromkeys(rows, 0)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for entry in entries:
            name = entry["name"]
            if "shape" in entry:
                dtype, count = _dtype(entry), math.prod(entry["shape"])
                width = dtype.itemsize
                part = rows[width][place[width] :][:count]
                place[width] += count
                values = part.reshape(-1).view(dtype).reshape(entry["shape"])
                item = file.create_dataset(name, data=values)
            else:
                item = file.require_group(name) if name else file
            for key, value in entry["attributes"].items():
                item.attrs[key] = value
    return content.getvalue()


def _plain(name):
    """Returns the name of a member, which must not lead out of a directory."""
    parts = name.split("/")
    odd = {"", ".", "..", WEIGHTS} & set(parts)
    if odd or "\\" in name or "\0" in name:
        raise array_files.invalid("members such as 'a/b'", f"{name!r:.200}")
    return name


def _digest(arrays):
    """Returns the SHA-256 of arrays with their names, types and shapes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).data)
    return np.frombuffer(found.digest(), np.uint8)


def _as_bytes(value):
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def _as_json(array):
    if array.dtype != np.uint8 or array.ndim != 1:
        raise array_files.invalid("JSON in bytes", f"{array.dtype}")
    return json.loads(array.tobytes())
