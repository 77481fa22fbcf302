"""Every public call says what types it takes and returns."""

import inspect
import pathlib
import types

import keras
import tensorflow as tf

import kprune

BASES = (
    *(keras.Model, keras.layers.Layer, keras.callbacks.Callback),
    *(keras.optimizers.Optimizer, keras.losses.Loss, keras.utils.PyDataset),
    *(keras.constraints.Constraint, keras.regularizers.Regularizer),
    *(keras.initializers.Initializer, tf.Module),
)


def public(module, seen):
    """Yields (name, value) of all that is public in a module, and below it."""
    seen.add(module)
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
        ]
    for name in names:
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            if value not in seen:
                yield from public(value, seen)
        elif not name.startswith("_"):
            yield f"{module.__name__}.{name}", value


def functions(name, value):
    """Yields (name, function) of a function, or of a class's own methods."""
    if inspect.isfunction(value):
        yield name, value
    if not inspect.isclass(value):
        return
    for key, method in vars(value).items():
        if key.startswith("_") and key != "__init__":
            continue
        if isinstance(method, property):
            method = method.fget
        method = inspect.unwrap(getattr(method, "__func__", method))
        # What Keras defines, Keras calls.
        theirs = any(hasattr(b, key) for b in BASES if issubclass(value, b))
        if inspect.isfunction(method) and (key == "__init__" or not theirs):
            yield f"{name}.{key}", method


def untyped(function):
    """Returns the names of parameters without a type, and "return"."""
    signature = inspect.signature(inspect.unwrap(function))
    found = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty
        and name not in ("self", "cls")
    ]
    if signature.return_annotation is signature.empty:
        made = function.__name__ == "__init__"
        found += [] if made else ["return"]
    return found


def test_public_calls_are_annotated():
    missing = {}
    for name, value in public(kprune, set()):
        for path, function in functions(name, value):
            if (function.__module__ or "").startswith("kprune."):
                found = untyped(function)
                if found:
                    missing[path] = found
    assert not missing, "\n".join(f"{k}: {v}" for k, v in missing.items())


def test_types_of_kprune_reach_those_who_install_it():
    assert (pathlib.Path(kprune.__file__).parent / "py.typed").exists()
