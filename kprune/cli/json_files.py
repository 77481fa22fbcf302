"""Reads the JSON files a command is given."""

import json
import pathlib


def read(path):
    """Returns the content of a JSON file.

    Raises:
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Expected JSON in {path}. {error}") from error
