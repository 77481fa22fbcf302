"""`export`: writes any format and verifies the file first."""

import contextlib
import pathlib
from typing import Any

from kprune.deploy.exporting import formats, inputs, proof, sizes, staging
from kprune.deploy.exporting.result import Exported
from kprune.deploy.shrink import compact as compacted
from kprune.masking import wrapping
from kprune.runtime import checks, files, paths, seeds, types
from kprune.runtime.doors import checked

# Default tolerances by quantization, relative to the largest output.
TOLERANCES = {None: 1e-4, "float16": 1e-2, "dynamic_int8": 0.1, "int8": 0.1}

# Compacting inserts gathers, whose cost must be outweighed.
_WORTH = 0.99


@checked(
    path=paths.path,
    format=checks.optional(checks.string),
    quantize=checks.optional(checks.string),
    sparse=checks.optional(checks.boolean),
    compact=checks.optional(checks.boolean),
    representative_data=inputs.representative_data,
    tolerance=checks.optional(checks.within("(0, inf)")),
)
def export(
    model: types.Model,
    path: types.Path,
    format: str | None = None,
    *,
    quantize: str | None = None,
    sparse: bool | None = None,
    compact: bool | None = None,
    representative_data: Any = None,
    tolerance: float | None = None,
) -> Exported:
    """Writes a model to a file that runs without kprune, and verifies it.

    The new file is opened in its own runtime and run on a batch of inputs,
    random or given. It replaces an existing file only if its outputs match the
    model's: a failed export leaves `path` unchanged.

    | format | ending | written as |
    |---|---|---|
    | `"saved_model"` | none | a directory; needs TensorFlow only |
    | `"keras"` | `.keras` | compressed; needs Keras only |
    | `"packed"` | `.kpz` | bits and kept values; `kprune.load_packed` |
    | `"litert"` | `.tflite` | sparse where LiteRT benefits |
    | `"onnx"` | `.onnx` | for ONNX Runtime, with `kprune[onnx]` |
    | `"openvino"` | `.xml` | and `.bin`, with `kprune[openvino]` |

    Args:
        model: A Keras model, wrapped or not. It is not modified.
        path: Path to write to. An existing file is replaced; a directory must
            be empty or not exist.
        format: Name of the format. Defaults to the one of the path's
            extension.
        quantize: `"float16"`, `"dynamic_int8"` or `"int8"`, or `None` to keep
            float32. `"keras"` and `"saved_model"` support `"int8"` only, by
            Keras' own `model.quantize`. Weights are quantized symmetrically,
            so that zeros stay zero.
        sparse: Whether the file omits zeros. By default, LiteRT decides per
            weight, and int8 files are dense.
        compact: Whether to first remove units that pruning cut off, by
            `kprune.compact`. By default, LiteRT does so where it helps.
        representative_data: Typical inputs of the model: an array, a list or
            dict of arrays, a tuple `(x, y)`, or a data set of such batches.
            The file is verified on the first four. `"int8"` in LiteRT and
            ONNX requires them to calibrate activation ranges, and reads the
            first 512.
        tolerance: Largest allowed difference from the model's outputs,
            relative to the largest output. Defaults to 1e-4, to 1e-2 for
            `"float16"`, and to 0.1 for the other quantizations.

    Returns:
        An `Exported`, whose `str` is a table: bytes, gzipped bytes, the
        measured error, and how and why each weight is stored as it is.

    Raises:
        ValueError: If the path or the options do not fit the format, a
            required package is not installed, the model cannot be converted,
            or the file's outputs do not match the model's.
        OSError: If the file cannot be written.

    Example:

    >>> model = kprune.prune(model, "magnitude", 0.9)
    >>> kprune.export(model, "model.tflite").error < 1e-4
    True
    """
    chosen = formats.find(path, format)
    formats.check_options(chosen, quantize, sparse)
    formats.check_installed(chosen)
    path = pathlib.Path(path)
    staging.check_free(chosen, path)
    batches = _representative(chosen, quantize, representative_data)
    options = formats.Options(quantize, sparse, batches)
    plain = wrapping.strip(model)
    x, expected = _example(chosen, plain, batches)
    small, notes = _smaller(chosen, plain, compact, options)
    with (
        seeds.untouched(),
        _made(path.parent),
        staging.staged(chosen, path) as half,
    ):
        written = chosen.writer.write(small, half, options)
        allowed = TOLERANCES[quantize] if tolerance is None else tolerance
        error = None
        if x is not None:
            error = proof.check(half, chosen.name, x, expected, allowed)
        size = sizes.measure(*staging.parts(chosen, half))
    return Exported(
        path,
        chosen.name,
        quantize,
        *size,
        error,
        allowed,
        written.rows,
        (*notes, *written.notes, *proof.doubts(x, expected)),
    )


def _representative(chosen, quantize, data):
    needed = quantize == "int8" and chosen.name in ("litert", "onnx")
    if data is not None:
        most = inputs.MOST if needed else proof.EXAMPLES
        return inputs.representative(data, most)
    if needed:
        raise ValueError(
            f'`quantize="int8"` needs `representative_data` for the format '
            f"{chosen.name!r}: inputs, of which it learns the ranges of "
            'activations. `quantize="dynamic_int8"` does without.'
        )
    return ()


def _example(chosen, model, batches):
    """Returns inputs and the model's outputs for them, or `(None, None)` for a
    SavedModel whose inputs are unknown."""
    try:
        return proof.example(model, batches)
    except ValueError as error:
        if chosen.name == "saved_model":
            return chosen.writer.unknown(model, error)
        raise ValueError(
            f"Model {model.name!r} cannot be exported as {chosen.name!r}: "
            f"{error}"
        ) from error


def _smaller(chosen, model, compact, options):
    """Returns the model to write, compacted or not, and notes on the choice."""
    if compact is None and not hasattr(chosen.writer, "gains"):
        return model, ()
    if not (compact is None or compact):
        return model, ()
    try:
        small = compacted(model, verbose=0)
    except (ValueError, RuntimeError):
        if compact:
            raise
        return model, ()  # It is cut off, or its layers cannot be followed.
    before, after = model.count_params(), small.count_params()
    if after >= before or (compact is None and after > _WORTH * before):
        return model, ()
    if compact is None and not chosen.writer.gains(model, small, options):
        return model, (
            f"Not compacted: {after:,} of {before:,} parameters would be left, "
            "but sparse kernels gain more as it is.",
        )
    return small, (f"Compacted to {after:,} of {before:,} parameters.",)


@contextlib.contextmanager
def _made(directory):
    """Creates a directory; removes it and new parents if the block fails."""
    files.check_writable(directory)
    made = files.make_directory(directory)
    try:
        yield
    except BaseException:
        for one in made:
            files.remove_if_empty(one)
        raise
