"""Random walks through a network, from its inputs to its outputs or back.

A walk is at a channel of a signal. It goes on through one of the calls that
read the signal, at random, and through a kernel along an entry that is drawn in
proportion to its size. Where a channel becomes several, as in `Flatten`, one of
them is drawn.
"""

import dataclasses

import numpy as np

from kprune.graph import calls, flows
from kprune.graph.flows import linear
from kprune.masking import weights

_UNEVEN = (linear.Separable, linear.Depthwise, linear.Grouped)


@dataclasses.dataclass(frozen=True, eq=False)
class Move:
    """The ways from the channels of one signal to those of another.

    Attributes:
        source, target: Numbers of the two signals.
        onward, back: `Draws` of a channel, from the source and from the target.
        weight: Name of the kernel whose entries are passed, or `None`.
    """

    source: int
    target: int
    onward: "Draws"
    back: "Draws"
    weight: str | None = None


class Draws:
    """Draws ways by their sizes, for many walks at a time.

    Args:
        begins, ends: Arrays of the channels at either side of each way.
        sizes: Array of their sizes, >= 0. Ways of size 0 are drawn only where
            a channel has no other.
        entries: Array of the number of each way.
        count: Integer, the number of channels at the beginning.
    """

    def __init__(self, begins, ends, sizes, entries, count):
        totals = np.bincount(begins, sizes, minlength=count)
        sizes = np.where(totals[begins] > 0, sizes, 1.0)
        order = np.argsort(begins, kind="stable")
        order = order[sizes[order] > 0]
        begins, sizes = begins[order], sizes[order]
        self._ends, self._entries = ends[order], entries[order]
        counts = np.bincount(begins, minlength=count)
        self._last = np.cumsum(counts) - 1
        self._open = counts > 0
        sums = np.cumsum(sizes)
        before = np.concatenate([[0.0], sums])[self._last + 1 - counts]
        totals = np.bincount(begins, sizes, minlength=count)
        share = (sums - before[begins]) / totals[begins]
        self._bounds = begins + np.minimum(share, 1.0)

    def __call__(self, channels, rng):
        """Returns the ends and the numbers of the ways drawn; -1 for a channel
        without any."""
        if not len(self._bounds):
            none = np.full(len(channels), -1)
            return none, none
        drawn = channels + rng.random(len(channels))
        place = np.searchsorted(self._bounds, drawn, side="right")
        # A sum of shares may round to less than 1.
        place = np.minimum(place, np.maximum(self._last[channels], 0))
        way = self._open[channels]
        return (
            np.where(way, self._ends[place], -1),
            np.where(way, self._entries[place], -1),
        )


