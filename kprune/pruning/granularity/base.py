"""What all granularities share, and single weights."""

import dataclasses

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
    """Returns the axes of a weight's view that count the rows of its matrix,
    and those that count columns: outputs, and the gates of a recurrent
    kernel."""
    gates = [layout.outputs[0] - 1] if layout.view != layout.shape else []
    columns = gates + list(layout.outputs)
    return [a for a in range(len(layout.view)) if a not in columns], columns


class Granularity:
    """Base of the granularities: all weights fit, no sparsity is fixed.

    A granularity that treats each weight tensor by itself has three methods,
    `pool(scores, alive, layout, rng)`, `live(alive, layout)` and
    `expand(kept, layout)`.

    Attributes:
        sparsity: The sparsity that it fixes, or `None`.
    """

    sparsity = None

    def leaves_output_layer(self, model):
        """Whether the weights of a model's output layer are left out."""
        del model
        return False

    def unfit(self, layout):
        """Returns why a weight cannot be grouped so, or `None`."""
        del layout

    def unprunable_reasons(self, model, excluded):
        """Returns why weights have no group that could go, by name.

        Args:
            model: A built Keras model, wrapped or not.
            excluded: Names of the weights that stay dense.
        """
        del model, excluded
        return {}

    def check(self, mask, layout):
        """Raises `ValueError` if a finished mask breaks the pattern."""
        del mask, layout

    def grouping(self, model, layouts):
        """Returns the groups of a model: see `ByWeight`.

        Args:
            model: A built Keras model, wrapped or not.
            layouts: Dict from name to `Layout` of the weights to prune.
        """
        del model
        return ByWeight(self, layouts)


@dataclasses.dataclass(frozen=True)
class Weight(Granularity):
    """Single weights: unstructured pruning."""

    def pool(self, scores, alive, layout, rng):
        """Returns one score per weight."""
        del alive, layout, rng
        return scores

    def live(self, alive, layout):
        """Returns which groups may be kept: here, which weights."""
        del layout
        return alive

    def expand(self, kept, layout):
        """Returns the mask that keeps the weights `kept`."""
        return kept.reshape(layout.shape)


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

    def shape(self, family):
        """Returns the shape of the weight that stands for a family."""
        return self._layouts[family].shape

    def scored_in(self, names):
        """Returns the grouping for the weights that scores were given for.

        Raises:
            ValueError: If it is not all of them.
        """
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

    def live(self, alive):
        """Returns, by family, which groups have an entry that may be kept."""
        return {
            name: self._grain.live(alive[name], layout)
            for name, layout in self._layouts.items()
        }

    def masks(self, kept, alive):
        """Returns the masks that keep the groups `kept`.

        Args:
            kept: Dict from family to booleans over its groups.
            alive: As for `pooled`.
        """
        return {
            name: self._grain.expand(groups, self._layouts[name]) & alive[name]
            for name, groups in kept.items()
        }

    def removed_size(self, masks, others):
        """Returns how many entries of other variables go with the groups that
        are removed: here, none.

        Args:
            masks: Dict of masks by name.
            others: Dict from the names of the other variables to their sizes.
        """
        del masks, others
        return 0

    def check(self, masks):
        """Raises `ValueError` if finished masks break the pattern."""
        for name, mask in masks.items():
            self._grain.check(mask, self._layouts[name])
