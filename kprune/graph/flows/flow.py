"""The interface the analysis asks of every kind of layer.

Nothing is kept in a flow: one object serves all layers of its kind.
"""

import dataclasses

import keras
import numpy as np

from kprune.graph.calls import Signal, runs_as_inference, trains


@dataclasses.dataclass(frozen=True)
class Slices:
    """An axis of a variable along which each channel of `signal` has its
    entries, `times` each, and all that in each of `gates` that lie one after
    the other. If it `reads`, the channel ends there."""

    axis: int
    signal: Signal
    times: int = 1
    gates: int = 1
    reads: bool = False

    def spread(self, values):
        """Returns values of the channels at each place along the axis."""
        return np.tile(np.repeat(values, self.times), self.gates)

    def places(self, channels):
        """Returns where the entries of channels are, by their indices."""
        chosen = np.zeros(self.signal.channels, bool)
        chosen[channels] = True
        return np.flatnonzero(self.spread(chosen))


class Kernel:
    """What is asked of a kernel where channels end: outputs are sums over
    them, and the layer can do without one. See `kprune.graph.flows.linear`.

    Attributes:
        merges: Whether one input channel can take over the kernel of another.
        may_select: Whether the layer may be given a selection of the channels
            of its input.
        gates: How many sums there are for each output channel, gate by gate.
    """

    merges = False
    may_select = False
    gates = 1

    def links(self, layer):
        """Returns (inputs, outputs) booleans: which entries are not zero."""
        raise NotImplementedError

    def pads(self, layer):
        """Whether a kernel meets padding, or not all places alike."""
        del layer
        return False

    def response(self, layer, channels):
        """Returns how the sums answer to ones in input channels alone, away
        from borders: an array (channels, sums)."""
        raise NotImplementedError

    def as_bias(self, layer, sums):
        """Returns the sums in the shape of the layer's bias."""
        del layer
        return sums


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A kernel in a call: where the channels of the signal `given` end, and
    those of `made` begin. The `layer` holds it, and its bias."""

    kernel: Kernel
    layer: keras.layers.Layer
    given: Signal
    made: Signal


class Flow:
    """How channels go through calls of one kind of layer.

    Attributes:
        owns: Whether the layer holds something per channel, so that all of
            its calls must keep the same channels.
        masked: Whether it is so in a call with a mask.
        several: Whether there may be several outputs.
        unit: What its channels within are, if they are counted.
    """

    owns = False
    masked = False
    several = False
    unit = None

    def of(self, layer):
        """Returns the flow of this very layer, by its options."""
        del layer
        return self

    def heads(self, layer):
        """Returns how many channels there are within a layer: its heads."""
        del layer
        return 0

    def unfit(self, call):
        """Returns why this call is not followed, or `None`."""
        layer = call.operation
        if trains(call) or not (self.masked or runs_as_inference(call)):
            return "called with `training` or a mask"
        if not all(signal.channels for signal in self.counted(call)):
            return "its number of channels is not known"
        if getattr(layer, "data_format", None) == "channels_first":
            return "its channels come first"
        if not call.inputs or (len(call.outputs) != 1 and not self.several):
            return "it has no input, or several outputs"
        return not_plain(layer)

    def counted(self, call):
        """Returns the signals whose number of channels must be known, and is
        the same in all calls of a layer that `owns`."""
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
            for variable in getattr(call.operation, "variables", ())
            if variable.name in axes
        ]

    def readings(self, call):
        """Returns the list of `Reading`: where channels end."""
        del call
        return []

    def values(self, call, values):
        """Returns what `constants` does, for the channels within the layer and
        of all its outputs: a list with an array for each signal."""
        return [self.constants(call, values)]

    def config(self, call, kept, biased):
        """Returns what changes in the layer's config.

        Args:
            call: A `Call` that is followed.
            kept: Function from a signal to the indices of what is kept.
            biased: Layers that are to be given a bias.
        """
        del call, kept, biased
        return {}

    def parts(self, call, kept):
        """Returns what changes in layers that the layer holds, where its own
        config cannot make it smaller: a dict from the place of one, as
        `kprune.masking.weights.children` names it, to what changes in its
        config and the shape of its input.

        Args:
            call, kept: As for `config`.
        """
        del call, kept
        return {}


def not_plain(layer):
    """Returns why what a layer stores is not what it computes with, or
    `None`."""
    quantized = getattr(layer, "quantization_mode", None)
    if quantized or getattr(layer, "lora_enabled", False):
        return "quantized or with LoRA"
    return None


def changed(serialized, changes):
    """Returns the serialized form of a layer with changes in its config. What
    it was built for is left out: its inputs may have changed too."""
    config = {**serialized["config"], **changes}
    kept = {k: v for k, v in serialized.items() if k != "build_config"}
    return {**kept, "config": config}


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
