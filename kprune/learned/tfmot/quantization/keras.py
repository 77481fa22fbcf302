"""Raises for quantization-aware training, and names the alternative."""


def _refusing(name):
    def refuse(*args, **kwargs):
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
