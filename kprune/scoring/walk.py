"""Walks through a network block by block.

Each block is measured after the blocks before it have changed. Its inputs are
kept while it is measured, and the next block's inputs are computed from them.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import keras_internals, user_warnings
from kprune.runtime.disk_list import Spool
from kprune.scoring import blocks, points
from kprune.scoring.influence import Influences
from kprune.scoring.inputs import as_tensors
from kprune.scoring.observer import Reached


class Walk:
    """An iterable over the blocks of a network, each a `Part`.

    Args:
        objective: The `Objective` whose weights are measured.
        inputs: The `LayerInputs` of its network.
        point: Dict of the values of all weights, by name.
        batches: Function that returns an iterator of the batches.
        sequential: Whether to go block by block; if not, one part has all
            weights.
    """

    def __init__(self, objective, inputs, point, batches, sequential=True):
        self.objective, self._inputs = objective, inputs
        self.point, self._batches = dict(point), batches
        self._sequential = sequential
        self.masks = {}  # Of weights that were pruned by their masks alone.
        self._calls = None  # The calls of the current block, a `_Calls`.

    def __iter__(self):
        stages = self._stages() if self._sequential else [self._whole()]
        last = max(i for i, stage in enumerate(stages) if stage.names)
        for place, stage in enumerate(stages[: last + 1]):
            if stage.names:
                yield Part(self, stage, last=place == last)
            if place < last and stage.block is not None:
                self._go_on(stage, stages[place + 1 :])

    def moments(self, stage, point, names, gram):
        """Returns the moments of weights of a stage (`LayerInputs.moments`)."""
        inputs = self._inputs
        if inputs.traced:
            values = self._values(point)
            return inputs.moments(values, names, gram, self._batches())
        names = inputs.check(names)
        if stage.block is None:
            values = self._values(point)
            parts = self._from_the_start(stage, values, names, gram)
        else:
            if self._calls is None:
                self._calls = self._recorded(stage)
            values = self._values(point, stage.names)
            parts = self._by_itself(stage, values, names, gram)
        return inputs.summed(names, parts)

    def influences(self):
        """Returns a dict from the name of each weight in a block to how much
        the block changes its input (`kprune.scoring.influence`)."""
        found = blocks.find(self._inputs.network)
        observer, values = Influences(found), self._values(self.point)
        for x, *_ in self._batches():
            self._run(x, values, observer)
        means = observer.means()
        places = blocks.places(found, self._inputs.owners)
        return {name: means[number] for name, number in places.items()}

    def _whole(self):
        return blocks.Stage(list(self.point))

    def _stages(self):
        """Returns the stages, which together have all weights."""
        network, owners = self._inputs.network, self._inputs.owners
        found = blocks.find(network)
        if not found:
            user_warnings.warn(
                f"No blocks are found in model {self.objective.model.name!r}, "
                "and all its weights are measured at once, on the network as "
                "it was. Expected layers of one class, each with layers of "
                "its own."
            )
            return [self._whole()]
        survey = blocks.Survey(found, owners)
        x, *_ = next(iter(self._batches()))
        self._run(x, self._values(self.point), survey)
        return survey.stages()

    def _values(self, point, read=None):
        """Returns the values to compute with, a list.

        Only the weights named in `read`, by default all, are masked: a masked
        copy of all weights would take as much memory as the model.
        """
        values = []
        for name in self.objective.weights:
            value = tf.convert_to_tensor(point[name])
            mask = self.masks.get(name)
            if mask is not None and (read is None or name in read):
                value = tf.where(mask, value, tf.zeros_like(value))
            values.append(value)
        return values

    def _run(self, x, values, observer):
        """Runs the network; returns the `Reached` that ended it, or `None`."""
        try:
            with self._inputs.running(values, observer):
                self._inputs.network(as_tensors(x), training=False)
        except Reached as reached:
            return reached
        return None

    def _from_the_start(self, stage, values, names, gram):
        for x, *_ in self._batches():
            how = {"until": stage.until}
            observer = self._inputs.observer(names, gram, **how)
            self._run(x, values, observer)
            yield observer.found(names)

    def _by_itself(self, stage, values, names, gram):
        for call in self._calls:
            how = {"masks": call.masks}
            observer = self._inputs.observer(names, gram, **how)
            self._call(stage, call, values, observer)
            yield observer.found(names)

    def _call(self, stage, call, values, observer):
        args, kwargs = keras.tree.pack_sequence_as(
            stage.structure, [leaf.tensor() for leaf in call.leaves]
        )
        with self._inputs.running(values, observer):
            return stage.block(*args, **kwargs)

    def _recorded(self, stage):
        """Returns the calls of a block on all batches, a `_Calls`."""
        values, calls = self._values(self.point), _Calls()
        for x, *_ in self._batches():
            observer = self._inputs.observer(until=stage.block)
            reached = self._run(x, values, observer)
            leaves = keras.tree.flatten(reached.call)
            calls.append(map(_Leaf.of, leaves), reached.masks)
        return calls

    def _go_on(self, stage, later):
        """Replaces the calls of this block by those of the next one."""
        calls, self._calls = self._calls, None
        link = next((s.link for s in later if s.block is not None), None)
        if link is None or self._inputs.traced:
            return
        self._calls, before = _Calls(), calls or self._recorded(stage)
        values = self._values(self.point, stage.names)
        for call in before:
            observer = self._inputs.observer(masks=call.masks)
            outputs = self._call(stage, call, values, observer)
            found = {
                "input": call.leaves,
                "output": list(map(_Leaf.of, keras.tree.flatten(outputs))),
            }
            leaves = [
                _Leaf(value) if kind == "constant" else found[kind][value]
                for kind, value in link
            ]
            self._calls.append(leaves, call.masks)


class Part:
    """Some weights of an objective, measured after those before them changed.

    A criterion that needs the inputs of weights can use it as an objective.
    Weights of other parts have their current values.

    Attributes:
        weights, masks, layouts: Dicts by name, of this part's weights.
        last: Whether it is the last part.
    """

    def __init__(self, walk, stage, last):
        self._walk, self._stage, self.last = walk, stage, last
        objective = walk.objective
        self.model, self.seed = objective.model, objective.seed
        self.scoring = objective.scoring
        self.weights, self.masks, self.layouts = (
            {name: found[name] for name in stage.names}
            for found in (objective.weights, objective.masks, objective.layouts)
        )

    def inputs(self, weights, gram=False, names=None):
        """Returns the second moments of the inputs of these weights, as
        `Objective.inputs`."""
        names = self._stage.names if names is None else names
        points.names(weights, self.weights, {})
        point = {**self._walk.point, **weights}
        return self._walk.moments(self._stage, point, list(names), gram)

    def settle(self, weights):
        """Sets new values of these weights, for the parts after this one."""
        points.names(weights, self.weights, {})
        for name, value in weights.items():
            value = tf.cast(value, self.weights[name].dtype)
            self._walk.point[name] = value

    def prune(self, masks):
        """Sets masks of these weights, for the parts after this one."""
        points.names(masks, self.weights, {})
        self._walk.masks.update(masks)


@dataclasses.dataclass(frozen=True, eq=False)
class _Leaf:
    """An argument of a layer's call: an array with its padding mask, or a value
    that is not a tensor."""

    value: object
    padding: object = None
    is_tensor: bool = False

    @classmethod
    def of(cls, leaf):
        if not blocks.is_tensor(leaf):
            return cls(leaf)
        padding = keras_internals.padding_of(leaf)
        if padding is not None:
            padding = np.asarray(padding)
        return cls(np.asarray(leaf), padding, is_tensor=True)

    def tensor(self):
        if not self.is_tensor:
            return self.value
        tensor = tf.convert_to_tensor(self.value)
        if self.padding is not None:
            padding = tf.convert_to_tensor(self.padding)
            keras_internals.set_padding(tensor, padding)
        return tensor


@dataclasses.dataclass(frozen=True, eq=False)
class _Call:
    """The arguments of a block's call on one batch, and the padding masks of
    the enclosing calls."""

    leaves: list
    masks: list


class _Calls:
    """A list of `_Call`, whose arrays go to disk if there are many."""

    def __init__(self):
        self._arrays, self._others = Spool(), []

    def append(self, leaves, masks):
        leaves = list(leaves)
        self._arrays.append([leaf.value for leaf in leaves if leaf.is_tensor])
        rest = [
            dataclasses.replace(leaf, value=None) if leaf.is_tensor else leaf
            for leaf in leaves
        ]
        self._others.append((rest, masks))

    def __iter__(self):
        for place, (rest, masks) in enumerate(self._others):
            arrays = iter(self._arrays[place])
            leaves = [
                dataclasses.replace(leaf, value=next(arrays))
                if leaf.is_tensor
                else leaf
                for leaf in rest
            ]
            yield _Call(leaves, masks)
