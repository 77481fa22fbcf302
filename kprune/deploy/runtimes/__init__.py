"""Opens exported files in their own runtimes.

Imports `runtime` and the readers of each format. Nothing here writes.
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kprune.runtime import lookup, types

# By format: the module in this package that opens it, and its extension.
MODULES = {
    "saved_model": ("saved_model", ""),
    "keras": ("keras_file", ".keras"),
    "packed": ("packed", ".kpz"),
    "litert": ("litert", ".tflite"),
    "onnx": ("onnx", ".onnx"),
    "openvino": ("openvino", ".xml"),
}


@dataclasses.dataclass(frozen=True)
class Runner:
    """An open file, callable on inputs.

    It takes a flat list of input arrays, in the order of `inputs`, and returns
    a flat list of NumPy arrays.

    Attributes:
        run: Function from a list of arrays to a list of arrays.
        inputs: Tuple of (name, shape, dtype) per input. Shapes begin with the
            batch dimension, and have `None` for open ones; dtypes are names.
        model: The Keras model if the format holds one, else `None`.
        again: Function without arguments that recomputes on the inputs of the
            last call without copying them, or `None`.
        advice: Sentence for an error message when the outputs are wrong.
    """

    run: object
    inputs: tuple
    model: types.Model | None = None
    again: Callable[[], Any] | None = None
    advice: str = ""

    def __call__(self, inputs: Sequence[types.ArrayLike]) -> list[np.ndarray]:
        return self.run(inputs)  # type: ignore[operator]


def open(path: types.Path, format: str | None = None) -> Runner:
    """Returns the `Runner` of an exported file.

    Args:
        path: Path of a file, or of a SavedModel's directory.
        format: Name of its format. Defaults to the one of the path's
            extension.

    Raises:
        ValueError: If the file is damaged or of another format, or its
            runtime is not installed or cannot read it.
    """
    path = pathlib.Path(path)
    module, _ = MODULES[format_of(path) if format is None else format]
    return importlib.import_module(f"kprune.deploy.runtimes.{module}").open(
        path
    )


def format_of(path: types.Path) -> str:
    """Returns the name of a file's format, by the path's extension."""
    path = pathlib.Path(path)
    endings = {ending: name for name, (_, ending) in MODULES.items()}
    ending = "" if path.is_dir() else path.suffix
    if ending not in endings:
        known = [*filter(None, endings)]
        raise ValueError(lookup.unknown(ending, known, "ending of a file"))
    return endings[ending]
