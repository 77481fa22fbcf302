"""Quantizes a pruned model through Keras and keeps zeros zero."""

import collections
import copy
import warnings
from typing import Any

import keras

from kprune.masking import weights, wrapping
from kprune.runtime import checks, identity, keras_internals, types
from kprune.runtime.doors import checked
from kprune.runtime.words import one_line

MODES = ("int8", "int4", "float8")


def _mode(name, value):
    """Raises unless a value is a quantization mode or config of Keras."""
    expected = (
        f"one of {', '.join(MODES)}, or a config of Keras: GPTQ and AWQ need "
        "a keras.quantizers.GPTQConfig or AWQConfig, with data"
    )
    of_config = _is_config(value) and isinstance(value.mode, str)
    named = isinstance(value, str) and value in MODES
    return checks.require(of_config or named, name, value, expected)


def _is_config(value):
    return hasattr(value, "mode") and hasattr(value, "get_config")


@checked(mode=_mode)
def quantize(model: types.Model, mode: Any = "int8") -> types.Model:
    """Returns a quantized copy of a model in which zeros stay exactly zero.

    This equals `model.quantize` on a stripped model, except for GPTQ: it
    compensates rounding errors in weights not yet quantized, pruned ones
    included. Here pruned weights get the code of zero again.

    Args:
        model: A built Keras model, wrapped or not. It is not modified.
        mode: `"int8"`, `"int4"` or `"float8"`, or a config of Keras, such as
            `keras.quantizers.GPTQConfig` or `AWQConfig`. Defaults to
            `"int8"`.

    Returns:
        An uncompiled Keras model of the same class, without masks.

    Raises:
        ValueError: If Keras cannot quantize the model, or quantizes none of
            its layers.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", 0.5)
    >>> small = kprune.quantize(pruned, "int8")
    """
    plain = wrapping.strip(model)
    in_place(plain, _of_copy(mode, plain))
    return plain


def _of_copy(mode, plain):
    """Returns a mode unchanged, or a config with the layers it lists replaced
    by the layers of the same name in `plain`."""
    structure = getattr(mode, "quantization_layer_structure", None)
    if structure is None:
        return mode
    names = collections.defaultdict(list)
    for layer in keras_internals.all_layers(plain):
        names[layer.name].append(layer)

    def own(layer):
        found = names.get(layer.name, ())
        if len(found) == 1:
            return found[0]
        raise ValueError(
            f"{layer.name!r} of `quantization_layer_structure` is not a layer "
            f"of model {plain.name!r} with a unique name. Expected layers of "
            "the model, each with a name of its own."
        )

    config = copy.copy(mode)
    config.quantization_layer_structure = {
        key: [own(layer) for layer in layers]
        for key, layers in structure.items()
    }
    return config


def in_place(model: types.Model, mode: Any) -> tuple[list[str], list[str]]:
    """Quantizes a stripped model in place.

    Returns:
        Names of the quantized layers, and of the other layers with weights.
    """
    found = weights.find(model)
    before = identity.ByIdentity(
        (w.layer, keras.ops.convert_to_numpy(w.variable) == 0)
        for w in found
        if w.variable.name == "kernel"
    )
    how = {"mode": mode}
    if _is_config(mode):
        how = {"mode": mode.mode, "config": mode}
    try:
        with warnings.catch_warnings():
            # Keras warns about every layer that has no weights.
            warnings.filterwarnings("ignore", ".*a `quantize` method")
            model.quantize(**how)
    except Exception as error:
        raise ValueError(
            f"Keras cannot quantize model {model.name!r} by {how['mode']!r}: "
            f"{one_line(error)}"
        ) from error
    layers = {w.layer.name: w.layer for w in found}
    done = [n for n, layer in layers.items() if _is_quantized(layer)]
    if not done:
        raise ValueError(
            f"Keras quantizes no layer of model {model.name!r} by "
            f"{how['mode']!r}: it has that for dense layers, embeddings and "
            'einsums only. `kprune.export(..., format="litert")` quantizes '
            "convolutions too."
        )
    for layer, zeros in before.items():
        # GPTQ leaves layers outside its calibrated blocks in floating point.
        if getattr(layer, "is_gptq_calibrated", False):
            _zero(layer, zeros)
    return done, [n for n in layers if n not in done]


def _zero(layer, zeros):
    """Sets pruned weights of a GPTQ-quantized layer to the code of zero.

    Args:
        layer: A Keras layer. It stores its kernel as (outputs, inputs), with
            two outputs per byte at four bits, and has one scale and zero
            point per group of inputs.
        zeros: Boolean array of the kernel's shape, true where it is pruned.
    """
    groups = keras.ops.cast(layer.g_idx, "int32")
    points = keras.ops.take(layer.kernel_zero, groups, axis=1)
    codes = layer.kernel
    zeros = zeros.reshape(points.shape[::-1]).T
    codes = keras.ops.where(zeros, points, keras.ops.cast(codes, points.dtype))
    if tuple(layer.quantized_kernel.shape) != tuple(codes.shape):
        codes, _, _ = keras.quantizers.pack_int4(codes, axis=0, dtype="uint8")
    layer.quantized_kernel.assign(codes)


def _is_quantized(layer):
    return getattr(layer.dtype_policy, "quantization_mode", None) is not None
