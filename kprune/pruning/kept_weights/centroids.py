"""Replaces kept weights by two values per layer.

Variant C of ASNI, Damadi et al., 2022: after pruning and training, each weight
tensor is stored as two numbers, the means of its positive and of its negative
weights, and the sign of each kept weight. Trained again from these, with fixed
masks, the network is about as accurate.
"""

import dataclasses
import os

import numpy as np

from kprune.masking import weights, wrapping
from kprune.runtime import array_files, checks, files, paths, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method

# Initial values of variables other than kernels, by the variable's name.
_FRESH = {"bias": 0, "beta": 0, "moving_mean": 0}
_FRESH |= {"gamma": 1, "moving_variance": 1}


@dataclasses.dataclass(frozen=True, eq=False)
class Centroids:
    """Two values for each weight tensor, its mask and its kept weights' signs.

    Args:
        values: Dict from weight name to a pair of floats: the means of the
            positive and of the negative kept weights; 0.0 if there are none.
        masks: Dict from weight name to a boolean array, True is kept.
        signs: Dict from weight name to a boolean array of the same shape,
            False where a negative weight is kept. (A kept weight of 0.0 counts
            as positive.)
    """

    values: dict[str, tuple[float, float]]
    masks: dict[str, np.ndarray]
    signs: dict[str, np.ndarray]

    @checked()
    def apply(self, model: types.Model) -> None:
        """Initializes a model from the centroids, for training it again.

        Sets the masks, each kept weight to the value of its sign, biases to 0,
        and normalization to gamma 1, beta 0 and initial statistics. All other
        variables stay. So does the optimizer's state, except for pruned
        entries: compile the model again for a fresh one.

        Args:
            model: A wrapped model with weights of the same names and shapes,
                changed in place.

        Raises:
            ValueError: If the model has no masks, or not these weights. It is
                then unchanged.
        """
        wrapping.set_masks(model, self.masks)
        for weight in weights.find(model):
            if weight.name in self.values:
                positive, negative = self.values[weight.name]
                signed = np.where(self.signs[weight.name], positive, negative)
                signed = np.where(self.masks[weight.name], signed, 0)
                weight.variable.assign(signed)
        kernels = {id(weight.variable) for weight in weights.find(model)}
        for variable in model.variables:
            if id(variable) not in kernels and variable.name in _FRESH:
                variable.assign(np.full(variable.shape, _FRESH[variable.name]))

    @checked(path=paths.file)
    def save(self, path: types.Path) -> int:
        """Writes an `.npz` file.

        It holds the values, one bit per entry for the mask, and one bit per
        kept entry for its sign.

        Args:
            path: File path. An existing file is replaced atomically.

        Returns:
            The size of the file in bytes.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, mask in self.masks.items():
            arrays[f"values/{name}"] = np.array(self.values[name], np.float64)
            arrays[f"shape/{name}"] = np.array(mask.shape, np.int64)
            arrays[f"mask/{name}"] = np.packbits(mask)
            arrays[f"signs/{name}"] = np.packbits(self.signs[name][mask])
        files.write_arrays(path, arrays)
        return os.path.getsize(path)

    @classmethod
    @checked(path=paths.file, max_bytes=checks.optional(checks.at_least(1)))
    def load(
        cls, path: types.Path, max_bytes: int | None = None
    ) -> "Centroids":
        """Reads a file that `save` wrote.

        The file may be untrusted: see `SECURITY.md`.

        Args:
            path: File path.
            max_bytes: Integer >= 1, the most memory that masks and signs may
                take. Defaults to 256 MiB or 64 times the file's size,
                whichever is more.

        Raises:
            ValueError: If it is not such a file, or is damaged.
        """
        kinds = ("values", "shape", "mask", "signs")
        values, masks, signs = {}, {}, {}
        # A bit of a mask expands to two bytes: those of mask and sign.
        with array_files.reading(path, max_bytes, growth=16) as arrays:
            for name in array_files.parts(arrays, "centroids", kinds):
                value, shape, mask, sign = (
                    arrays[f"{k}/{name}"] for k in kinds
                )
                values[name] = _pair(value)
                shape = array_files.shape(shape)
                masks[name] = array_files.unpacked(mask, shape)
                signs[name] = np.ones(shape, bool)
                kept = int(np.count_nonzero(masks[name]))
                signed = array_files.unpacked(sign, (kept,))
                signs[name][masks[name]] = signed
        return cls(values, masks, signs)


@checked()
def centroids(model: types.Model) -> Centroids:
    """Returns the two centroids of each weight tensor of a model.

        c+ = mean of the kept weights > 0,  c- = mean of the kept weights < 0

    Args:
        model: A wrapped model, pruned and trained. It is not modified.

    Returns:
        `Centroids` of all weights that have a mask.

    Raises:
        ValueError: If the model has no masks, or a kept weight is NaN or
            infinite.

    Example:

    >>> pruned = kprune.prune(model, "magnitude", 0.9)
    >>> found = kprune.kept_weights.centroids(pruned)
    >>> size = found.save("centroids.npz")
    >>> kprune.kept_weights.Centroids.load("centroids.npz").apply(pruned)
    """
    masks = wrapping.get_masks(model)
    values, signs = {}, {}
    for weight in weights.find(model):
        if weight.name not in masks:
            continue
        mask = masks[weight.name]
        array = np.asarray(weight.variable.value, np.float64)
        if not np.isfinite(array[mask]).all():
            raise ValueError(
                f"{weight.name!r} keeps weights that are NaN or infinite, "
                "which have no mean. Expected finite weights."
            )
        signs[weight.name] = (array >= 0) | ~mask
        values[weight.name] = (
            _mean(array[mask & (array > 0)]),
            _mean(array[mask & (array < 0)]),
        )
    return Centroids(values, masks, signs)


def _mean(array):
    return float(array.mean()) if array.size else 0.0


def _pair(array):
    """Returns the two values of a file; raises if they cannot be means."""
    fit = array.shape == (2,) and array.dtype == np.float64
    if not (fit and np.isfinite(array).all() and array[0] >= 0 >= array[1]):
        raise array_files.invalid(
            "a number >= 0 and one <= 0, in float64",
            f"{array.dtype} {array!s:.100}",
        )
    return float(array[0]), float(array[1])


METHOD = Method(
    "centroids",
    title="ASNI, centroids",
    call="kprune.kept_weights.centroids(model)",
    paper="Damadi et al., 2022",
    link="https://arxiv.org/abs/2202.09284",
    test="tests/pruning/test_kept_weights.py::test_the_numbers",
)
