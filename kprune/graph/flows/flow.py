"""What the analysis asks of every kind of layer.

Nothing is kept in a flow: one object serves all layers of its kind.
"""

import dataclasses

from kprune.graph.calls import Signal, runs_as_inference


@dataclasses.dataclass(frozen=True)
class Slices:
    """An axis of a variable along which each channel of `signal` has its
    entries, `times` each. If it `reads`, the channel ends there."""

    axis: int
    signal: Signal
    times: int = 1
    reads: bool = False


class Flow:
    """How channels go through calls of one kind of layer.

    Attributes:
        owns: Whether the layer holds something per channel, so that all of
            its calls must keep the same channels.
        reads: Whether channels end here: outputs are sums over them, and the
            layer can do without one. See `linear.Linear`.
        merges: Whether one input channel can take over the kernel of another.
        may_select: Whether the layer may be given a selection of the channels
            of its input.
    """

    owns = False
    reads = False
    merges = False
    may_select = False

    def of(self, layer):
        """Returns the flow of this very layer, by its options."""
        del layer
        return self

    def unfit(self, call):
        """Returns why this call is not followed, or `None`."""
        layer = call.operation
        if not runs_as_inference(call):
            return "called with `training` or a mask"
        if not all(signal.channels for signal in self.counted(call)):
            return "its number of channels is not known"
        if getattr(layer, "data_format", None) == "channels_first":
            return "its channels come first"
        if getattr(layer, "quantization_mode", None) or getattr(
            layer, "lora_enabled", False
        ):
            return "quantized or with LoRA"
        if not call.inputs or len(call.outputs) != 1:
            return "it has no input, or several outputs"
        return None

    def counted(self, call):
        """Returns the signals whose number of channels must be known."""
        return [*call.inputs, *call.outputs]

    def together(self, call):
        """Yields pairs of arrays of channel numbers: the first of the one
        stays or goes with the first of the other, and so on."""
        del call
        return ()

    def whole(self, call):
        """Yields (channel numbers, reason) for channels that must stay."""
        del call
        return ()

    def constants(self, call, values):
        """Returns the value of each output channel that is the same whatever
        the model's inputs, everywhere in the map, and NaN for the others.

        Args:
            call: A `Call` that is followed.
            values: List of such arrays, one for each input.
        """
        raise NotImplementedError

    def axes(self, call):
        """Returns a dict from the names of the layer's variables to lists of
        `Slices`: which axes count channels in a `Call`."""
        del call
        return {}

    def variables(self, call):
        """Returns the (variable, list of `Slices`) pairs of `axes`."""
        axes = self.axes(call)
        return [
            (variable, axes[variable.name])
            for variable in call.operation.variables
            if variable.name in axes
        ]

    def read(self, call):
        """Returns the signal that ends here, if the flow `reads`."""
        return call.inputs[0]

    def inner(self, call):
        """Returns what `constants` does, for the channels within the layer: a
        list with an array for each signal."""
        del call
        return []

    def config(self, call, kept):
        """Returns what changes in the layer's config."""
        del call, kept
        return {}


class Aligned(Flow):
    """One input, with output channel i made of input channel i alone."""

    def unfit(self, call):
        reason = super().unfit(call)
        if reason is None and (
            len(call.inputs) != 1
            or call.inputs[0].channels != call.outputs[0].channels
        ):
            reason = "it changes the number of channels"
        return reason

    def together(self, call):
        yield call.inputs[0].numbers, call.outputs[0].numbers
