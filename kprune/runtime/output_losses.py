"""Matches losses to the outputs of a model."""

import keras

from kprune.runtime.words import shown


def by_output(model, loss, outputs):
    """Returns a list of the losses of the flat outputs, as Keras pairs them:
    one for all, by position, or by name in any order; `None` for an output
    without a loss."""

    def at(path):
        found = loss
        for step in path:
            if isinstance(found, dict):
                # Outputs in a list go by the names of their layers.
                key = step if step in found else names.get(step)
                found = found.get(key)
            elif keras.tree.is_nested(found):
                found = found[step]
        if isinstance(found, dict) and not path:
            (found,) = found.values()
        return found

    names = dict(enumerate(getattr(model, "output_names", None) or ()))
    paths = [path for path, _ in keras.tree.flatten_with_path(outputs)]
    try:
        return [at(path) for path in paths]
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(
            f"Expected one loss for all {len(paths)} outputs, or one for each, "
            f"by place or name. Received: loss={shown(loss)}"
        ) from error
