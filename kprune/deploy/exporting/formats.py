"""The table of formats: file suffixes and their writers."""

import dataclasses
import importlib
import importlib.util
import pathlib
from types import ModuleType
from typing import Any

from kprune.deploy import runtimes
from kprune.runtime import extras, lookup, types


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of a format's `write`.

    Attributes:
        quantize: Name of a quantization, or `None`.
        sparse: Whether the file omits zeros, or `None` to let the format
            decide per weight.
        examples: Tuple of lists of arrays: batches of inputs in the order of
            `keras.tree.flatten`, for calibration. Empty if none are given.
    """

    quantize: str | None = None
    sparse: bool | None = None
    examples: tuple[list[Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: Name of the format, one of `runtimes.MODULES`.
        packages: Tuple of the packages it requires besides TensorFlow and
            Keras, as `runtime.extras` names them.
        quantize: Tuple of the quantizations it supports.
        sparse: Whether it can omit zeros.
        companions: Tuple of the extensions of the files written beside it.
    """

    name: str
    packages: tuple[str, ...] = ()
    quantize: tuple[str, ...] = ()
    sparse: bool = False
    companions: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """The file extension. Empty for a directory."""
        return runtimes.MODULES[self.name][1]

    @property
    def writer(self) -> ModuleType:
        """The module that writes the format.

        Its `write(model, path, options)` returns a `Written` and may modify
        the model, which is a copy. A module with `gains(model, small,
        options)`, which returns whether `small` runs better, allows `export`
        to compact the model by default.
        """
        module, _ = runtimes.MODULES[self.name]
        return importlib.import_module(f"kprune.deploy.exporting.{module}")

    @property
    def missing(self) -> list[str]:
        """Names of the required packages that are not installed."""
        return [p for p in self.packages if not importlib.util.find_spec(p)]


_LITERT = ("float16", "dynamic_int8", "int8")
FORMATS = {
    one.name: one
    for one in (
        Format("saved_model", quantize=("int8",)),
        Format("keras", quantize=("int8",)),
        Format("packed", sparse=True),
        Format("litert", quantize=_LITERT, sparse=True),
        Format(
            "onnx",
            ("onnx", "tf2onnx", "onnxruntime"),
            quantize=("dynamic_int8", "int8"),
        ),
        Format(
            "openvino",
            ("openvino", "onnx", "tf2onnx"),
            companions=(".bin",),
        ),
    )
}
_BY_SUFFIX = {one.suffix: one for one in FORMATS.values()}


def find(path: types.Path, format: str | None = None) -> Format:
    """Returns the format to write at a path.

    Args:
        path: Path of a file or directory.
        format: Name of a format. Defaults to the one of the path's extension.
            A suffix that begins with a digit, as in `"net-0.9"`, does not
            count as an extension.

    Raises:
        ValueError: If the extension is unknown or belongs to another format.
    """
    suffix = pathlib.Path(path).suffix
    found = _BY_SUFFIX.get("" if suffix[1:2].isdigit() else suffix)
    if format is None:
        if found is None:
            known: Any = ", ".join(filter(None, _BY_SUFFIX))
            raise ValueError(
                f"Cannot tell the format of {path}. Expected a path that ends "
                f"in {known}, or in nothing for a SavedModel's directory, or "
                f"`format=`. Received: {suffix!r}"
            )
        return found
    wanted = lookup.choose(format, FORMATS, "format")
    known = found is not None and suffix in _BY_SUFFIX
    if wanted is not found and (known or wanted.suffix):
        ending = f"in {wanted.suffix}" if wanted.suffix else "in nothing"
        raise ValueError(
            f"Expected a path that ends {ending}, for the format "
            f"{wanted.name!r}. Received: {path}"
        )
    return wanted


def check_installed(wanted):
    """Raises `ValueError` if a package that a format requires is missing."""
    for package in wanted.packages:
        extras.load(package, f"The format {wanted.name!r}")


def check_options(wanted, quantize, sparse):
    """Raises `ValueError` if a format does not support the options."""
    if quantize is not None and quantize not in wanted.quantize:
        has = ", ".join(wanted.quantize) or "none"
        raise ValueError(
            f"The format {wanted.name!r} cannot be quantized by {quantize!r}. "
            f"It has: {has}."
        )
    if sparse and not wanted.sparse:
        raise ValueError(
            f"The format {wanted.name!r} has no sparse storage, so that "
            "`sparse=True` is impossible. Expected one of: "
            + ", ".join(x.name for x in FORMATS.values() if x.sparse)
            + "."
        )
    if sparse is False and wanted.name == "packed":
        raise ValueError(
            "The format 'packed' never stores zeros, so that `sparse=False` "
            "is impossible. Expected another format, such as 'keras'."
        )
    if sparse and quantize in ("dynamic_int8", "int8"):
        raise ValueError(
            f"A sparse file of {quantize!r} gives wrong outputs or does not "
            "load in LiteRT's runtimes. Leave `sparse` out: zeros stay zero, "
            'and gzip finds them; or take `quantize="float16"`.'
        )
