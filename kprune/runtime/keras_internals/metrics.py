"""Tells whether a metric is better high or low."""

import itertools

_WORDS = {"up": "max", "down": "min"}


def directions(model):
    """Returns a dict from the name of each metric to `"max"` or `"min"`, from
    the attribute that Keras' `EarlyStopping` reads. Omits metrics without."""
    lists = (getattr(m, "metrics", [m]) for m in model.metrics)
    found = {
        metric.name: _WORDS.get(getattr(metric, "_direction", None))
        for metric in itertools.chain(*lists)
    }
    return {name: way for name, way in found.items() if way is not None}
