"""Stages an export beside its place before it moves there."""

import contextlib
import pathlib
import shutil

from kprune.runtime import files


def check_free(format, path):
    """Raises `ValueError` if a format cannot be written at a path."""
    path = pathlib.Path(path)
    if format.suffix:
        if path.is_dir():
            raise ValueError(
                f"Expected the path of a file, where no directory is. {path} "
                "is a directory."
            )
        return
    if path.is_file():
        raise ValueError(
            f"Expected the path of a directory, where no file is. {path} is a "
            "file."
        )
    if path.is_dir() and any(path.iterdir()):
        raise ValueError(
            f"Directory {path} is occupied. Expected a new or empty one: "
            "remove it, or name another."
        )


def parts(format, path):
    """Returns the path of a file and of its existing companion files."""
    beside = [path.with_suffix(ending) for ending in format.companions]
    return [path, *(one for one in beside if one.exists())]


@contextlib.contextmanager
def staged(format, path):
    """Yields a temporary path to write to. If the block succeeds, the file and
    its companions move to `path`."""
    if not format.suffix:
        with files.replaced_directory(path) as half, _renamed(half, path):
            yield half
        return
    with files.replaced(path) as half:
        with _renamed(half, path):
            yield half
        for made in parts(format, half)[1:]:
            with files.replaced(path.with_name(made.name)) as beside:
                shutil.copyfile(made, beside)


@contextlib.contextmanager
def _renamed(half, path):
    """Replaces the temporary path in an error by the path of the caller."""
    try:
        yield
    except ValueError as error:
        if str(half) not in str(error):
            raise
        raise ValueError(str(error).replace(str(half), str(path))) from error
