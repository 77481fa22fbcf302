"""Lets `import` find packages by a second name."""

import sys


def alias(package, name):
    """Lets `import` find a package, and all that is loaded of it, by another
    name, as the same modules: classes are not made twice.

    Args:
        package: Dotted name of a package whose modules are all loaded.
        name: The other name, below a package that holds it as an attribute.
    """
    for own, module in list(sys.modules.items()):
        if own == package or own.startswith(f"{package}."):
            sys.modules[name + own.removeprefix(package)] = module
