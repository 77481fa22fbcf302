"""Writes a compressed `.keras` file that stock Keras loads."""

import pathlib
import zipfile

from kprune.deploy.exporting import quantized, rows
from kprune.deploy.exporting.result import Written
from kprune.runtime import files, keras_internals


def write(model, path, options):
    """Writes a stripped model as a deflated `.keras` file.

    Keras itself stores the members uncompressed.
    """
    notes = quantized.by_keras(model, options.quantize)
    with files.scratch_directory() as directory:
        plain = pathlib.Path(directory) / "model.keras"
        write_plain(model, plain)
        deflate(plain, path)
    return Written(rows.dense(model, "Keras"), notes)


def write_plain(model, path):
    """Saves a model without its optimizer, which inference does not need."""
    with keras_internals.not_compiled(model):
        model.save(path)


def deflate(source, path):
    """Copies a zip file and compresses its members."""
    deflated = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(path, "x", deflated, compresslevel=9) as new,
    ):
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), deflated)
