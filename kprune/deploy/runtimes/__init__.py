"""Opens exported files in their own runtimes.

Imports `runtime` and what reads a format. Nothing here writes.
"""

import dataclasses
import importlib
import pathlib

from kprune.runtime import lookup

# By the name of a format, the module here that opens it, and how it ends.
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
    """A file that is open and runs. Call it on a flat list of input arrays, in
    the order of `inputs`; it returns a list of NumPy arrays.

    Attributes:
        run: Function of a list of arrays that returns a list of arrays.
        inputs: Tuple of (name, shape, dtype) per input. Shapes begin with the
            batch and have `None` where they are open; dtypes are names.
        model: The Keras model, of formats that hold one, else `None`.
        again: Function without arguments that computes once more on the inputs
            of the last call, and copies nothing; `None` where there is none.
        advice: Sentence on the runtime, for who finds its outputs wrong.
    """

    run: object
    inputs: tuple
    model: object = None
    again: object = None
    advice: str = ""

    def __call__(self, inputs):
        return self.run(inputs)


def open(path, format=None):
    """Returns the `Runner` of an exported file.

    Args:
        path: Path of a file, or of a SavedModel's directory.
        format: Name of its format, or `None` to go by the path's ending.

    Raises:
        ValueError: If the file is not of the format, is damaged, or its
            runtime is not installed or cannot read it.
    """
    path = pathlib.Path(path)
    module, _ = MODULES[format_of(path) if format is None else format]
    return importlib.import_module(f"kprune.deploy.runtimes.{module}").open(
        path
    )


def format_of(path):
    """Returns the name of the format of a file, by the path's ending."""
    path = pathlib.Path(path)
    endings = {ending: name for name, (_, ending) in MODULES.items()}
    ending = "" if path.is_dir() else path.suffix
    if ending not in endings:
        known = [*filter(None, endings)]
        raise ValueError(lookup.unknown(ending, known, "ending of a file"))
    return endings[ending]
