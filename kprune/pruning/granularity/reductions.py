"""How the scores of a group become one."""

import numpy as np

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
