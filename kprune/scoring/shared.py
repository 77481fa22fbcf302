"""The state that all views of an objective share, created on first use."""

import functools

from kprune.scoring import data as scoring_data
from kprune.scoring import (
    output_change,
    path_activations,
    reuse,
    synaptic_flow,
)
from kprune.scoring.batches import size
from kprune.scoring.walk import Walk


class Shared:
    """Batches and loss, derivatives and flow of a model.

    Args:
        model: A Keras model.
        network: Its `network.Network`.
        data, loss, scoring, seed: As for `Objective`.
    """

    def __init__(self, model, network, data, loss, scoring, seed):
        self._model, self._network = model, network
        self._data, self._loss = data, loss
        self._scoring, self._seed = scoring, seed
        self._flows = {}

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

    def shares(self, places):
        """Returns each batch's share of the examples, a list that sums to 1."""
        if len(places) == 1:
            return [1]
        sizes = [size(self.data.batches.at(place)) for place in places]
        return [n / sum(sizes) for n in sizes]

    def batches(self, places, progress):
        """Yields some batches and reports progress."""
        progress.begin_pass(len(places))
        for place in places:
            yield self.data.batches.at(place)
            progress.batch_done()

    def mean(self, kind, values, places, progress, **options):
        """Returns the mean of one kind of derivative over some batches.

        Args:
            kind, values, **options: As for `Derivatives.__call__`.
            places: Numbers of the batches.
            progress: A `Progress`.

        Returns:
            A list of tensors.
        """
        mean = None
        for place, share in zip(places, self.shares(places), strict=True):
            batch = self.data.batches.at(place)
            part = self.derivatives(kind, values, batch, **options)
            if share < 1:
                part = [share * p for p in part]
            if mean is not None:
                part = [a + b for a, b in zip(mean, part, strict=True)]
            mean = part
            progress.batch_done()
        return mean

    @functools.cached_property
    def derivatives(self):
        """The `derivatives.Derivatives` of the loss."""
        key, function = self._key(), self.data.function
        return reuse.take(
            self._model,
            key,
            lambda: self._network.derivatives(function, self._scoring),
        )

    def flow(self, power):
        """Returns the `synaptic_flow.Flow` for a power of the weights."""
        if power not in self._flows:
            variables = self._network.variables
            self._flows[power] = reuse.take(
                self._model,
                ("flow", power, *variables),
                lambda: synaptic_flow.Flow(self._model, variables, power),
            )
        return self._flows[power]

    @functools.cached_property
    def output_change(self):
        """The `output_change.OutputChange`."""
        variables = self._network.variables
        return reuse.take(
            self._model,
            ("output_change", *variables),
            lambda: output_change.OutputChange(self._model, variables),
        )

    @functools.cached_property
    def path_activations(self):
        """The `path_activations.PathActivations`."""
        variables = self._network.variables
        return reuse.take(
            self._model,
            ("path_activations", *variables),
            lambda: path_activations.PathActivations(self._model, variables),
        )

    def walk(self, objective, point, places, sequential):
        """Returns the `walk.Walk` of an objective over some batches."""
        batches = functools.partial(self.batches, places, objective.progress)
        return Walk(objective, self.inputs, point, batches, sequential)

    @functools.cached_property
    def inputs(self):
        """The `inputs.LayerInputs`; raises `ValueError` without data."""
        if self._data is None:
            raise ValueError(
                "What weights read is measured on calibration data, which "
                "noise cannot stand in for. Expected `data`, inputs such as "
                "the model is used on. Received: None"
            )
        return self._network.inputs(self._scoring)

    def hand_on(self):
        """Hands traces and copies on to the next objective of the model."""
        names = ("derivatives", "output_change", "path_activations")
        made = [vars(self).pop(name, None) for name in names]
        for one in [*made, *self._flows.values()]:
            if one is not None:
                reuse.leave(self._model, one)
        self._flows = {}

    def _key(self):
        """Returns the key of the derivatives, `None` if they cannot be kept."""
        return reuse.key(
            self._model,
            self.data.loss,
            self._loss is None,
            self._network.weights,
            self._scoring,
        )
