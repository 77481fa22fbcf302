"""Measures the validation metric and its confidence interval."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from kprune.runtime import checks, examples, fit_arguments

_LOWER = ("loss", "error", "mse", "mae", "entropy", "hinge", "divergence")
_HIGHER = ("acc", "auc", "precision", "recall", "f1", "iou", "score", "dice")
_Z = 1.959964  # Of the standard normal distribution, for 95 %.
_PARTS = 32  # Parts of the examples, whose spread gives an interval.


@dataclasses.dataclass(frozen=True, eq=False)
class Quality:
    """A compiled metric on validation data.

    Attributes:
        batches: Finite `tf.data.Dataset` of batches.
        count: Integer, the number of examples in it.
        name: Name of the metric, as `evaluate` returns it.
        sign: 1 if higher is better, else -1.
        before: Dict of the original model's metrics, as strings of four
            digits.
    """

    batches: tf.data.Dataset
    count: int
    name: str
    sign: int
    before: dict

    def measure(self, model):
        """Returns the metric of a compiled model, and its 95 % interval.

        The interval is `None` if it cannot be estimated.
        """
        found = model.evaluate(self.batches, return_dict=True, verbose=0)
        value = float(found[self.name])
        return value, self._interval(model, value)

    def drop(self, before, after):
        """Returns by how much a metric got worse; below 0 if it got better."""
        return self.sign * (before - after)

    def _interval(self, model, value):
        """Returns the ends of the interval, or `None`.

        That of an accuracy is Wilson's; that of another metric is the normal
        one of the mean over parts of the examples.
        """
        if "acc" in self.name and 0 <= value <= 1:
            return wilson(value, self.count)
        size = max(1, self.count // _PARTS)
        values = []
        for batch in self.batches.unbatch().batch(size):
            model.reset_metrics()
            found = model.test_on_batch(*batch, return_dict=True)
            values.append(float(found[self.name]))
        if len(values) < 2:
            return None
        half = _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return [value - half, value + half]


def wilson(share, count):
    """Returns the 95 % score interval of a share of `count` examples.

    Wilson, 1927, https://doi.org/10.2307/2276774.
    """
    z = _Z**2 / count
    middle = (share + z / 2) / (1 + z)
    half = math.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return [max(0.0, middle - half), min(1.0, middle + half)]


def batched(data, batch_size):
    """Returns validation data as a `tf.data.Dataset`, and its example count.

    Args:
        data: Arrays (x, y) or (x, y, sample_weight), or a finite data set of
            such batches.
        batch_size: Integer, for arrays.
    """
    if isinstance(data, tf.data.Dataset):
        flat = (tf.nest.flatten(batch)[0] for batch in data)
        count = sum(examples.count(x) for x in flat)
    else:
        count = examples.count(tf.nest.flatten(data)[0])
        data = tf.data.Dataset.from_tensor_slices(data).batch(batch_size)
    if not count:
        raise ValueError("`validation` is empty. Expected examples.")
    return data, count


def find_metric(found, name, mode, model):
    """Returns the name of a metric, and 1 if higher is better, else -1.

    Args:
        found: Names that `evaluate` returns.
        name: Name of one, or `None` for the only one beside the loss.
        mode: `"auto"`, `"min"` or `"max"`.
        model: Name of the model.
    """
    if name is None:
        own = [one for one in found if not one.endswith("loss")]
        if len(own) != 1:
            words = "several metrics" if own else "no metric"
            raise ValueError(
                f"Model {model!r} is compiled with {words}. Expected one, or "
                f"`metric=` with one of {', '.join(sorted(found))}."
            )
        (name,) = own
    checks.choice("metric", name, tuple(found))
    return name, _direction(name) if mode == "auto" else _SIGNS[mode]


_SIGNS = {"max": 1, "min": -1}


def _direction(name):
    lower = any(word in name.lower() for word in _LOWER)
    higher = any(word in name.lower() for word in _HIGHER)
    if lower == higher:
        raise ValueError(
            f"kprune does not know whether a higher {name!r} is better. "
            'Expected `mode="max"` or `mode="min"`.'
        )
    return 1 if higher else -1


def check_validation(name, value):
    """Returns valid validation data: arrays, or a finite data set."""
    if value is None:
        raise ValueError(
            "There is no validation data. Expected `validation`, arrays (x, y) "
            "or a tf.data.Dataset of batches, apart from what is trained and "
            "tested on."
        )
    if isinstance(value, tuple) and fit_arguments.are_arrays(value):
        fit_arguments.specs(name, value)
        return value
    return fit_arguments.finite_dataset(name, value)