class RandomWalks:
    """Random walks through a model.

    Args:
        model: A Sequential or Functional model of layers whose kernels connect
            every input channel with every output channel: dense layers and
            convolutions without groups.
        sizes: Dict from the name of each kernel to an array of the sizes of
            its entries, >= 0.

    Raises:
        ValueError: If the model has other layers with kernels, or is no graph
            of layers.
    """

    def __init__(self, model, sizes):
        if not calls.followable(model):
            raise ValueError(_unknown(f"model {model.name!r}, of an own class"))
        graph = flows.record(model)
        if graph.composites:
            layer = next(iter(graph.composites))
            raise ValueError(_unknown(f"layer {layer.name!r}, made of others"))
        self._places = {id(signal): i for i, signal in enumerate(graph.signals)}
        self._counts = [signal.channels for signal in graph.signals]
        self._names = {id(w.variable): w.name for w in weights.find(model)}
        self._moves = list(self._all_moves(graph, sizes))
        self._begin = self._channels(graph.inputs)
        self._end = self._channels(graph.outputs)

    def __call__(self, turns, rng):
        """Walks once for each turn, onward for the even ones, back for the odd.

        Args:
            turns: Array of consecutive integers >= 0. Walks begin at one input
                or output channel after another.
            rng: A `numpy.random.Generator`.

        Returns:
            Pairs (name, entry) of the weights passed, in order: two arrays, of
            strings' places in `names` and of flat indices.
        """
        found = []
        for odd, (first, moves) in enumerate(
            [(self._begin, self._moves), (self._end, self._moves[::-1])]
        ):
            own = turns[turns % 2 == odd]
            starts = first[own // 2 % len(first)]
            found += self._walk(own, starts, moves, bool(odd), rng)
        walks, steps, names, entries = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        order = np.lexsort((steps, walks))
        return names[order], entries[order]

    @property
    def names(self):
        """List of the names of the kernels."""
        return [move.weight for move in self._moves]

    def _walk(self, walks, starts, moves, back, rng):
        """Returns a list of arrays (walk, step, move, entry) of what is
        passed, without walks that end before they arrive."""
        ways = {}
        for number, move in enumerate(moves):
            here = move.target if back else move.source
            ways.setdefault(here, []).append(number)
        signal, channel = starts.T.copy()
        going = self._chosen(signal, ways, rng)
        passed, lost = [], np.zeros(len(walks), bool)
        for number, move in enumerate(moves):
            on = np.flatnonzero(going == number)
            draw = move.back if back else move.onward
            channel[on], entries = draw(channel[on], rng)
            signal[on] = move.source if back else move.target
            going[on] = self._chosen(signal[on], ways, rng)
            lost[on[channel[on] < 0]] = True
            going[lost] = -1
            if move.weight is not None:
                place = len(moves) - 1 - number if back else number
                passed.append((on, number, place, entries))
        return [
            (
                walks[on[~lost[on]]],
                np.full(np.count_nonzero(~lost[on]), step),
                np.full(np.count_nonzero(~lost[on]), place),
                entries[~lost[on]],
            )
            for on, step, place, entries in passed
        ]

    def _chosen(self, signals, ways, rng):
        """Returns the number of the move to take from each signal, or -1."""
        found = np.full(len(signals), -1)
        for signal in np.unique(signals):
            on, options = np.flatnonzero(signals == signal), ways.get(signal)
            if options:
                found[on] = rng.choice(options, len(on))
        return found

    def _channels(self, signals):
        """Returns an array (channels, 2) of the signals and channels."""
        pairs = [
            (self._places[id(signal)], channel)
            for signal in signals
            for channel in range(signal.channels)
        ]
        return np.array(pairs)

    def _all_moves(self, graph, sizes):
        flow, why = flows.of_all(graph)
        for call in graph.calls:
            kernels = flow[call] is not None and flow[call].readings(call)
            plain = isinstance(flow[call], linear.Linear)
            uneven = isinstance(flow[call], _UNEVEN) or (kernels and not plain)
            if flow[call] is None or uneven:
                reason = why[call] or "its kernels are not of these"
                name = f"{call.operation.name!r}: {reason}"
                raise ValueError(_unknown(f"layer {name}"))
            if kernels:
                yield self._through_kernel(call, flow[call], sizes)
            else:
                yield from self._through(call, flow[call])

    def _through_kernel(self, call, flow, sizes):
        (kernel,) = [v for v in call.operation.variables if v.name == "kernel"]
        name = self._names.get(id(kernel))
        size = sizes.get(name)
        size = np.abs(np.asarray(kernel)) if size is None else np.asarray(size)
        entries = np.arange(size.size).reshape(size.shape)
        axes = np.indices(size.shape, sparse=True)
        begins, ends = (
            np.broadcast_to(axes[axis], size.shape).ravel()
            for axis in (flow.in_axis, flow.out_axis)
        )
        (given,), (made,) = call.inputs, call.outputs
        ways = size.ravel().astype(np.float64), entries.ravel()
        return Move(
            self._places[id(given)],
            self._places[id(made)],
            Draws(begins, ends, *ways, given.channels),
            Draws(ends, begins, *ways, made.channels),
            name,
        )

    def _through(self, call, flow):
        """Yields the moves of a call that passes its input channels on."""
        pairs = [np.stack(pair) for pair in flow.together(call)]
        if not pairs:
            name = getattr(call.operation, "name", call.operation)
            raise ValueError(_unknown(f"layer {name!r}"))
        pairs = np.concatenate(pairs, axis=1)
        (made,) = call.outputs
        for given in call.inputs:
            both = [_within(pairs, given), _within(pairs, made)]
            begins = np.concatenate(
                [
                    pairs[0][both[0][0] & both[1][1]] - given.start,
                    pairs[1][both[0][1] & both[1][0]] - given.start,
                ]
            )
            ends = np.concatenate(
                [
                    pairs[1][both[0][0] & both[1][1]] - made.start,
                    pairs[0][both[0][1] & both[1][0]] - made.start,
                ]
            )
            ways = np.ones(len(begins)), np.full(len(begins), -1)
            yield Move(
                self._places[id(given)],
                self._places[id(made)],
                Draws(begins, ends, *ways, given.channels),
                Draws(ends, begins, *ways, made.channels),
            )


def _within(numbers, signal):
    return (numbers >= signal.start) & (
        numbers < signal.start + signal.channels
    )


def _unknown(what):
    return (
        "PHEW walks through dense layers and convolutions. Expected a "
        "Sequential or Functional model whose other layers have no kernels. "
        f"Received: {what}"
    )
