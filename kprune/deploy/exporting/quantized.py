"""Quantization by Keras itself: `model.quantize`."""

import warnings

from kprune.masking import weights
from kprune.runtime.words import one_line


def by_keras(model, quantize):
    """Quantizes a stripped model in place, and returns sentences on that.

    Keras quantizes kernels symmetrically, by the largest entry of each output,
    so that zeros stay zeros.

    Args:
        model: A Keras model of the caller's own.
        quantize: `"int8"`, or `None` to do nothing.

    Raises:
        ValueError: If Keras cannot quantize it.
    """
    if quantize is None:
        return ()
    try:
        with warnings.catch_warnings():
            # Of each layer that has no weights.
            warnings.filterwarnings("ignore", ".*a `quantize` method")
            model.quantize(quantize)
    except Exception as error:
        raise ValueError(
            f"Keras cannot quantize model {model.name!r} by {quantize!r}: "
            f"{one_line(error)}"
        ) from error
    layers = {w.layer.name: w.layer for w in weights.find(model)}
    done = [n for n, layer in layers.items() if _is_quantized(layer)]
    left = [n for n in layers if n not in done]
    if not done:
        raise ValueError(
            f"Keras quantizes no layer of model {model.name!r} by "
            f"{quantize!r}: it has that for dense layers, embeddings and "
            'einsums only. `format="litert"` quantizes convolutions too.'
        )
    notes = [f"Quantized by Keras: {', '.join(done)}."]
    if left:
        notes.append(f"Left in float32, by Keras' choice: {', '.join(left)}.")
    return tuple(notes)


def _is_quantized(layer):
    return getattr(layer.dtype_policy, "quantization_mode", None) is not None
