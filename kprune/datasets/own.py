"""Loads a user's data: a function, a NumPy file or image folders."""

import functools
import pathlib

import numpy as np
import tensorflow as tf

from kprune.runtime import array_files, checks, own_names
from kprune.runtime.words import shown

_SPLITS = ("train", "test")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")


def is_own(name):
    """Returns whether a name is a user's own: a function, file or folder."""
    if own_names.is_name(name):
        return True
    is_path = isinstance(name, str) and name.endswith(".npz")
    return is_path or (isinstance(name, str) and pathlib.Path(name).is_dir())


def read(name):
    """Reads the arrays of a data set as a dict from split to (x, y).

    Args:
        name: String: `"module:function"`, the path of an `.npz` file with
            `x_train`, `y_train`, `x_test` and `y_test`, or the path of a
            folder with `train` and `test`, each with a folder of images per
            class. The function takes no arguments and returns
            `((x_train, y_train), (x_test, y_test))`.

    Returns:
        Dict from `"train"` and `"test"` to `(x, y)`: `x` holds finite numbers
        of shape `(examples, ...)`, `y` int32 class indices of shape
        `(examples,)`.

    Raises:
        ValueError: If the data set is missing or has another form.
    """
    return dict(_kept(name, own_names.digest(name)))


@functools.lru_cache(1)
def _kept(name, digest):
    del digest  # Only a key of the cache: a changed file is read again.
    if own_names.is_name(name):
        found = own_names.called(name, "data set", {}, {})
        pairs = isinstance(found, tuple | list) and len(found) == 2
        pairs = pairs and all(
            isinstance(part, tuple | list) and len(part) == 2 for part in found
        )
        expected = "((x_train, y_train), (x_test, y_test)), arrays"
        checks.require(pairs, f"data set {name!r}", found, expected)
        found = dict(zip(_SPLITS, found, strict=True))
    elif name.endswith(".npz"):
        found = _of_file(name)
    else:
        found = {split: _of_folder(name, split) for split in _SPLITS}
    return tuple(
        (split, _checked(name, split, *part)) for split, part in found.items()
    )


def _of_file(path):
    arrays = array_files.read(path)
    keys = [f"{of}_{split}" for split in _SPLITS for of in "xy"]
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise ValueError(
            f"Expected arrays {', '.join(keys)} in {path}. Received: "
            f"{', '.join(sorted(arrays)) or 'none'}"
        )
    return {s: (arrays[f"x_{s}"], arrays[f"y_{s}"]) for s in _SPLITS}


def _of_folder(path, split):
    """Reads the images of a folder, with classes sorted by name."""
    root = pathlib.Path(path, split)
    classes = _classes(pathlib.Path(path, "train"))
    if not root.is_dir() or _classes(root) != classes or not classes:
        raise ValueError(
            f"Expected folders 'train' and 'test' in {path}, each with a "
            "folder of images for each class, the same in both. Received in "
            f"{split!r}: {_classes(root) if root.is_dir() else 'no folder'}"
        )
    images, labels = [], []
    for number, name in enumerate(classes):
        for file in sorted((root / name).iterdir()):
            if file.suffix.lower() in _IMAGES:
                images.append(_image(file))
                labels.append(number)
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise ValueError(
            f"Expected images of one shape in {root}. Received: "
            f"{sorted(shapes) or 'no images'}"
        )
    return np.stack(images), np.array(labels)


def _classes(root):
    return sorted(p.name for p in root.iterdir() if p.is_dir())


def _image(file):
    try:
        decoded = tf.io.decode_image(file.read_bytes(), expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{file} is no image that can be read.") from error
    return decoded.numpy()


def _checked(name, split, x, y):
    x, y = np.asarray(x), np.asarray(y)
    where = f"of {split!r} in data set {name!r}"
    fits = x.dtype.kind in "biuf" and x.ndim >= 2 and len(x)
    fits = fits and np.isfinite(x).all()
    expected = "finite numbers (examples, ...)"
    checks.require(fits, f"x {where}", shown(x), expected)
    labels = y.dtype.kind in "iu" and y.shape == (len(x),) and y.min() >= 0
    expected = f"class numbers from 0 on, integers ({len(x)},)"
    checks.require(labels, f"y {where}", shown(y), expected)
    return x, y.astype(np.int32)


def shapes(name):
    """Returns (shape of an input, number of classes, number of training and of
    test examples, whether inputs are uint8) of a data set."""
    found = read(name)
    (x, y), (x_test, y_test) = (found[split] for split in _SPLITS)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"Expected training and test inputs of one shape in {name!r}. "
            f"Received: {x.shape[1:]} and {x_test.shape[1:]}"
        )
    classes = int(max(y.max(), y_test.max())) + 1
    return x.shape[1:], classes, len(x), len(x_test), x.dtype == np.uint8
