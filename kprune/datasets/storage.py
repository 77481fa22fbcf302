"""Finds the images in the package or with tensorflow-datasets."""

import contextlib
import importlib
import os
import pathlib
import sys

from absl import logging

from kprune.runtime import array_files

_DIGITS = pathlib.Path(__file__).with_name("digits.npz")
_PATIENCE = 10  # Seconds to wait for a server's response.


def read_digits():
    """Returns a dict from split to `(images, labels)` of the digits, uint8."""
    arrays = array_files.read(_DIGITS)
    return {
        split: (arrays[f"x_{split}"], arrays[f"y_{split}"])
        for split in ("train", "test")
    }


def builder(info, data_dir=None):
    """Returns the tensorflow-datasets builder of a set, downloading it if it
    is not on disk."""
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    # A download fails in many ways: no network, no space, a wrong checksum, an
    # archive that needs a manual download. All have the same remedy.
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
    # Imported late: tensorflow-datasets is optional.
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
    """Raises `OSError` if a server does not respond to a request for a file.

    tensorflow-datasets tries each file eleven times, for more than three
    minutes, before it reports that there is no network.
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
    # tensorflow-datasets warns of a missing folder, which our error explains,
    # and logs several lines for each set that it finds.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
