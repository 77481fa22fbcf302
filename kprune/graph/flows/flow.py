"""The interface the analysis asks of every kind of layer.

Flows are stateless: one object serves all layers of its kind.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kprune.graph.calls import Call, Signal, runs_as_inference, trains


@dataclasses.dataclass(frozen=True)
class Slices:
    """An axis of a variable that holds the channels of a signal.

    Attributes:
        axis: Index of the axis.
        signal: The `Signal` whose channels lie along it.
        times: Number of consecutive entries per channel.
        gates: How often this layout is repeated, once per gate.
        reads: Whether the channels end there (input channels).
    """

    axis: int
    signal: Signal
    times: int = 1
    gates: int = 1
    reads: bool = False

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Returns the value of the channel at each index along the axis."""
        return np.tile(np.repeat(values, self.times), self.gates)

    def places(self, channels: np.ndarray) -> np.ndarray:
        """Returns the indices along the axis of channels, given by index."""
        chosen = np.zeros(self.signal.channels, bool)
        chosen[channels] = True
        return np.flatnonzero(self.spread(chosen))


class Kernel:
    """The interface of a kernel where input channels end.

    Its outputs are sums over input channels, each of which can be removed. See
    `kprune.graph.flows.linear`.

    Attributes:
        merges: Whether one input channel can take over the kernel slice of
            another, by `merged`.
        may_select: Whether the layer may read a part of its input channels.
        gates: Number of sums per output channel; they are ordered by gate.
    """

    merges = False
    may_select = False
    gates = 1

    def links(self, layer: Any) -> np.ndarray:
        """Returns booleans (inputs, outputs): true where any entry of the
        kernel is nonzero."""
        raise NotImplementedError

    def pads(self, layer: Any) -> bool:
        """Returns whether a constant input gives different sums at different
        positions, such as next to padding."""
        del layer
        return False

    def response(self, layer: Any, channels: np.ndarray) -> np.ndarray:
        """Returns the sums for an input of ones in a single channel, away from
        borders: an array (channels, sums)."""
        raise NotImplementedError

    def as_bias(self, layer: Any, sums: np.ndarray) -> np.ndarray:
        """Returns the sums in the shape of the layer's bias."""
        del layer
        return sums


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A kernel in a call.

    Attributes:
        kernel: The `Kernel` with the rules for it.
        layer: The layer that holds it and its bias.
        given: Signal of the input channels, which end there.
        made: Signal of the output channels, which begin there.
    """

    kernel: Kernel
    layer: keras.layers.Layer
    given: Signal
    made: Signal


class Flow:
    """How channels flow through calls of one kind of layer.

    Attributes:
        owns: Whether the layer has variables or options per channel, so that
            all of its calls must keep the same channels.
        masked: Whether the rule also holds for a call with a mask.
        several: Whether there may be several outputs.
        unit: Name of its inner channels, such as `"heads"`, or `None`.
    """

    owns: bool = False
    masked: bool = False
    several: bool = False
    unit: str | None = None

    def of(self, layer: Any) -> "Flow":
        """Returns the flow for a layer, by its options."""
        del layer
        return self

    def heads(self, layer: Any) -> int:
        """Returns the number of attention heads, which are inner channels."""
        del layer
        return 0

    def unfit(self, call: Call) -> str | None:
        """Returns why a call is not followed, or `None` if it is."""
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

    def counted(self, call: Call) -> Sequence[Signal]:
        """Returns the signals whose number of channels must be known, and equal
        in all calls of a layer that `owns`."""
        return [*call.inputs, *call.outputs]

    def together(self, call: Call) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Yields pairs of arrays of channel numbers; channels at the same index
        are removed together."""
        del call
        return ()

    def whole(self, call: Call) -> Iterable[tuple[np.ndarray, str]]:
        """Yields (channel numbers, reason) for channels that must stay."""
        del call
        return ()

    def constants(self, call: Call, values: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the value of each output channel that is constant, the same
        for all model inputs and positions, and NaN for the others.

        Args:
            call: A `Call` that is followed.
            values: List of such arrays, one for each input.
        """
        raise NotImplementedError

    def axes(self, call: Call) -> dict[str, list[Slices]]:
        """Returns a dict from the names of the layer's variables to lists of
        `Slices`: the axes that hold channels in a `Call`."""
        del call
        return {}

    def variables(self, call: Call) -> list[tuple[Any, list[Slices]]]:
        """Returns `axes` as (variable, list of `Slices`) pairs."""
        axes = self.axes(call)
        return [
            (variable, axes[variable.name])
            for variable in getattr(call.operation, "variables", ())
            if variable.name in axes
        ]

    def readings(self, call: Call) -> list[Reading]:
        """Returns a list of `Reading`, the kernels where channels end."""
        del call
        return []

    def values(
        self, call: Call, values: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Returns a list of arrays as of `constants`, one for each inner signal
        and then for each output."""
        return [self.constants(call, values)]

    def config(
        self,
        call: Call,
        kept: Callable[[Signal], np.ndarray],
        biased: Collection[Any],
    ) -> dict[str, Any]:
        """Returns the changed entries of the layer's config.

        Args:
            call: A `Call` that is followed.
            kept: Function from a signal to the indices of its kept channels.
            biased: Layers that get a new bias.
        """
        del call, kept, biased
        return {}

    def parts(
        self, call: Call, kept: Callable[[Signal], np.ndarray]
    ) -> dict[str, tuple[dict, tuple]]:
        """Returns the changes of layers in the layer, if its own config cannot
        make it smaller.

        Args:
            call, kept: As for `config`.

        Returns:
            Dict from the place of a layer, as `kprune.masking.weights.children`
            names it, to the changed entries of its config and the shape of its
            input.
        """
        del call, kept
        return {}


def not_plain(layer: Any) -> str | None:
    """Returns why a layer does not compute with its stored weights, or
    `None` if it does."""
    quantized = getattr(layer, "quantization_mode", None)
    if quantized or getattr(layer, "lora_enabled", False):
        return "quantized or with LoRA"
    return None


def changed(
    serialized: dict[str, Any], changes: dict[str, Any]
) -> dict[str, Any]:
    """Returns the serialized form of a layer with changes in its config. The
    build config is left out, as the input shape may have changed."""
    config = {**serialized["config"], **changes}
    kept = {k: v for k, v in serialized.items() if k != "build_config"}
    return {**kept, "config": config}


class Aligned(Flow):
    """A layer with one input, whose output channel i depends on input channel i
    only."""

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
