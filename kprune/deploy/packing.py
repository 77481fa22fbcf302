"""The `.kpz` format: masks as bits, and the kept values.

It is an `.npz` file, which `runtime.array_files` reads safely from untrusted
sources. A weight is stored as one bit per entry, set if the entry is kept, and
the bytes of the kept entries: first bytes of all entries, then second bytes,
and so on, because bytes of equal significance compress best side by side. An
entry is dropped only if all of its bits are zero, so that unpacking is
bit-exact, negative zeros and NaN included.

    text        all members of the .keras file except its weights, as JSON
    index       the groups and data sets of the weights file, as JSON
    kept_N      bits of all data sets whose entries have N bytes
    values_N    array (N, entries) of the bytes of kept entries
    sha256      digest of all arrays above
"""

import base64
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping

import h5py
import numpy as np

from kprune.runtime import array_files, types

WEIGHTS = "model.weights.h5"
_VERSION = 1
_WIDTHS = (1, 2, 4, 8)
_EMPTY = np.zeros(0, np.uint8)


def pack(keras_file: types.Path) -> dict[str, np.ndarray]:
    """Returns the arrays, by name, that encode a `.keras` file.

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
    entries, columns = [], {width: [] for width in _WIDTHS}  # type: ignore[var-annotated]
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


def unpack(
    arrays: Mapping[str, np.ndarray],
    keras_file: types.Path,
    max_bytes: int,
) -> None:
    """Writes the `.keras` file that arrays encode.

    Args:
        arrays: Dict of arrays by name. They are validated, and may come from
            an untrusted file.
        keras_file: Path of a file that does not exist yet.
        max_bytes: Integer, the maximum size of the weights in bytes.

    Raises:
        ValueError, KeyError: If the arrays are not an output of `pack`.
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
    """Appends a group or data set to `entries`, and its bytes to `columns`."""
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
    """Returns the bytes of all entries of one width, one row per entry."""
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
    """Returns the bytes of the HDF5 weights file."""
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
    """Returns a member's name; raises if it could escape its directory."""
    parts = name.split("/")
    odd = {"", ".", "..", WEIGHTS} & set(parts)
    if odd or "\\" in name or "\0" in name:
        raise array_files.invalid("members such as 'a/b'", f"{name!r:.200}")
    return name


def _digest(arrays):
    """Returns the SHA-256 of the arrays, their names, dtypes and shapes."""
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
