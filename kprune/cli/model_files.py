"""Loads and saves Keras models."""

import pathlib

from kprune.deploy.runtimes.packed import load_packed
from kprune.experiment import directory
from kprune.runtime import files, saved_models


def load(path):
    """Loads a model from a `.keras` file, a `.kpz` file or a run's directory.

    The model may have masks.
    """
    path = pathlib.Path(path)
    if (path / directory.CONFIG).is_file():
        path = path / directory.MODEL
        if not path.exists():
            raise ValueError(
                f"There is no {path}: the run is not finished, or was run "
                "with config.artifacts off, as those of a sweep are."
            )
    if not path.is_file():
        raise ValueError(
            "Expected a .keras file or the directory of a run. There is no "
            f"such file: {path}"
        )
    if path.suffix == ".kpz":
        return load_packed(path)
    return saved_models.load(path)


def check_free(path, source, overwrite):
    """Raises `ValueError` unless a model may be written to a path.

    Args:
        path: Path of the file to write.
        source: Path of the model that is read, which it must not replace.
        overwrite: Whether it may replace another file.
    """
    path = pathlib.Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"Expected --out=NAME.keras. Received: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a directory.")
    if path.exists() and path.samefile(source):
        raise ValueError(
            f"--out is the model that is read, {source}. Name another file."
        )
    if path.exists() and not overwrite:
        raise ValueError(f"{path} is there. --overwrite replaces it.")


def save(model, path):
    """Saves a model to a file, atomically."""
    path = pathlib.Path(path)
    files.make_directory(path.parent)
    files.write_keras(path, model)
