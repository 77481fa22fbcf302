"""Runs a `.tflite` file in LiteRT: that of `ai-edge-litert` where it is
installed, else TensorFlow's own."""

import importlib.util
import pathlib
import warnings

import numpy as np
import tensorflow as tf

from kprune.deploy.runtimes import Runner
from kprune.runtime.words import one_line


def open(path):
    """Returns the `Runner` of a `.tflite` file, on one thread.

    LiteRT is a library in C++ that trusts its files: see `SECURITY.md`.
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
    details = interpreter.get_input_details()
    return Runner(
        lambda inputs: _run(interpreter, inputs),
        tuple(map(_described, details)),
    )


def name():
    """Returns the name of the runtime that is used."""
    found = importlib.util.find_spec("ai_edge_litert")
    return "ai-edge-litert" if found else "tf.lite"


def _interpreter():
    if name() == "tf.lite":
        return _quiet_interpreter
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _quiet_interpreter(**options):
    with warnings.catch_warnings():
        # It is deprecated in favour of the package that is not installed.
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter", UserWarning)
        return tf.lite.Interpreter(**options)


def _run(interpreter, inputs):
    details = interpreter.get_input_details()
    inputs = [np.asarray(x) for x in inputs]
    changed = False
    for detail, x in zip(details, inputs, strict=True):
        if tuple(detail["shape"]) != x.shape:
            interpreter.resize_tensor_input(detail["index"], x.shape, True)
            changed = True
    if changed:
        interpreter.allocate_tensors()
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], x.astype(detail["dtype"]))
    interpreter.invoke()
    found = interpreter.get_output_details()
    return [interpreter.get_tensor(one["index"]) for one in found]


def _described(detail):
    shape = tuple(None if n < 0 else int(n) for n in detail["shape_signature"])
    return detail["name"], shape, np.dtype(detail["dtype"]).name
