"""`TimeDistributed`: one layer applied at each time step."""

import inspect

from kprune.graph.calls import Call, Signal
from kprune.graph.flows.flow import Flow, changed


class Distributed(Flow):
    """The flow of a `TimeDistributed`: that of the layer it holds.

    Args:
        build_flow: The function `kprune.graph.flows.build_flow`.
    """

    owns = True
    masked = True

    def __init__(self, build_flow):
        self._build_flow = build_flow

    def unfit(self, call):
        _, reason = self._build_flow(_within(call))
        if reason is not None:
            return f"{call.operation.layer.name!r} within it: {reason}"
        return super().unfit(call)

    def counted(self, call):
        return self._ask("counted", call)

    def together(self, call):
        return self._ask("together", call)

    def whole(self, call):
        return self._ask("whole", call)

    def values(self, call, values):
        return self._ask("values", call, values)

    def variables(self, call):
        return self._ask("variables", call)

    def readings(self, call):
        return self._ask("readings", call)

    def config(self, call, kept, biased):
        changes = self._ask("config", call, kept, biased)
        return {"layer": changed(call.operation.get_config()["layer"], changes)}

    def _ask(self, method, call, *arguments):
        within = _within(call)
        flow, _ = self._build_flow(within)
        return getattr(flow, method)(within, *arguments)


def _within(call):
    """Returns the held layer's call at one time step, with the same channels
    in its signals."""

    def step(x):
        if not isinstance(x, Signal):
            return x
        return Signal(x.shape[:1] + x.shape[2:], x.start)

    layer, options = call.operation.layer, {}
    if call.masks and "mask" in inspect.signature(layer.call).parameters:
        options["mask"] = step(call.masks[0])
    given, outputs = (
        tuple(map(step, signals)) for signals in (call.inputs, call.outputs)
    )
    return Call(layer, (given, options), outputs, inner=call.inner)
