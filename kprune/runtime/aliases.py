"""Lets `import` find packages by a second name."""

import sys


def alias(package, name):
    """Lets `import` find a package and its loaded modules by another name.

    The modules are the same objects, so no class exists twice.

    Args:
        package: Dotted name of a package whose modules are all loaded.
        name: The other dotted name, whose parent package has the package as an
            attribute.
    """
    for own, module in list(sys.modules.items()):
        if own == package or own.startswith(f"{package}."):
            sys.modules[name + own.removeprefix(package)] = module
