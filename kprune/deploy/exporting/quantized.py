"""Quantizes a model through `model.quantize`."""

from kprune.deploy import quantization


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
    done, left = quantization.in_place(model, quantize)
    notes = [f"Quantized by Keras: {', '.join(done)}."]
    if left:
        notes.append(f"Left in float32, by Keras' choice: {', '.join(left)}.")
    return tuple(notes)
