"""Quantizes a model through `model.quantize`."""

from kprune.deploy import quantization


def by_keras(model, quantize):
    """Quantizes a stripped model in place; returns notes on its layers.

    Keras quantizes kernels symmetrically, scaled by the largest entry of each
    output, so that zeros stay zero.

    Args:
        model: A Keras model. It is modified.
        quantize: `"int8"`, or `None` for a no-op.

    Raises:
        ValueError: If Keras cannot quantize the model.
    """
    if quantize is None:
        return ()
    done, left = quantization.in_place(model, quantize)
    notes = [f"Quantized by Keras: {', '.join(done)}."]
    if left:
        notes.append(f"Left in float32, by Keras' choice: {', '.join(left)}.")
    return tuple(notes)
