"""Computes gradients on the batch of the next training step."""

import keras
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import keras_internals
from kprune.scoring import losses, reuse
from kprune.scoring.config import ScoringConfig
from kprune.scoring.derivatives import at_least_float32
from kprune.scoring.network import Network

_TRAINING = ScoringConfig(dropout=True)


class DenseGradients:
    """Gradients of all entries of a model's weights, pruned ones included.

    They are those of the compiled loss without regularization, in training
    mode (batch statistics, dropout), averaged over all replicas. The model is
    not modified. The first batch traces the computation; `hand_on` passes the
    trace to the next training.
    """

    def __init__(self, model, names):
        if losses.compiled_loss(model) is None:
            raise ValueError(
                "Mask updates use the gradient of the compiled loss. "
                f"Expected `compile(loss=...)` of model {model.name!r}."
            )
        self._model = model
        self._names = list(names)
        self._derivatives = None
        # Traced once: eager `gather` would trace at each call.
        self._gather = tf.function(
            lambda batch: keras.tree.map_structure(
                lambda part: model.distribute_strategy.gather(part, axis=0),
                batch,
            ),
            reduce_retracing=True,
            autograph=False,
        )

    def __call__(self, values, batch):
        """Returns the gradients at `values`, a dict of arrays by name.

        Args:
            values: Dict of the weights' values, zero where pruned.
            batch: A batch of the training iterator; under a strategy, one
                with a part for each replica.
        """
        batch = self._whole(batch)
        if self._derivatives is None:
            self._derivatives = self._make(batch)
        given = [tf.convert_to_tensor(values[name]) for name in self._names]
        found = self._derivatives("gradient", given, batch)
        found = (gradient.numpy() for gradient in found)
        return dict(zip(self._names, found, strict=True))

    def hand_on(self):
        """Passes the trace to the model's next training."""
        if self._derivatives is not None:
            reuse.leave(self._model, self._derivatives)
            self._derivatives = None

    def _whole(self, batch):
        """Returns the global batch as single tensors, equal on all workers."""
        strategy = self._model.distribute_strategy
        optional = tf.experimental.Optional
        batch = keras.tree.map_structure(
            lambda part: None if isinstance(part, optional) else part, batch
        )
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise ValueError(
                "Gradients to grow by need inputs and labels. Expected "
                "batches (x, y) or (x, y, sample_weight) from the training "
                f"data. Received: {type(batch).__name__}"
                + (f" of {len(batch)}" if hasattr(batch, "__len__") else "")
            )
        if keras_internals.spans_workers(strategy):
            return self._gather(batch)

        def joined(part):
            parts = strategy.experimental_local_results(part)
            return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)

        return keras.tree.map_structure(joined, batch)

    def _make(self, batch):
        model = self._model
        loss = losses.compiled_loss(model)
        known = reuse.key(model, loss, True, self._names, _TRAINING)
        return reuse.take(
            model,
            known and ("training", *known),
            lambda: self._traced(batch),
        )

    def _traced(self, batch):
        names = weights.prunable(self._model)
        left_out = [name for name in names if name not in self._names]
        network = Network(self._model, left_out, "policy")
        loss = keras_internals.training_loss(self._model, None, network.dtype)
        x, y, *weight = keras.tree.map_structure(lambda a: a[:1], batch)
        with keras_internals.stateless(self._model):
            outputs = self._model(x, training=False)
        outputs = keras.tree.map_structure(at_least_float32, outputs)
        # Builds the loss's trackers, which is impossible while tracing.
        loss(y, outputs, *weight)

        def function(y_true, y_pred, temperature, sample_weight=None):
            del temperature
            return loss(y_true, y_pred, sample_weight)

        return network.derivatives(function, _TRAINING)
