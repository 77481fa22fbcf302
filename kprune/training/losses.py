"""Losses of the papers that Keras does not have."""

from typing import Any

import keras
from keras import ops

from kprune.runtime import checks, fit_arguments

_REDUCTIONS = (
    "sum_over_batch_size",
    "sum",
    "mean",
    "mean_with_sample_weight",
    "none",
    None,
)


@keras.saving.register_keras_serializable("kprune")
class SmoothedCrossentropy(keras.losses.SparseCategoricalCrossentropy):
    """Cross-entropy of class numbers and logits, with label smoothing.

        loss = (1 - e) * (-log p_y) + e * mean over classes of (-log p)

    It equals `CategoricalCrossentropy(from_logits=True, label_smoothing=e)`
    on one-hot labels. Szegedy et al., 2016, https://arxiv.org/abs/1512.00567.

    Args:
        label_smoothing: Float in [0, 1), e: how much of each label is spread
            evenly over all classes, the true one included.
        reduction: As for all Keras losses. Defaults to
            `"sum_over_batch_size"`.
        name: String.
        dtype: The dtype to compute in. Defaults to `keras.config.floatx()`.

    Raises:
        ValueError: If `label_smoothing` is out of range.

    Example:

    >>> model.compile("sgd", kprune.training.SmoothedCrossentropy(0.1))
    """

    def __init__(
        self,
        label_smoothing: float,
        reduction: str | None = "sum_over_batch_size",
        name: str = "smoothed_crossentropy",
        dtype: Any = None,
    ):
        checks.number("label_smoothing", label_smoothing, "[0, 1)")
        checks.choice("reduction", reduction, _REDUCTIONS)
        checks.string("name", name)
        if dtype is not None:
            fit_arguments.dtype("dtype", dtype)
        super().__init__(
            from_logits=True, reduction=reduction, name=name, dtype=dtype
        )
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        true = super().call(y_true, y_pred)
        every = -ops.mean(ops.log_softmax(y_pred, axis=-1), axis=-1)
        return (1 - self.label_smoothing) * true + self.label_smoothing * every

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["from_logits"], config["ignore_class"]
        return {**config, "label_smoothing": self.label_smoothing}
