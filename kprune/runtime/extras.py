"""Imports optional modules, or names the extra that brings them."""

import importlib

# From the name of a module to that of the extra that installs it.
EXTRAS = {
    "keras_tuner": "tune",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxruntime.quantization": "onnx",
    "openvino": "openvino",
    "ray": "ray",
    "ray.tune": "tune",
    "sklearn": "tune",
    "submitit": "slurm",
    "matplotlib": "plots",
    "mlflow": "mlflow",
    "pandas": "results",
    "tensorboard": "tensorboard",
    "tf2onnx": "onnx",
    "wandb": "wandb",
}


def load(name, why):
    """Returns a module, or raises a `ValueError` that says how to install it.

    Args:
        name: Name of the module, one of `EXTRAS`.
        why: String that says what needs it, the subject of the error.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{why} needs {name}, which cannot be imported ({error}). "
            f'pip install "kprune[{EXTRAS[name]}]" brings it.'
        ) from error
