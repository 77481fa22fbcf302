"""The methods of the literature, by name."""

import inspect

from kprune.callbacks.dynamic.deepr import DeepR, SoftDeepR
from kprune.callbacks.dynamic.dns import DNS
from kprune.callbacks.dynamic.dsr import DSR
from kprune.callbacks.dynamic.rigl import RigL
from kprune.callbacks.dynamic.snfs import SNFS
from kprune.callbacks.dynamic.sparse_evolutionary import SET
from kprune.callbacks.dynamic.static import Static
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.runtime import lookup

METHODS = {
    "set": SET,
    "deepr": DeepR,
    "soft_deepr": SoftDeepR,
    "dsr": DSR,
    "snfs": SNFS,
    "rigl": RigL,
    "dns": DNS,
    "static": Static,
}


def get(method, **options):
    """Returns the updater that a method stands for.

    Args:
        method: A name, or an `MaskUpdater`, which is returned as it is.
        **options: Options of a method given by name.

    Raises:
        ValueError: If there is no such method or option, or a value does not
            fit.
    """
    if isinstance(method, MaskUpdater):
        if options:
            raise ValueError(
                "Options belong to a method given by name. Received an "
                f"MaskUpdater and the options {sorted(options)}."
            )
        return method
    kind = lookup.choose(method, METHODS, "method of dynamic sparse training")
    known = list(inspect.signature(kind).parameters)
    lookup.check_options(options, known, f"method {method!r}")
    return kind(**options)
