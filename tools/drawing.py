"""Drawing with matplotlib, which kprune does not need otherwise."""

import importlib.util


def missing():
    """Returns what to install before anything can be drawn, or `None`."""
    if importlib.util.find_spec("matplotlib") is None:
        return (
            "There will be no plot: it needs matplotlib, which is not "
            'installed. pip install "kprune[plots]" brings it.'
        )
    return None


def pyplot():
    """Returns matplotlib's `pyplot`, drawing into files alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
