"""Gives each method one colour, the same in every figure.

Variants that share a colour differ by their marker or dashes.
"""

import itertools
import zlib

# Okabe and Ito's palette for colour-blind readers, without yellow.
BLUE, RED, SKY = "#0072B2", "#D55E00", "#56B4E9"
COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", SKY, "#888888")
_MARKERS = ("o", "s", "^", "D", "v", "P")
# Methods that often share a figure: those of a line have seven colours.
_KNOWN = (
    *("snip", "grasp", "synflow", "random", "force", "magnitude", "prospr"),
    *("ossum", "linear_ossum", "log_ossum", "pab", "supermask", "coreset"),
    "neuron_norm",
)


def look(name, taken=()):
    """Returns matplotlib's options for the line of a method.

    The colour depends only on the name, so it is the same in every figure.

    Args:
        name: Name of the method, without settings.
        taken: Looks of other lines in the figure. If one of them is the same,
            this one gets another marker or a dashed line.
    """
    place = zlib.crc32(name.encode())
    number = _KNOWN.index(name) if name in _KNOWN else place
    color = COLORS[number % len(COLORS)]
    shift = number if name in _KNOWN else place // len(COLORS)
    for line, step in itertools.product(("-", "--", ":"), range(len(_MARKERS))):
        marker = _MARKERS[(shift + step) % len(_MARKERS)]
        found = {"color": color, "marker": marker, "linestyle": line}
        if found not in [{k: one.get(k) for k in found} for one in taken]:
            break
    return found


def looks(names):
    """Returns the `look` of each method of a figure, as a dict by name."""
    found = {}
    for name in names:
        found[name] = look(name, list(found.values()))
    return found
