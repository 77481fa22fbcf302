"""Writes a model as a lossless `.kpz` file."""

import pathlib

from kprune.deploy import packing
from kprune.deploy.exporting import keras_file, rows
from kprune.deploy.exporting.result import Written
from kprune.runtime import files


def write(model, path, options):
    """Writes a stripped model as a `.kpz` file of bits and kept values."""
    del options
    with files.scratch_directory() as directory:
        plain = pathlib.Path(directory) / "model.keras"
        keras_file.write_plain(model, plain)
        arrays = packing.pack(plain)
    files.write_arrays(path, arrays)
    return Written(rows.dense(model, "Keras", "bits and kept values"))
