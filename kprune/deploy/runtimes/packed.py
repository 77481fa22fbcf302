"""Opens a `.kpz` file as a Keras model."""

import os
import pathlib

from kprune.deploy import packing
from kprune.deploy.runtimes import keras_file
from kprune.runtime import (
    array_files,
    checks,
    files,
    paths,
    saved_models,
    seeds,
    types,
)
from kprune.runtime.doors import checked


@checked(path=paths.file, max_bytes=checks.optional(checks.at_least(1)))
def load_packed(path: types.Path, max_bytes: int | None = None) -> types.Model:
    """Loads the model in a `.kpz` file written by `kprune.export`.

    Its weights are bit-identical to those of the exported model. The file may
    come from an untrusted source: its arrays are plain data, verified by a
    checksum, and the architecture is loaded in Keras' safe mode.

    Args:
        path: File path.
        max_bytes: Integer, the maximum size of the weights in memory, in
            bytes. Defaults to 256 MiB or 64 times the file's size, whichever
            is more.

    Returns:
        An uncompiled Keras model.

    Raises:
        ValueError: If the file is damaged, truncated, altered or of another
            format, exceeds `max_bytes`, or Keras cannot load the architecture.
        OSError: If the file does not exist or cannot be read.

    Example:

    >>> kprune.export(model, "model.kpz").error
    0.0
    >>> model = kprune.load_packed("model.kpz")
    """
    most = max_bytes
    if most is None:
        most = array_files.usual_limit(os.stat(path).st_size)
    with seeds.untouched(), files.scratch_directory() as directory:
        unpacked = pathlib.Path(directory) / "model.keras"
        with (
            array_files.reading(path, most) as arrays,
            files.replaced(unpacked) as half,
        ):
            packing.unpack(arrays, half, most)
        try:
            return saved_models.load(unpacked, compile=False)
        except ValueError as error:
            reason = str(error).replace(str(unpacked), f"the model in {path}")
            raise ValueError(reason) from error


def open(path):
    """Returns the `Runner` of a `.kpz` file."""
    return keras_file.of_model(load_packed(path))
