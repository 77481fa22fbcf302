"""Callbacks for `fit` with pruned layers."""

import os
from typing import Any

import keras
import tensorflow as tf

from kprune.learned.tfmot.sparsity.keras.pruning_wrapper import (
    collect_prunable_layers,
    set_pruned_to_zero,
)
from kprune.runtime import checks, extras, user_warnings
from kprune.runtime.doors import checked


class UpdatePruningStep(keras.callbacks.Callback):
    """Starts the step count of pruned layers, and zeroes their pruned weights
    after each epoch.

    A model of `prune_low_magnitude` raises if it trains without this callback.
    Steps continue from an earlier training or a saved file.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prunable_layers: list[Any] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.prunable_layers = collect_prunable_layers(self.model)
        for layer in self.prunable_layers:
            if keras.ops.convert_to_numpy(layer.pruning_step) == -1:
                layer.pruning_step.assign(0)

    def on_epoch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        set_pruned_to_zero(self.prunable_layers)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        masks = [
            keras.ops.convert_to_numpy(mask)
            for layer in self.prunable_layers
            for _, mask, _ in layer.pruning_vars
        ]
        if masks and all(mask.all() for mask in masks):
            step = keras.ops.convert_to_numpy(
                self.prunable_layers[0].pruning_step
            )
            user_warnings.warn(
                f"Nothing is pruned after {step} steps: by the schedule none "
                "was one to prune at. Expected `begin_step` plus a multiple of "
                "`frequency`, 100 by default, among the steps of the training."
            )


class PruningSummaries(keras.callbacks.TensorBoard):
    """TensorBoard callback that logs the sparsity and the threshold of each
    pruned weight at the start of each epoch.

    Args:
        log_dir: String, a directory.
        update_freq: As for `keras.callbacks.TensorBoard`. Defaults to
            `"epoch"`.
        **kwargs: Further arguments of `keras.callbacks.TensorBoard`.
    """

    @checked(log_dir=checks.string)
    def __init__(
        self, log_dir: str, update_freq: str | int = "epoch", **kwargs: Any
    ) -> None:
        extras.load("tensorboard", "`PruningSummaries`")
        super().__init__(log_dir=log_dir, update_freq=update_freq, **kwargs)
        self._pruning_writer = tf.summary.create_file_writer(
            os.path.join(self.log_dir, "metrics")
        )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if logs is not None:
            super().on_epoch_begin(epoch, logs)
        step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        with self._pruning_writer.as_default():
            for name, value in _pruning_values(self.model).items():
                tf.summary.scalar(name, value, step=step)
        self._pruning_writer.flush()


def _pruning_values(model):
    """Returns the sparsities and thresholds of pruned weights, by tag."""
    found = {}
    for layer in collect_prunable_layers(model):
        for variable, mask, threshold in layer.pruning_vars:
            tag = f"{layer.name}/{variable.name}"
            kept = keras.ops.convert_to_numpy(mask).mean()
            found[f"{tag}/sparsity"] = 1 - kept
            found[f"{tag}/threshold"] = keras.ops.convert_to_numpy(threshold)
    return found
