"""Runs an `.onnx` file in ONNX Runtime, on one thread of the CPU."""

import numpy as np

from kprune.deploy.runtimes import Runner
from kprune.runtime import extras
from kprune.runtime.words import one_line

_ERRORS = 3  # Log errors only; ONNX Runtime also raises them.
# ONNX Runtime's names of dtypes that NumPy names otherwise.
_DTYPES = {"float": "float32", "double": "float64", "string": "str"}


def open(path):
    """Returns the `Runner` of an `.onnx` file."""
    ort = extras.load("onnxruntime", f"To run {path}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    try:
        session = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # Each kind of error has its own class.
        raise ValueError(
            f"ONNX Runtime {ort.__version__} cannot read {path}: "
            f"{one_line(error)}"
        ) from error
    specs = tuple(map(_described, session.get_inputs()))

    def run(inputs):
        feed = {
            name: np.asarray(x, dtype)
            for (name, _, dtype), x in zip(specs, inputs, strict=True)
        }
        return session.run(None, feed)

    return Runner(run, specs)


def _described(spec):
    kind = spec.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(n if isinstance(n, int) else None for n in spec.shape)
    return spec.name, shape, _DTYPES.get(kind, kind)
