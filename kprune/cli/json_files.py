"""Reads the JSON files a command is given."""

import json
import pathlib


def read(path):
    """Returns what a file of JSON holds, or says that it is none."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Expected JSON in {path}. {error}") from error
