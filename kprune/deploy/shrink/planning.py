"""Describes what `shrink` decided, layer by layer."""

import collections
import math

import numpy as np

from kprune.deploy.shrink import bypassing, folding, sizes
from kprune.deploy.shrink.result import Plan, Row
from kprune.graph import costs
from kprune.masking import own_variables


def describe(view, decision):
    """Returns the `Plan` of a decision.

    Args:
        view: A `weights.View` of the model.
        decision: The `Decision` for it, or `None` if it is left whole.
    """
    model = view.model
    cuts = sizes.cuts(decision) if decision else {}
    gone = bypassing.variables(decision.bypassed) if decision else set()
    rows = {}
    for weight in view:
        name = weight.name.rpartition("/")[0] or weight.name
        row = _row(name, weight, decision, model)
        if id(weight.variable) in gone:
            row = Row(name, row.before, 0, "its block hands on what it reads")
        rows.setdefault(name, row)
    return Plan(
        model.name,
        tuple(rows.values()),
        _parameters(view, decision, cuts, gone),
        _multiply_adds(view, cuts, gone),
    )


def _row(name, weight, decision, model):
    layout = weight.layout
    units = math.prod(layout.view[axis] for axis in layout.outputs)
    if decision is None:
        kind = type(model).__name__
        return Row(name, units, units, f"{kind} is no graph of layers")
    calls = decision.analysis.graph.calls_of[weight.layer]
    if not calls:
        return _row_of_part(name, weight, decision, units)
    signal = calls[0].outputs[0]
    if decision.analysis.flow[calls[0]] is None:
        why = f"left whole: {decision.analysis.unfit[calls[0]]}"
        return Row(name, units, units, why)
    after = len(decision.kept(signal))
    notes = [*_stuck(signal, decision), *_selected(weight.layer, decision)]
    return Row(name, signal.channels, after, "; ".join(notes))


def _row_of_part(name, weight, decision, units):
    """Returns the row of a layer within a layer, e.g. a part of attention."""
    why = "within a layer that is left whole"
    for call, flow in decision.analysis.flow.items():
        # A composite layer is not followed, but calls within it may be.
        if flow is None:
            held = getattr(call.operation, "variables", ())
            if any(variable is weight.variable for variable in held):
                why = f"left whole: {decision.analysis.unfit[call]}"
            continue
        for variable, slices in flow.variables(call):
            if variable is weight.variable:
                made = [one.signal for one in slices if not one.reads]
                if not made:
                    return Row(name, units, units, "its channels stay")
                notes = [f"counted in {flow.unit}"] if flow.unit else []
                notes += _stuck(made[0], decision)
                kept = len(decision.kept(made[0]))
                return Row(name, made[0].channels, kept, "; ".join(notes))
    return Row(name, units, units, why)


def _stuck(signal, decision):
    """Yields the reasons why constant channels stay, with their counts."""
    numbers = signal.numbers[decision.kept(signal)]
    constant = numbers[~np.isnan(decision.analysis.values[numbers])]
    reasons = collections.Counter(map(decision.why, constant.tolist()))
    for reason, count in reasons.most_common():
        yield f"{count} of constant value: {reason}"


def _selected(layer, decision):
    part = decision.parts.get(layer)
    if part is not None:
        (call,) = decision.analysis.graph.calls_of[layer]
        given = len(decision.kept(call.inputs[0]))
        yield f"reads {len(part)} of {given} inputs"


def _parameters(view, decision, cuts, gone):
    parameters = own_variables.parameters(view)
    before = sum(math.prod(v.shape) for v in parameters)
    after = sum(
        sizes.entries(variable, cuts.get(id(variable), []))
        for variable in parameters
        if id(variable) not in gone
    )
    if decision is not None:
        _, new = folding.additions(decision)
        after += sum(
            bias.size
            for layer, bias in new.items()
            if id(layer.variables[0]) not in gone
        )
    return before, after


def _multiply_adds(view, cuts, gone):
    try:
        uses = costs.count_uses(view.model)
    except Exception:  # Input shapes are open, or a user's model raises.
        return None
    before = after = 0
    for weight in view:
        variable = weight.variable
        times = uses.get(id(variable)) or 0
        before += times * math.prod(variable.shape)
        if id(variable) not in gone:
            kept = cuts.get(id(variable), [])
            after += times * sizes.entries(variable, kept)
    return before, after
