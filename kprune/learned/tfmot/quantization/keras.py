"""Raises for quantization-aware training, and names the alternative."""

from collections.abc import Callable
from typing import Any, NoReturn


def _refusing(name: str) -> Callable[..., NoReturn]:
    """Returns a function `name` that raises `NotImplementedError`."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        """Raises `NotImplementedError`: Keras 3 cannot train for quantization.

        Quantize a trained model instead, with `kprune.export` or Keras' own
        `model.quantize`.

        Args:
            *args, **kwargs: TFMOT's arguments, which are ignored.

        Raises:
            NotImplementedError: Always; the message shows both calls.
        """
        del args, kwargs
        raise NotImplementedError(
            f"`{name}` cannot be had on Keras 3, which has no quantization-"
            "aware training: quantize a trained model by "
            '`kprune.export(model, path, format="litert", quantize=...)` '
            'or by Keras\' own `model.quantize("int8")`.'
        )

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


quantize_model = _refusing("quantize_model")
quantize_annotate_layer = _refusing("quantize_annotate_layer")
quantize_annotate_model = _refusing("quantize_annotate_model")
quantize_apply = _refusing("quantize_apply")
quantize_scope = _refusing("quantize_scope")
