"""The table of good calls: one for each public callable, or several."""

import itertools

from faults.arguments import (
    callback_calls,
    kept_weights_calls,
    model_calls,
    pruning_calls,
    sensitivity_calls,
    task_calls,
    tfmot_calls,
    training_calls,
    value_calls,
)

_PARTS = (
    value_calls,
    pruning_calls,
    sensitivity_calls,
    model_calls,
    kept_weights_calls,
    callback_calls,
    training_calls,
    task_calls,
    tfmot_calls,
)


def calls(world, light=False):
    """Returns all calls, a list; `light` leaves out those that take long."""
    found = itertools.chain(*(part.calls(world) for part in _PARTS))
    return [call for call in found if not (light and call.heavy)]
