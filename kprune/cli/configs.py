"""Loads the config that `--config` names."""

import importlib.util
import pathlib

from kprune import experiment
from kprune.runtime import lookup

_PACKAGE = pathlib.Path(__file__).parents[1]
# In a checkout, the configs are beside the package.
INSTALLED = _PACKAGE / "experiment" / "configs"
SHIPPED = INSTALLED if INSTALLED.is_dir() else _PACKAGE.parent / "configs"


def names():
    """Returns the names of the configs that kprune ships, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.py"))


def load(text):
    """Returns the complete config of `NAME` or `NAME:ARGUMENT`.

    `NAME` is a config that kprune ships, or the path of a Python file that has
    `get_config(argument)`.
    """
    name, *argument = text.split(":", 1)
    path = _path(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ValueError(f"Expected a function `get_config` in {path}.")
    return experiment.complete(module.get_config(*argument))


def _path(name):
    """Returns the path of a config's file."""
    path = pathlib.Path(name)
    if path.suffix != ".py":
        path = SHIPPED / f"{name}.py"
        if "/" in name or not path.is_file():
            raise ValueError(lookup.unknown(name, names(), "config"))
    elif not path.is_file():
        beside = list(map(str, path.parent.glob("*.py")))
        raise ValueError(lookup.unknown(name, beside or names(), "config"))
    return path
