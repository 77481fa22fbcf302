"""The interface of granularities, and single weights."""

import dataclasses
import math

import numpy as np

# How the scores of a group become one.
REDUCE = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "l2": lambda a, axis: np.sqrt(np.sum(np.square(a), axis=axis)),
    "first": lambda a, axis: np.moveaxis(a, axis, range(len(axis)))[
        (0,) * len(axis)
    ],
    "abs_sum": lambda a, axis: np.abs(np.sum(a, axis=axis)),
}


def matrix_axes(layout):
    """Returns the axes of a view that count the rows of a weight's matrix, and
    the columns: outputs, and the gates of a recurrent kernel."""
    gates = [layout.outputs[0] - 1] if layout.view != layout.shape else []
    columns = gates + list(layout.outputs)
    return [a for a in range(len(layout.view)) if a not in columns], columns


def as_matrix(array, layout):
    """Returns a weight as the matrix of `matrix_axes`."""
    rows, columns = matrix_axes(layout)
    count = math.prod(layout.view[a] for a in columns)
    moved = np.transpose(array.reshape(layout.view), rows + columns)
    return moved.reshape(-1, count)


def matrix_shape(layout):
    """Returns the shape of the matrix of `as_matrix`."""
    rows, columns = matrix_axes(layout)
    return tuple(
        math.prod(layout.view[a] for a in axes) for axes in (rows, columns)
    )


def put_back(moved, layout, order=None):
    """Returns a weight whose view's axes were put in another order, by default
    that of `as_matrix`."""
    rows, columns = matrix_axes(layout)
    order = order or rows + columns
    moved = moved.reshape([layout.view[a] for a in order])
    return np.transpose(moved, np.argsort(order)).reshape(layout.shape)


class Granularity:
    """Base of the granularities: all weights fit, no sparsity is fixed.

    One that treats each weight tensor by itself has three methods: `pool`, to
    a score for each group, `live`, which groups may be kept, and `expand`, from
    the groups kept to a mask. Here, each weight is a group.
    """

    sparsity = None  # The one that a granularity fixes.
    empties_weights = False  # Whether weights are meant to lose all entries.
    min_kept = 0  # Groups that each weight keeps at least, unless one is said.

    def allocation(self, entry):
        """Returns how groups are shared out, unless that is said.

        Args:
            entry: The criterion's entry in the table of methods, or `None`.
        """
        return "global" if entry is None else entry.allocation

    def leaves_output_layer(self, model):
        """Whether the weights of a model's output layer are left out."""
        del model
        return False

    def unfit(self, layout):
        """Returns why a weight cannot be grouped so, or `None`."""
        del layout

    def unprunable_reasons(self, model, excluded):
        """Returns why weights have no group that could go, by name."""
        del model, excluded
        return {}

    def settle(self, model, masks):
        """Changes what goes with the groups that masks on a model remove, but
        has no mask: by default, nothing."""
        del model, masks

    def check(self, mask, layout):
        """Raises `ValueError` if a finished mask breaks the pattern."""
        del mask, layout

    def grouping(self, model, layouts):
        """Returns the groups of a model: see `ByWeight`."""
        del model
        return ByWeight(self, layouts)

    def outputs(self, layout):
        """Returns the output that each group is of, an array of integers, or
        `None` if a group is not of one."""
        rows, columns = matrix_shape(layout)
        numbers = np.arange(columns, dtype=np.int32)  # As many as weights.
        return put_back(np.tile(numbers, rows), layout)

    def pool(self, scores, alive, layout, rng):
        del alive, layout, rng
        return scores

    def live(self, alive, layout):
        del layout
        return alive

    def expand(self, kept, layout):
        return kept.reshape(layout.shape)


@dataclasses.dataclass(frozen=True)
class Weight(Granularity):
    """Single weights: unstructured pruning."""


class ByWeight:
    """Groups that lie within one weight tensor each.

    The groups come in families, which allocations deal with: here, one for
    each weight, of its name.

    Args:
        grain: A `Granularity`.
        layouts: Dict from name to `Layout` of the weights to prune.
    """

    def __init__(self, grain, layouts):
        self._grain = grain
        self._layouts = layouts

    @property
    def least(self):
        """Groups that each family keeps at least, unless a number is said."""
        return self._grain.min_kept

    def shape(self, family):
        """Returns the shape of the weight that stands for a family."""
        return self._layouts[family].shape

    def scored_in(self, names):
        """Returns the grouping, if all its weights have scores."""
        for name in self._layouts:
            if name not in names:
                raise ValueError(
                    f"The criterion gave no scores for {name!r}. Expected one "
                    f"array per weight. Received: {sorted(names)}"
                )
        return self

    def pooled(self, scores, alive, rng):
        """Yields (family, array with a score for each group).

        Args:
            scores: Dict from weight name to array.
            alive: Dict from name to booleans: which entries may be kept.
            rng: Function from a name to a random generator.
        """
        for name, layout in self._layouts.items():
            pool = self._grain.pool
            yield name, pool(scores[name], alive[name], layout, rng(name))

    def outputs(self, family):
        """Returns the output of each group of a family, or `None`."""
        return self._grain.outputs(self._layouts[family])

    def live(self, alive):
        """Returns, by family, which groups have an entry that may be kept."""
        return {
            name: self._grain.live(alive[name], layout)
            for name, layout in self._layouts.items()
        }

    def masks(self, kept, alive):
        """Returns the masks that keep the groups `kept`, booleans by family."""
        return {
            name: self._grain.expand(groups, self._layouts[name]) & alive[name]
            for name, groups in kept.items()
        }

    def removed_size(self, masks, others):
        """Returns how many entries of other variables, of which `others` has
        the sizes by name, go with the groups that are removed."""
        del masks, others
        return 0

    def check(self, masks):
        """Raises `ValueError` if finished masks break the pattern."""
        for name, mask in masks.items():
            self._grain.check(mask, self._layouts[name])
