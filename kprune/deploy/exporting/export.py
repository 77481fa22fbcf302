"""`export`: writes any format and verifies the file first."""

import contextlib
import pathlib

from kprune.deploy.exporting import formats, inputs, proof, sizes, staging
from kprune.deploy.exporting.result import Exported
from kprune.deploy.shrink import compact as compacted
from kprune.masking import wrapping
from kprune.runtime import checks, files, paths, seeds
from kprune.runtime.doors import checked

# The largest error, as a share of the largest output, by quantization.
TOLERANCES = {None: 1e-4, "float16": 1e-2, "dynamic_int8": 0.1, "int8": 0.1}

_WORTH = 0.99  # A gather or two have a cost of their own.


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
    model,
    path,
    format=None,
    *,
    quantize=None,
    sparse=None,
    compact=None,
    representative_data=None,
    tolerance=None,
):
    """Writes a model as a file that runs where kprune is not.

    What is written is opened again in its own runtime, which runs a batch of
    inputs, made up or given. Only if the outputs are the model's is it put in
    place: a failed export leaves what was there.

    | format | ending | written as |
    |---|---|---|
    | `"saved_model"` | none | a directory, for TensorFlow alone |
    | `"keras"` | `.keras` | compressed; Keras alone loads it |
    | `"packed"` | `.kpz` | kept weights and bits; `kprune.load_packed` |
    | `"litert"` | `.tflite` | sparse where LiteRT gains by it |
    | `"onnx"` | `.onnx` | for ONNX Runtime, with `kprune[onnx]` |
    | `"openvino"` | `.xml` | and `.bin`, with `kprune[openvino]` |

    Args:
        model: A Keras model, wrapped or not. It is left as it was.
        path: Where to write. A file takes the place of another one; a directory
            must not exist, or be empty.
        format: Name of the format, or `None` to go by the path's ending.
        quantize: `"float16"`, `"dynamic_int8"` or `"int8"`, or `None` to keep
            float32. `"keras"` and `"saved_model"` have `"int8"`, by Keras' own
            `model.quantize`. Weights are quantized symmetrically, so that
            zeros stay zeros.
        sparse: Whether the file leaves zeros out. `None` lets LiteRT decide by
            weight, and writes int8 files dense.
        compact: Whether units that pruning cut off are removed first, by
            `kprune.compact`. `None` does so for LiteRT where it helps.
        representative_data: Inputs such as the model is used on: an array, a
            list or dict of arrays, a tuple `(x, y)`, or a data set of such
            batches. The file is proved on the first four. `"int8"` in LiteRT
            and ONNX needs them, to find the ranges of activations, and reads
            the first 512.
        tolerance: Largest difference from the model's outputs, as a share of
            the largest output. Defaults to 1e-4, for `"float16"` to 1e-2, for
            the others to 0.1.

    Returns:
        An `Exported`, whose `str` is a table: bytes, bytes gzipped, the error
        found, and for each weight how it is stored and why.

    Raises:
        ValueError: If the path or the options do not fit the format, what it
            needs is not installed, the model cannot be converted, or what was
            written does not give the model's outputs.
        OSError: If it cannot be written.

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
    """Returns inputs and the outputs for them, or `None` twice for a SavedModel
    of unknown inputs."""
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
    """Returns the model to write, compacted or not, and notes on that."""
    if compact is None and not hasattr(chosen.writer, "gains"):
        return model, ()
    if not (compact is None or compact):
        return model, ()
    try:
        small = compacted(model, verbose=0)
    except (ValueError, RuntimeError):
        if compact:
            raise
        return model, ()  # Cut off, or of a kind that cannot be followed.
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
    """Makes a directory, and removes what it made if the block fails."""
    files.check_writable(directory)
    made = files.make_directory(directory)
    try:
        yield
    except BaseException:
        for one in made:
            files.remove_if_empty(one)
        raise
