"""The proof that two models compute the same: on random inputs."""

import keras
import numpy as np

from kprune.masking import precision, wrapping
from kprune.runtime import keras_internals, seeds

_TOLERANCE = 1e-5
_EXAMPLES = 4
_OPEN = (64, 128, 256)  # Sizes to try for open dimensions.


def check(model, small):
    """Raises `RuntimeError` unless a smaller model has the model's outputs.

    Rounding is told from error: where the outputs differ by more than 1e-5 of
    the largest, both are computed in float64 too.
    """
    x = _inputs(model)
    if _error(model, small, x) <= _TOLERANCE:
        return
    models = [
        precision.copy_in(one, "float64")[0]
        for one in (wrapping.strip(model), small)
    ]
    x = keras.tree.map_structure(_widened, x)
    error = _error(*models, x)
    if not (error <= _TOLERANCE):  # False for NaN too.
        raise RuntimeError(
            f"The smaller model of {model.name!r} does not compute the same: "
            f"on random inputs its outputs differ by {error:.2g} of the "
            f"largest. Expected at most {_TOLERANCE:g}. The model is left as "
            "it was."
        )


def _error(model, small, x):
    """Returns the largest difference, as a share of the largest output."""
    worst = 0.0
    for one, other in zip(_outputs(model, x), _outputs(small, x), strict=True):
        scale = np.abs(one).max(initial=0)
        difference = np.abs(one - other).max(initial=0)
        error = difference / scale if scale or difference else 0.0
        worst = error if not (error <= worst) else worst
    return worst


def _outputs(model, x):
    with keras.StatelessScope():
        outputs = model(x, training=False)
    return [
        np.asarray(keras.ops.convert_to_numpy(z), "float64")
        for z in keras.tree.flatten(outputs)
    ]


def _inputs(model):
    """Returns random inputs that the model takes."""
    specs = keras_internals.input_specs(model)
    failed = None
    for size in _OPEN:
        x = _drawn(specs, size, keras_internals.smallest_vocabulary(model))
        try:
            _outputs(model, x)
            return x
        except Exception as error:
            failed = error
    raise RuntimeError(
        f"Model {model.name!r} does not take random inputs, so that nothing "
        "can be proved of a smaller one."
    ) from failed


def _drawn(specs, size, vocabulary):
    rng = seeds.stream(0, "proof of a smaller model")

    def draw(spec):
        batch, *rest = spec.shape
        shape = [batch or _EXAMPLES, *(size if n is None else n for n in rest)]
        dtype = keras.backend.standardize_dtype(spec.dtype)
        if keras.backend.is_float_dtype(dtype):
            return keras.ops.cast(rng.normal(size=shape), dtype)
        top = 2 if dtype == "bool" else vocabulary
        return keras.ops.cast(rng.integers(0, top, shape), dtype)

    return keras.tree.map_structure(draw, specs)


def _widened(x):
    dtype = keras.backend.standardize_dtype(x.dtype)
    wide = keras.backend.is_float_dtype(dtype)
    return keras.ops.cast(x, "float64") if wide else x
