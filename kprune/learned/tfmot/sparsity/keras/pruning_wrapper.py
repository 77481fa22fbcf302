"""The wrapper that prunes a layer by magnitude during training."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from kprune.learned.tfmot.sparsity.keras import prunable_layer
from kprune.learned.tfmot.sparsity.keras.mask_rule import MaskRule
from kprune.learned.tfmot.sparsity.keras.pruning_schedule import (
    HALF,
    PruningSchedule,
)
from kprune.masking import layouts, weight_wrapper
from kprune.masking.masked import Masked, where
from kprune.masking.weights import Weight
from kprune.runtime import checks, keras_internals, types

_FORGOTTEN = (
    "A model of `prune_low_magnitude` does not know how far training is. "
    "Expected the callback `tfmot.sparsity.keras.UpdatePruningStep()` in `fit`."
)


class PruningStep(keras.layers.Layer):
    """Counts the training steps of a wrapper, and sets masks when they are due.

    The wrapper calls it before its layer, so that masks are computed from the
    weights after the previous step.
    """

    def __init__(self, rule: MaskRule, pairs: list[Any]) -> None:
        super().__init__(name="pruning_step", dtype="float32", autocast=False)
        self.__dict__.update(rule=rule, pairs=pairs)

    def build(self, input_shape=None):
        self.count = self.add_weight(
            name="pruning_step",
            shape=(),
            initializer=keras.initializers.Constant(-1),
            dtype="int64",
            trainable=False,
            autocast=False,
        )
        self.thresholds = [
            self.add_weight(
                name="threshold", shape=(), initializer="zeros", trainable=False
            )
            for _ in self.pairs
        ]

    def call(self, x, training=None):
        if training:
            self._advance()
        return x

    def _advance(self):
        step = tf.convert_to_tensor(self.count.value) + 1
        begun = tf.debugging.assert_greater_equal(
            step, tf.constant(1, tf.int64), _FORGOTTEN
        )
        with tf.control_dependencies([begun] if begun is not None else []):
            step = tf.identity(step)
        values = [tf.convert_to_tensor(v.value) for v, _ in self.pairs]
        current = [
            (tf.convert_to_tensor(mask.value), tf.convert_to_tensor(t.value))
            for (_, mask), t in zip(self.pairs, self.thresholds, strict=True)
        ]

        def updated():
            found = [self.rule.mask(value, step) for value in values]
            return [(mask, tf.cast(t, tf.float32)) for mask, t in found]

        found = tf.cond(self.rule.is_due(step), updated, lambda: current)
        keras_internals.assign_in_call(self.count, step)
        for place, (mask, threshold) in enumerate(found):
            variable, own = self.pairs[place]
            keras_internals.assign_in_call(own, mask)
            keras_internals.assign_in_call(self.thresholds[place], threshold)
            keras_internals.assign_in_call(variable, where(mask, values[place]))


@keras.saving.register_keras_serializable("kprune")
class PruneLowMagnitude(Masked):
    """Layer wrapper that prunes the layer's weights by magnitude in training.

    Before each training step it updates the masks if the schedule says so, and
    zeroes pruned entries. Pruned entries get gradients as if kept, as in
    TFMOT, so that those that one step moves far enough return.

    Args:
        layer: A Keras layer.
        pruning_schedule, block_size, block_pooling_type, sparsity_m_by_n: As
            for `kprune.tfmot.sparsity.keras.prune_low_magnitude`.
        **kwargs: Arguments of a Keras layer.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        pruning_schedule: PruningSchedule = HALF,
        block_size: tuple[int, int] | list[int] = (1, 1),
        block_pooling_type: str = "AVG",
        sparsity_m_by_n: tuple[int, int] | list[int] | None = None,
        **kwargs: Any,
    ) -> None:
        checks.instance("layer", layer, keras.layers.Layer, "a Keras layer")
        check_known(layer)
        rule = MaskRule(
            pruning_schedule, block_size, block_pooling_type, sparsity_m_by_n
        )
        self.__dict__["rule"] = rule
        self.__dict__["step"] = None
        kwargs["name"] = f"prune_low_magnitude_{layer.name}"
        super().__init__(
            layer, keep_pruned_values=True, dense_gradients=True, **kwargs
        )
        keras_internals.take_input_shape(self, layer)

    def around(self, layer: keras.layers.Layer) -> "PruneLowMagnitude":
        """Returns a wrapper of another layer with the same rule."""
        return type(self)(
            layer,
            self.rule.schedule,
            self.rule.block_size,
            self.rule.block_pooling_type,
            self.rule.sparsity_m_by_n,
        )

    @property
    def plain_name(self) -> str:
        """The name of the wrapped layer, the prefix of its weights' names."""
        return self.layer.name

    @property
    def pruning_schedule(self) -> PruningSchedule:
        return self.rule.schedule

    @property
    def pruning_step(self) -> Any:
        """The variable that counts training steps; -1 before training."""
        return self.step.count

    @property
    def pruning_vars(self) -> list[tuple[Any, ...]]:
        """Triples (weight, mask, threshold) of variables."""
        thresholds = self.step.thresholds
        return [
            (*pair, t) for pair, t in zip(self._pairs, thresholds, strict=True)
        ]

    def get_weights(self) -> list[Any]:
        return self.layer.get_weights()

    def set_weights(self, weights: list[Any]) -> None:
        self.layer.set_weights(weights)

    def _names(self):
        return None  # The weights to prune are known once it is built.

    def _attach(self, found):
        self.__dict__["masked"] = None
        pairs = super()._attach(found)
        self.step = PruningStep(self.rule, pairs)
        self.step.build()
        return pairs

    def _to_mask(self, found):
        chosen = prunable_layer.prunable_weights(self.layer)
        owners = {id(w.variable): w.layer for w in found}
        for name, variable in chosen:
            self.rule.check_shape(f"{self.layer.name}/{name}", variable.shape)
        return [
            Weight(
                name=name,
                variable=variable,
                layer=owners.get(id(variable), self.layer),
                mask=None,
                layout=layouts.plain(variable.shape),
            )
            for name, variable in chosen
        ]

    def call(self, *args, **kwargs):
        # Keras passes `training` to sub-layers from the call context.
        self.step(tf.zeros(()))
        return super().call(*args, **kwargs)

    def _options(self):
        return {
            "pruning_schedule": keras.saving.serialize_keras_object(
                self.rule.schedule
            ),
            "block_size": self.rule.block_size,
            "block_pooling_type": self.rule.block_pooling_type,
            "sparsity_m_by_n": self.rule.sparsity_m_by_n,
        }

    @classmethod
    def _around(cls, layer, options, custom_objects=None):
        schedule = keras.saving.deserialize_keras_object(
            options["pruning_schedule"], custom_objects
        )
        return cls(layer, **{**options, "pruning_schedule": schedule})


def check_known(layer: keras.Layer) -> None:
    """Raises unless a layer's class defines which weights to prune."""
    if prunable_layer.is_known(layer):
        return
    raise ValueError(
        f"Layer {layer.name!r} of class {type(layer).__name__} is not one that "
        "TFMOT prunes. Expected a layer of Keras that it knows, or one with a "
        "method `get_prunable_weights` (see `PrunableLayer`); "
        "`kprune.callbacks.GradualPruning` prunes layers of any kind."
    )


def collect_prunable_layers(model: types.Model) -> list[PruneLowMagnitude]:
    """Returns the `PruneLowMagnitude` layers of a model, nested ones too."""
    return weight_wrapper.wrappers(model, PruneLowMagnitude)


def set_pruned_to_zero(layers: Iterable[Any]) -> None:
    """Zeroes the pruned entries in the stored weights of wrapped layers."""
    for layer in layers:
        for variable, mask, _ in layer.pruning_vars:
            variable.assign(where(mask, variable.value))
