"""Finds the images in the package or with tensorflow-datasets."""

import contextlib
import importlib
import os
import pathlib
import sys

from absl import logging

from kprune.runtime import array_files

_DIGITS = pathlib.Path(__file__).with_name("digits.npz")
_PATIENCE = 10  # Seconds to wait for a server's answer.


def read_digits():
    """Returns `(images, labels)` of the digits by split, as uint8 arrays."""
    arrays = array_files.read(_DIGITS)
    return {
        split: (arrays[f"x_{split}"], arrays[f"y_{split}"])
        for split in ("train", "test")
    }


def builder(info, data_dir=None):
    """Returns the builder of a set that is on disk, downloading it if not."""
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    # A download fails in many ways: no network, no space, a checksum, an
    # archive that must be fetched by hand. All have one remedy.
    try:
        with _quiet():
            return _prepared(info, data_dir)
    except Exception as error:
        where = data_dir or "tensorflow-datasets' default folder"
        raise RuntimeError(
            f"{info.name!r} was not found in {str(where)!r} and could not be "
            f"downloaded: {type(error).__name__}: {error}\n"
            f"Run `{_command(info)}` where there is a network, and give that "
            "folder as `data_dir=` or in the variable TFDS_DATA_DIR. 'digits' "
            "ships with kprune and always works."
        ) from error


def _prepared(info, data_dir):
    # Imported late: kprune is of use without it.
    import tensorflow_datasets as tfds

    if info.module:
        importlib.import_module(info.module)
    builder = tfds.builder(info.tfds, data_dir=data_dir)
    if not builder.is_prepared():
        if info.url:
            reach(info.url)
        if not sys.stderr.isatty():
            tfds.disable_progress_bar()
        builder.download_and_prepare()
    return builder


def reach(url):
    """Raises an `OSError` if a server does not answer for a file.

    tensorflow-datasets tries each file eleven times, over three minutes and
    more, before it says that there is no network.
    """
    import requests

    with requests.get(url, stream=True, timeout=_PATIENCE) as response:
        response.raise_for_status()


def _command(info):
    # Not `tfds build`, which needs Apache Beam for every set.
    load = f"kprune.datasets.load('{info.name}', data_dir='FOLDER')"
    return f'python -c "import kprune; {load}"'


@contextlib.contextmanager
def _quiet():
    # It warns of a folder that is not there, which the error says better, and
    # logs several lines for each set that it finds.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
