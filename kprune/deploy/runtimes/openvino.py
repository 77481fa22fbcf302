"""Runs an `.xml` and its `.bin` in OpenVINO, on one thread of the CPU."""

import numpy as np

from kprune.deploy.runtimes import Runner
from kprune.runtime import extras
from kprune.runtime.words import one_line

# OpenVINO defaults to bfloat16 where the processor supports it.
_CONFIG = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}


def open(path):
    """Returns the `Runner` of an `.xml` file."""
    openvino = extras.load("openvino", f"To run {path}")
    try:
        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(str(path)), "CPU", _CONFIG
        )
    except Exception as error:
        raise ValueError(
            f"OpenVINO {openvino.__version__} cannot read {path}: "
            f"{one_line(error)}"
        ) from error
    request = compiled.create_infer_request()
    specs = tuple(map(_described, compiled.inputs))

    def run(inputs):
        feed = [
            np.asarray(x, dtype)
            for (*_, dtype), x in zip(specs, inputs, strict=True)
        ]
        found = request.infer(feed)
        # Copy: the next call overwrites these buffers.
        return [np.array(found[output]) for output in compiled.outputs]

    return Runner(run, specs)


def _described(spec):
    shape = tuple(
        n.get_length() if n.is_static else None for n in spec.partial_shape
    )
    return spec.any_name, shape, np.dtype(spec.element_type.to_dtype()).name
