"""Calls a rule on kept weights."""

from kprune.runtime import checks


def call(rule, model, objective):
    """Calls a rule on kept weights, with `objective=` if it takes one.

    Args:
        rule: Function of (model, seed), or of these and `objective=`.
        model: A wrapped Keras model, changed in place.
        objective: A `kprune.Objective`.
    """
    reads = checks.can_take(rule, 2, objective=objective)
    given = {"objective": objective} if reads else {}
    rule(model, objective.seed, **given)
