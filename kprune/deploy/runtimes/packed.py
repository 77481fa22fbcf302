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
)
from kprune.runtime.doors import checked


@checked(path=paths.file, max_bytes=checks.optional(checks.at_least(1)))
def load_packed(path, max_bytes=None):
    """Loads the model of a `.kpz` file that `kprune.export` wrote.

    Its weights are those of the exported model to the bit. The file may come
    from anybody: its arrays are data, compared with a checksum, and the
    architecture is loaded in Keras' safe mode.

    Args:
        path: File path.
        max_bytes: Integer, the most memory that weights may take. Defaults to
            256 MiB or 64 times the file, whichever is more.

    Returns:
        A Keras model that is not compiled.

    Raises:
        ValueError: If the file is damaged, cut short, altered or of another
            format, takes more memory, or Keras cannot load the architecture.
        OSError: If there is no such file.

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
