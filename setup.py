"""Installs kprune: `pip install .`, or `pip install -e .[test]` to edit it."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "kprune/runtime/version.py").read_text()
)[1]

# What stands outside of the package, by where it is once installed.
OUTSIDE = {
    "kprune.experiment.configs": "configs",
    "kprune_command": "tools/kprune_command",
}

setuptools.setup(
    name="kprune",
    version=VERSION,
    description="Pruning for Keras 3 on TensorFlow",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *setuptools.find_packages(include=["kprune", "kprune.*"]),
        *OUTSIDE,
    ],
    package_dir=OUTSIDE,
    package_data={"kprune.datasets": ["*.npz", "*.md"]},
    entry_points={"console_scripts": ["kprune = kprune_command:main"]},
    install_requires=[
        "tensorflow>=2.20",
        "keras>=3.14",
        "numpy",
        "absl-py",
        "ml-collections",
        "tensorflow-datasets",
        "importlib_resources",  # tensorflow-datasets needs it unsaid.
        "rich",
        "scipy",
    ],
    extras_require={
        "plots": ["matplotlib"],
        "tensorboard": ["tensorboard"],
        "wandb": ["wandb"],
        "mlflow": ["mlflow"],
        "results": ["pandas"],
        "litert": ["ai-edge-litert"],
        "onnx": ["onnx", "onnxruntime", "tf2onnx>=1.17"],
        # By way of ONNX.
        "openvino": ["openvino", "onnx", "tf2onnx>=1.17"],
        "hub": ["keras-hub"],
        "test": [
            "pytest",
            "pytest-xdist",
            "ruff",
            "onnx",
            "onnxruntime",
            "tf2onnx>=1.17",
        ],
    },
)
