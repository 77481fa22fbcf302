"""Runs a `.tflite` file in LiteRT: `ai-edge-litert` where installed, else
TensorFlow's own interpreter."""

import importlib.util
import pathlib
import warnings

import numpy as np
import tensorflow as tf

from kprune.deploy.runtimes import Runner
from kprune.runtime.words import one_line

_ADVICE = (
    "It was opened in TensorFlow's own interpreter; that of LiteRT is newer "
    'and may be right: pip install "kprune[litert]".'
)


def open(path):
    """Returns the `Runner` of a `.tflite` file, on one thread.

    LiteRT does not validate its files: see `SECURITY.md`.
    """
    return of_bytes(pathlib.Path(path).read_bytes(), path)


def of_bytes(content, path="model.tflite"):
    """Returns the `Runner` of the bytes of a `.tflite` file."""
    if content[4:8] != b"TFL3":
        raise ValueError(
            f"Cannot open {path} in LiteRT. Expected a .tflite file. "
            "Received: a file of another format"
        )
    try:
        interpreter = _interpreter()(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except Exception as error:
        raise ValueError(
            f"LiteRT cannot read {path}: {one_line(error)}"
        ) from error
    session = _Session(interpreter)
    inputs = tuple(map(_described, interpreter.get_input_details()))
    advice = _ADVICE if name() == "tf.lite" else ""
    return Runner(session.run, inputs, again=interpreter.invoke, advice=advice)


def name():
    """Returns the name of the runtime in use."""
    found = importlib.util.find_spec("ai_edge_litert")
    return "ai-edge-litert" if found else "tf.lite"


def _interpreter():
    if name() == "tf.lite":
        return _quiet_interpreter
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _quiet_interpreter(**options):
    with warnings.catch_warnings():
        # The warning recommends the package that is not installed.
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter", UserWarning)
        return tf.lite.Interpreter(**options)


class _Session:
    """An interpreter with cached tensor details.

    They are queried again only if shapes change: the query takes longer than
    running a small network.
    """

    def __init__(self, interpreter):
        self._interpreter = interpreter
        self._look()

    def _look(self):
        given = self._interpreter.get_input_details()
        self._inputs = [(one["index"], one["dtype"]) for one in given]
        self._shapes = [tuple(one["shape"]) for one in given]
        made = self._interpreter.get_output_details()
        self._outputs = [one["index"] for one in made]

    def run(self, inputs):
        """Returns the outputs for a list of arrays."""
        inputs = [np.asarray(x) for x in inputs]
        if [x.shape for x in inputs] != self._shapes:
            for (index, _), x in zip(self._inputs, inputs, strict=True):
                self._interpreter.resize_tensor_input(index, x.shape, True)
            self._interpreter.allocate_tensors()
            self._look()
        for (index, dtype), x in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, x.astype(dtype, copy=False))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(one) for one in self._outputs]


def _described(detail):
    shape = tuple(None if n < 0 else int(n) for n in detail["shape_signature"])
    return detail["name"], shape, np.dtype(detail["dtype"]).name
