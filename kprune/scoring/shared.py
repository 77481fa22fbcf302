"""What all views of an objective share, made when it is first needed."""

import functools

from kprune.scoring import data as scoring_data
from kprune.scoring import reuse, synaptic_flow


class Shared:
    """Batches and loss, derivatives and flow of a model.

    Args:
        model: A Keras model.
        network: The `network.Network` of it.
        data, loss, scoring, seed: As of `Objective`.
    """

    def __init__(self, model, network, data, loss, scoring, seed):
        self._model, self._network = model, network
        self._data, self._loss = data, loss
        self._scoring, self._seed = scoring, seed

    @functools.cached_property
    def data(self):
        """The `data.ScoringData`."""
        return scoring_data.read(
            self._model,
            self._data,
            self._loss,
            self._scoring,
            self._seed,
            self._network.dtype,
        )

    @functools.cached_property
    def derivatives(self):
        """The `derivatives.Derivatives` of the loss."""
        key, function = self._key(), self.data.function
        return reuse.take(
            self._model,
            key,
            lambda: self._network.derivatives(function, self._scoring),
        )

    @functools.cached_property
    def flow(self):
        """The `synaptic_flow.Flow`."""
        variables = self._network.variables
        return reuse.take(
            self._model,
            ("flow", *variables),
            lambda: synaptic_flow.Flow(self._model, variables),
        )

    def hand_on(self):
        """Leaves what was traced to the next objective of the same model."""
        for name in ("derivatives", "flow"):
            made = vars(self).pop(name, None)
            if made is not None:
                reuse.leave(self._model, made)

    def _key(self):
        """Returns what derivatives are kept by, `None` if they cannot be."""
        return reuse.key(
            self._model,
            self.data.loss,
            self._loss is None,
            self._network.weights,
            self._scoring,
        )
