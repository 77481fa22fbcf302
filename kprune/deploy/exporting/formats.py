"""The table of formats: file suffixes and their writers."""

import dataclasses
import importlib
import importlib.util
import pathlib

from kprune.deploy import runtimes
from kprune.runtime import extras, lookup


@dataclasses.dataclass(frozen=True)
class Options:
    """What a format's `write` is told.

    Attributes:
        quantize: Name of a quantization, or `None`.
        sparse: Whether zeros are left out of the file, or `None` where the
            format decides by weight.
        examples: List of lists of arrays, batches of inputs in the order of
            `keras.tree.flatten`, to find ranges with. Empty if none are given.
    """

    quantize: str | None = None
    sparse: bool | None = None
    examples: tuple = ()


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: Its name, one of `runtimes.MODULES`.
        packages: Names of what `runtime.extras` knows and it needs beside
            TensorFlow and Keras.
        quantize: Tuple of the quantizations that it has.
        sparse: Whether zeros can be left out of it.
        companions: Tuple of the endings of files that belong to it and lie
            beside it.
    """

    name: str
    packages: tuple = ()
    quantize: tuple = ()
    sparse: bool = False
    companions: tuple = ()

    @property
    def suffix(self):
        """What the path of a file ends in. Empty for a directory."""
        return runtimes.MODULES[self.name][1]

    @property
    def writer(self):
        """The module that writes it.

        It has `write(model, path, options)`, which returns `Written`; the model
        is a copy that it may change. Where a model may be compacted first,
        without being asked, it has also `gains(model, small, options)`, which
        tells whether that helps.
        """
        module, _ = runtimes.MODULES[self.name]
        return importlib.import_module(f"kprune.deploy.exporting.{module}")

    @property
    def missing(self):
        """Names of the packages that it needs and that are not installed."""
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


def find(path, format=None):
    """Returns the format to write at a path.

    Args:
        path: Path of a file or directory.
        format: Name of a format, or `None` to go by the path's ending. An
            ending that begins with a digit, as in `"net-0.9"`, is none.

    Raises:
        ValueError: If the ending is not known, or that of another format.
    """
    suffix = pathlib.Path(path).suffix
    found = _BY_SUFFIX.get("" if suffix[1:2].isdigit() else suffix)
    if format is None:
        if found is None:
            known = ", ".join(filter(None, _BY_SUFFIX))
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
    """Raises `ValueError` if what a format needs is not installed."""
    for package in wanted.packages:
        extras.load(package, f"The format {wanted.name!r}")


def check_options(wanted, quantize, sparse):
    """Raises `ValueError` if a format cannot do what is asked of it."""
    if quantize is not None and quantize not in wanted.quantize:
        has = ", ".join(wanted.quantize) or "none"
        raise ValueError(
            f"The format {wanted.name!r} cannot be quantized by {quantize!r}. "
            f"It has: {has}."
        )
    if sparse and not wanted.sparse:
        raise ValueError(
            f"The format {wanted.name!r} stores zeros as any number, so that "
            "`sparse=True` cannot be had. Expected one of: "
            + ", ".join(x.name for x in FORMATS.values() if x.sparse)
            + "."
        )
    if sparse is False and wanted.name == "packed":
        raise ValueError(
            "The format 'packed' leaves zeros out, so that `sparse=False` "
            "cannot be had. Expected another format, as 'keras'."
        )
    if sparse and quantize in ("dynamic_int8", "int8"):
        raise ValueError(
            f"A sparse file of {quantize!r} gives wrong outputs or does not "
            "load in LiteRT's runtimes. Leave `sparse` out: zeros stay zero, "
            'and gzip finds them; or take `quantize="float16"`.'
        )
