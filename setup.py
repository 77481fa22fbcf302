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


def described():
    """Returns the README as a package index shows it: relative links and
    pictures lead nowhere there, so that links are their text alone."""
    text = (HERE / "README.md").read_text()
    text = re.sub(r"<picture>.*?</picture>\n\n", "", text, flags=re.S)
    return re.sub(r"\[([^\]]+)\]\((?!https?://)[^)\s]+\)", r"\1", text)


setuptools.setup(
    name="kprune",
    version=VERSION,
    description="Pruning for Keras 3 on TensorFlow",
    long_description=described(),
    long_description_content_type="text/markdown",
    author="The kprune authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="pruning sparsity compression lottery-tickets keras tensorflow",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.11",
    packages=[
        *setuptools.find_packages(include=["kprune", "kprune.*"]),
        *OUTSIDE,
    ],
    package_dir=OUTSIDE,
    package_data={
        "kprune": ["py.typed"],
        "kprune.datasets": ["*.npz", "*.md"],
    },
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
        "ray": ["ray"],
        "slurm": ["submitit"],
        "tune": ["ray[tune]", "keras-tuner[bayesian]"],
        "docs": [
            "mkdocs-material",
            "mkdocstrings[python]",
            "latex2mathml",
            "jupytext",
            "nbclient",
            "ipykernel",
        ],
        "package": ["build", "twine"],
        "test": [
            "pytest",
            "pytest-xdist",
            "mypy",
            "ruff",
            "onnx",
            "onnxruntime",
            "tf2onnx>=1.17",
        ],
    },
)
