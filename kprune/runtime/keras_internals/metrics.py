"""Tells whether a metric is better high or low."""

import itertools

_WORDS = {"up": "max", "down": "min"}


def directions(model):
    """Returns `"max"` or `"min"` by the name of a metric, of those that say it,
    as Keras' own `EarlyStopping` asks them. Others are left out."""
    lists = (getattr(m, "metrics", [m]) for m in model.metrics)
    found = {
        metric.name: _WORDS.get(getattr(metric, "_direction", None))
        for metric in itertools.chain(*lists)
    }
    return {name: way for name, way in found.items() if way is not None}
