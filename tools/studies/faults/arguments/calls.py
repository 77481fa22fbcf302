"""The good calls: each public callable with arguments that fit."""

import dataclasses
import itertools
import types
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that works.

    Args:
        name: What is called, in words.
        function: Function of no argument that gives what to call.
        arguments: Dict of arguments that fit; a `Fresh` is made anew.
        changes: Whether it changes a model in place when it works.
        heavy: Whether it takes a second or more.
    """

    name: str
    function: Callable
    arguments: dict
    changes: bool = False
    heavy: bool = False

    @property
    def chance(self):
        """How often it is drawn, relative to others: by its arguments, of
        which a long call has more to go wrong before it begins."""
        return len(self.arguments) * (0.15 if self.heavy else 1)


@dataclasses.dataclass(frozen=True)
class Fresh:
    """An argument that is made anew for each case."""

    make: Callable


def value(argument):
    """Returns an argument's value."""
    return argument.make() if isinstance(argument, Fresh) else argument


def call(function, title=None, /, changes=False, heavy=False, **arguments):
    """Returns the `Call` of a function."""
    title = title or f"{function.__module__}.{function.__qualname__}"
    return Call(title, lambda: function, arguments, changes, heavy)


def method(make, title, /, changes=False, heavy=False, **arguments):
    """Returns the `Call` of a method of what `make` gives."""
    return Call(title, make, arguments, changes, heavy)


def use(found):
    """Uses what a call gave, as its caller would."""
    if isinstance(found, types.GeneratorType):
        for _ in itertools.islice(found, 3):
            pass
    str(found)
