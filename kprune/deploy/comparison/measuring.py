"""Measures each row of a comparison."""

import functools

import keras

from kprune.deploy.comparison import (
    agreement,
    inputs,
    memory,
    processes,
    running,
    sizes,
)
from kprune.deploy.comparison.result import Row
from kprune.deploy.comparison.timing import compare_times
from kprune.deploy.exporting.inputs import flat
from kprune.runtime import examples

_TENSORFLOW = {"keras", "packed", "saved_model"}
_THREADS = (
    "Keras and SavedModels compute on TensorFlow's threads, all other runtimes "
    "on one."
)


class Measuring:
    """The measurements of two sides, in one runtime or several.

    Args:
        pair: The sides before and after.
        data: `Batches`, or `None` for random inputs.
        batch_size: Examples in a batch of random inputs.
        repeats: Number of alternations per ratio of times.
        processes: Number of processes to time inference in, or `None`.
        most: Maximum number of examples for accuracy.
        peak_memory: Whether to measure peak memory.

    Attributes:
        cut_off: Tuple of those of `"before"` and `"after"` whose outputs do
            not depend on the inputs.
        notes: Tuple of sentences that explain the figures; measuring adds to
            it.
    """

    def __init__(
        self, pair, data, batch_size, repeats, processes, most, peak_memory
    ):
        self._pair, self._data = pair, data
        self._repeats, self._processes, self._most = repeats, processes, most
        self._peak_memory = peak_memory
        self._fixed = inputs.fixed(pair)
        self.notes = ()
        size, given = self._given(batch_size)
        self.cut_off = tuple(
            which
            for which, side, x in zip(
                ("before", "after"), pair, given, strict=True
            )
            if inputs.is_cut_off(x, side.outputs(x))
        )
        self._batches = {size: given}
        if not self._fixed and size > 1:
            ones = keras.tree.map_structure(lambda a: a[:1], given)
            self._batches = {1: ones, **self._batches}

    @property
    def largest(self):
        """The largest batch of inputs, one for each side."""
        *_, (_, given) = self._batches.items()
        return given

    def _batches_of(self, pair):
        """Returns the batches for a pair: an exported file may have a fixed
        batch size where its model has not."""
        size = inputs.fixed(pair)
        if size in (None, self._fixed):
            return self._batches
        cut = keras.tree.map_structure(lambda a: a[:size], self.largest)
        return {size: cut}

    def _given(self, batch_size):
        """Returns the batch size, and the inputs of each side."""
        if self._data is not None:
            x = inputs.tensors(self._data.at(0))
            return examples.count(keras.tree.flatten(x)[0]), [x, x]
        size = self._fixed or batch_size
        models = [side for side in self._pair if side.model is not None]
        if len(models) == 1:  # A model knows more of its inputs than a file.
            return size, 2 * [models[0].made_up(size)]
        return size, [side.made_up(size) for side in self._pair]

    def steps(self, groups):
        """Returns functions without arguments that return a list of rows each.

        Args:
            groups: Dict from the prefix of row names to a pair of sides in one
                runtime.
        """
        found = [self._counts]
        used = {side.runtime for pair in groups.values() for side in pair}
        if used - _TENSORFLOW:
            self.notes += (_THREADS,)
        if self._processes is not None:
            told = f"Inference was timed in {self._processes} new processes."
            self.notes += (told,)
        for prefix, pair in groups.items():
            batches = self._batches_of(pair)
            parts = [self._files, *map(self._inference, batches)]
            if None not in (side.model for side in pair):
                parts.append(self._training)
            if self._data is not None:
                parts.append(self._agreement)
            if self._peak_memory:
                parts.append(self._memory)
            found += [functools.partial(x, prefix, pair) for x in parts]
        return found

    def _counts(self):
        models = [side.model for side in self._pair]
        found = [
            (None, None)
            if model is None
            else (sizes.parameters(model), sizes.multiply_adds(model, x))
            for model, x in zip(models, self.largest, strict=True)
        ]
        names = "parameters", "multiply-adds per example"
        return [
            _counted(name, numbers)
            for name, numbers in zip(
                names, zip(*found, strict=True), strict=True
            )
        ]

    def _files(self, prefix, pair):
        whole, gzipped = zip(*(side.bytes() for side in pair), strict=True)
        return [
            _counted(f"{prefix}file", whole, "bytes"),
            _counted(f"{prefix}file, gzipped", gzipped, "bytes"),
        ]

    def _inference(self, size):
        def measure(prefix, pair):
            given = self._batches_of(pair)[size]
            name = f"{prefix}inference, batch {size}"
            if self._processes is not None:
                how = self._repeats, self._processes
                return [
                    _timed(name, processes.compare_times(pair, given, *how))
                ]
            functions = [
                side.inference(x) for side, x in zip(pair, given, strict=True)
            ]
            return [_timed(name, compare_times(*functions, self._repeats))]

        return measure

    def _training(self, prefix, pair):
        *_, (size, given) = self._batches_of(pair).items()
        functions = [
            running.training_step(side.model, x)
            for side, x in zip(pair, given, strict=True)
        ]
        # The steps move the statistics of batch normalization, which the
        # accuracy, measured after them, depends on.
        moved = [v for s in pair for v in s.model.non_trainable_variables]
        values = [v.numpy() for v in moved]
        name = f"{prefix}training step, batch {size}"
        if None in functions:
            return [Row(name, None, None, None, unit="ms")]
        row = _timed(name, compare_times(*functions, self._repeats))
        for variable, value in zip(moved, values, strict=True):
            variable.assign(value)
        return [row]

    def _agreement(self, prefix, pair):
        found = agreement.measure(*pair, self._data, self._most, self._fixed)
        if found is None:
            return []
        told = f"Accuracy and agreement are of {found.examples:,} examples."
        self.notes = tuple(dict.fromkeys([*self.notes, told]))
        both = found.before, found.after
        return [
            Row(f"{prefix}accuracy", *both, None, unit="share"),
            Row(f"{prefix}agreement", None, found.same, None, unit="share"),
        ]

    def _memory(self, prefix, pair):
        *_, given = self._batches_of(pair).values()
        found = []
        for side, x in zip(pair, given, strict=True):
            try:
                found.append(memory.peak(side, flat(x)))
            except ValueError as error:
                found.append(None)
                told = f"Peak memory of {side.name} is not known: {error}"
                self.notes = (*self.notes, told)
        return [_counted(f"{prefix}peak memory", found, "bytes")]


def _counted(name, numbers, unit=""):
    before, after = numbers
    ratio = before / after if before is not None and after else None
    return Row(name, before, after, ratio, unit=unit)


def _timed(name, found):
    before, after = 1000 * found.before, 1000 * found.after
    return Row(name, before, after, found.ratio, found.spread, "ms")
