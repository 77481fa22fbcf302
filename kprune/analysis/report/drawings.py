"""Draws masks for a page: strips of units, and pictures."""

import base64
import dataclasses
import math
import struct
import zlib

import numpy as np

PICTURES = 3  # How many weights are drawn, the first that count.
_SIDE = 256  # Points of a picture's side, at most.
_SHADES = 4
_REMOVED = 0.08  # How much of the colour is left where nothing is kept.


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What is drawn of a weight.

    Attributes:
        name: Name of the weight.
        units: Tuple of pairs (kind, number of output units), from the most
            connected to the least: `"path4"` to `"path1"`, with entries on a
            path, more than three quarters of them to fewer than one; `"kept"`,
            which keep entries, but none on a path; `"dead"`, which keep none.
        picture: Array of the shares kept of a matrix, or of its tiles, in
            [0, 1] and NaN between filters; `None` of later weights.
    """

    name: str
    units: tuple
    picture: np.ndarray | None = None


def draw(found, kept, on_path):
    """Returns the `Drawing` of each weight that counts, by name.

    Args:
        found: A `weights.View`.
        kept: Dict from weight name to a boolean array.
        on_path: The same of entries on a path, or empty if that is not known.
    """
    drawings = {}
    for weight in found:
        if weight.skipped is not None and weight.mask is None:
            continue
        name, layout = weight.name, weight.layout
        picture = None
        if len(drawings) < PICTURES:
            picture = _picture(kept[name].reshape(layout.view), layout)
        paths = on_path.get(name, kept[name])
        units = _units(kept[name], paths, layout)
        drawings[name] = Drawing(name, units, picture)
    return drawings


def png(picture, rgb):
    """Returns a picture as the address of a PNG, whose points are as opaque as
    they are kept, and clear between filters."""
    alpha = np.nan_to_num(_REMOVED + (1 - _REMOVED) * picture)
    points = np.zeros((*picture.shape, 4), "u1")
    points[..., :3], points[..., 3] = rgb, np.round(255 * alpha)
    height, width, _ = points.shape
    lines = np.zeros((height, 1 + 4 * width), "u1")  # A filter's byte each.
    lines[:, 1:] = points.reshape(height, -1)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    ]
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)
    return f"data:image/png;base64,{base64.b64encode(whole).decode()}"


def _chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + check.to_bytes(4)


def _units(kept, on_path, layout):
    """Returns how many output units are connected how well."""
    if not layout.outputs:
        return ()
    others = tuple(
        axis for axis in range(len(layout.view)) if axis not in layout.outputs
    )
    any_kept = kept.reshape(layout.view).any(axis=others)
    share = on_path.reshape(layout.view).mean(axis=others)
    shade = np.ceil(_SHADES * share).astype(int)
    counts = [
        (f"path{n}", int(np.count_nonzero(shade == n)))
        for n in range(_SHADES, 0, -1)
    ]
    counts.append(("kept", int(np.count_nonzero(any_kept & (shade == 0)))))
    counts.append(("dead", int(np.count_nonzero(~any_kept))))
    return tuple((kind, count) for kind, count in counts if count)


def _picture(view, layout):
    """Returns a mask as a matrix of inputs by outputs, whose entries are tiles
    where a weight has places between, as those of a filter."""
    # An axis of a depthwise kernel counts both.
    inputs = [axis for axis in layout.inputs if axis not in layout.outputs]
    own = (*inputs, *layout.outputs)
    places = [axis for axis in range(view.ndim) if axis not in own]
    order = [*places, *own]
    sizes = [view.shape[axis] for axis in places]
    rows = math.prod(view.shape[axis] for axis in inputs)
    moved = np.transpose(view, order).reshape(*sizes, rows, -1)
    if len(sizes) == 2 and max(sizes) <= 16:
        moved = _tiled(moved)
    return _reduced(moved.reshape(-1, moved.shape[-1]))


def _tiled(filters):
    """Returns filters (height, width, inputs, outputs) side by side, with a
    point between them, as many as there is room for."""
    height, width, rows, columns = filters.shape
    rows = min(rows, max(1, _SIDE // (height + 1)))
    columns = min(columns, max(1, _SIDE // (width + 1)))
    tiles = np.full((rows, height + 1, columns, width + 1), np.nan)
    shown = filters[:, :, :rows, :columns]
    tiles[:, :height, :, :width] = np.transpose(shown, (2, 0, 3, 1))
    return tiles.reshape(rows * (height + 1), -1)[:-1, :-1]


def _reduced(matrix):
    """Returns means of a matrix's parts, as many as a picture has points."""
    for axis in (0, 1):
        size = matrix.shape[axis]
        if size > _SIDE:
            starts = np.arange(_SIDE) * size // _SIDE
            sums = np.add.reduceat(matrix, starts, axis, dtype="f4")
            counts = np.diff([*starts, size]).astype("f4")
            matrix = sums / (counts[:, None] if axis == 0 else counts)
    return np.asarray(matrix, "f4")
