"""Draws masks for a page: strips of units, and pictures."""

import base64
import dataclasses
import math
import struct
import zlib

import numpy as np

PICTURES = 3  # The first three prunable weights get a picture.
_SIDE = 256  # The largest side of a picture, in pixels.
_SHADES = 4
_REMOVED = 0.08  # Opacity where nothing is kept.


@dataclasses.dataclass(frozen=True)
class Drawing:
    """The drawn state of a weight.

    Attributes:
        name: Name of the weight.
        units: Tuple of pairs (kind, number of output units), from the most
            connected kind to the least: `"path4"` (more than three quarters of
            the entries lie on a path) to `"path1"` (at most one quarter);
            `"kept"` (entries are kept, but none lies on a path); `"dead"` (no
            entry is kept).
        picture: Array of shape (rows, columns) of the shares kept, in [0, 1],
            with NaN between the tiles of filters; `None` for all but the first
            weights.
    """

    name: str
    units: tuple[tuple[str, int], ...]
    picture: np.ndarray | None = None


def draw(found, kept, on_path):
    """Returns the `Drawing` of each prunable weight, by name.

    Args:
        found: A `weights.View`.
        kept: Dict from weight name to a boolean array, True where kept.
        on_path: Dict from weight name to a boolean array, True on a path; empty
            if unknown.
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
    """Returns a picture as the data URI of a PNG of one colour, with the share
    kept as its opacity, and transparent between filters."""
    alpha = np.nan_to_num(_REMOVED + (1 - _REMOVED) * picture)
    points = np.zeros((*picture.shape, 4), "u1")
    points[..., :3], points[..., 3] = rgb, np.round(255 * alpha)
    height, width, _ = points.shape
    lines = np.zeros(
        (height, 1 + 4 * width), "u1"
    )  # Each begins with its filter.
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
    """Returns pairs (kind, number of output units), without empty kinds."""
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
    """Returns a mask as a matrix of inputs by outputs, in which each filter of
    a 2D convolution is a tile."""
    # A depthwise kernel has an axis of both inputs and outputs.
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
    """Returns filters (height, width, inputs, outputs) side by side, a pixel
    apart, as many as fit into a picture."""
    height, width, rows, columns = filters.shape
    rows = min(rows, max(1, _SIDE // (height + 1)))
    columns = min(columns, max(1, _SIDE // (width + 1)))
    tiles = np.full((rows, height + 1, columns, width + 1), np.nan)
    shown = filters[:, :, :rows, :columns]
    tiles[:, :height, :, :width] = np.transpose(shown, (2, 0, 3, 1))
    return tiles.reshape(rows * (height + 1), -1)[:-1, :-1]


def _reduced(matrix):
    """Returns a matrix averaged down to the size of a picture."""
    for axis in (0, 1):
        size = matrix.shape[axis]
        if size > _SIDE:
            starts = np.arange(_SIDE) * size // _SIDE
            sums = np.add.reduceat(matrix, starts, axis, dtype="f4")
            counts = np.diff([*starts, size]).astype("f4")
            matrix = sums / (counts[:, None] if axis == 0 else counts)
    return np.asarray(matrix, "f4")
