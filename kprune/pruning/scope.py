"""The scope of a pruner: which weights it prunes, and how many."""

import math

from kprune.masking import weights
from kprune.runtime import checks, user_warnings
from kprune.runtime.words import shown
from kprune.scoring import config, read_inputs
from kprune.scoring.network import excluded
from kprune.scoring.objective import Objective


def left_out(view, pruner):
    """Returns why prunable weights are left out.

    Args:
        view: A `weights.View` of a Keras model, or the model.
        pruner: A `Pruner` or a `Chain`. If its criterion measures layer
            inputs, weights whose inputs are unknown are left out, with a
            warning.

    Returns:
        Dict from a weight's name to the reason.

    Raises:
        ValueError: If an entry of `exclude` matches no weight or layer.
    """
    view = weights.find(view)
    model, found = view.model, weights.prunable(view)
    grain = pruner.grain
    notes = dict.fromkeys(excluded(view, pruner.exclude), "excluded")
    if grain.leaves_output_layer(model):
        outputs = weights.output_names(view)
        notes.update({n: "output layer" for n in found if n in outputs})
    for name, weight in found.items():
        reason = grain.unfit(weight.layout)
        if reason is not None:
            notes.setdefault(name, reason)
    if pruner.measures_inputs:
        unread = not_measured(view, notes)
        notes.update(dict.fromkeys(unread, "what it reads is not known"))
    return {**notes, **grain.unprunable_reasons(model, notes)}


def objective(view, pruner, data, loss, scoring, seed):
    """Returns the `Objective` of a call, and why it leaves weights out.

    Args:
        view: A `weights.View` of a Keras model.
        pruner: A `Pruner` or a `Chain`.
        data, loss, scoring, seed: As for `kprune.prune`.

    Raises:
        ValueError: If no weight is left to prune.
    """
    notes = left_out(view, pruner)
    scoring, exclude = config.get(scoring, pruner.scoring), tuple(notes)
    found = Objective(view, data, loss, scoring, seed=seed, exclude=exclude)
    if not found.weights:
        raise ValueError(
            "Nothing is left to prune. Expected at least one prunable "
            f"weight. Received, with reasons: {notes}"
        )
    return found, notes


def not_measured(view, left_out=()):
    """Returns the names of weights whose inputs are unknown, with a warning.

    Args:
        view: A `weights.View` of a Keras model, or the model.
        left_out: Names of weights to ignore.
    """
    found = read_inputs.unknown(view)
    found = {name: of for name, of in found.items() if name not in left_out}
    if found:
        user_warnings.warn(
            "These weights stay dense and do not count towards the sparsity, "
            f"because the inputs of their layers are unknown: {found}. "
            "To exclude them without a warning, pass "
            f"`exclude={[*found]}`."
        )
    return list(found)


def sparsity_of(grain, sparsity):
    """Returns the share of the groups to remove.

    Args:
        grain: A `Granularity`, which may fix the sparsity.
        sparsity: Number in [0, 1), or `None` if the granularity fixes it.

    Raises:
        ValueError: If it is not in [0, 1), or differs from the fixed one.
    """
    fixed = grain.sparsity
    found = checks.sparsity("sparsity", fixed if sparsity is None else sparsity)
    if fixed is not None and not math.isclose(found, fixed):
        raise ValueError(
            f"{grain} fixes the sparsity at {fixed}. "
            f"Received: sparsity={shown(sparsity)}"
        )
    return found


def refuse_axes(options, names, why):
    """Raises `ValueError` if an axis is given that a call cannot vary.

    Args:
        options: Dict of the options given with a method.
        names: Names of axes of `kprune.Pruner`.
        why: The reason, a sentence.
    """
    given = [name for name in names if options.get(name) is not None]
    if given:
        raise ValueError(f"{why} Received: {', '.join(given)}.")
