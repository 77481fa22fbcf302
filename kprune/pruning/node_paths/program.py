"""The program of node-path balance for one layer, solved exactly.

Pham et al., 2023, choose m_ij, the number of entries to keep of the kernel from
input i to output j, for P_i paths that arrive at input i, to maximize

    alpha f_n + (1 - alpha) f_p + beta R

    f_n = sum_i min(P_i sum_j m_ij, 1) + sum_j min(sum_i P_i m_ij, 1)
    f_p = sum_ij P_i m_ij
    R   = sum_ij min(m_ij - 1, 0)

with at most n entries in all. As in the released code, f_n is divided by the
number of nodes, f_p by the most paths that n entries allow, and R by n. Outputs
are alike, so that only the sums r_i = sum_j m_ij matter:

- R is highest if the entries of an input are in as many kernels as there are.
- n entries of inputs with paths then reach n outputs, or all, if each goes to
  the output with the fewest so far.

In each r_i the objective is concave, and the r_i have only their sum in common,
so taking the entries of the highest gain first is optimal.
"""

import numpy as np


def kept(paths, shape, count, alpha, beta, rng):
    """Returns which entries of a kernel to keep, booleans of its shape.

    Equal choices are made as evenly as possible among outputs, and at random
    among inputs and within a kernel.

    Args:
        paths: Array of the number of paths that lead to each input, >= 0.
        shape: Shape of the kernel: window, inputs, outputs.
        count: Integer, how many entries to keep.
        alpha, beta: Numbers, the factors of nodes and of kernels.
        rng: A `numpy.random.Generator`.
    """
    entries, outputs = int(np.prod(shape[:-2])), shape[-1]
    sums = of_inputs(paths, outputs, entries, count, alpha, beta, rng)
    numbers = of_kernels(sums, paths > 0, outputs, rng)
    return _placed(numbers, entries, rng).reshape(shape)


def of_inputs(paths, outputs, entries, count, alpha, beta, rng):
    """Returns how many entries to keep of each input.

    Args:
        paths, count, alpha, beta, rng: As for `kept`.
        outputs: Integer, the number of outputs.
        entries: Integer, the number of entries of a kernel.
    """
    reached = paths > 0
    if not count:
        return np.zeros(len(paths), int)
    most = _most_paths(paths, outputs * entries, count)
    gain = (1 - alpha) * paths / most if most else np.zeros(len(paths))
    node = alpha / (len(paths) + outputs) * reached
    new = beta / count
    # The first entry of an input, the first of its other kernels, the rest.
    gains = np.concatenate([gain + new + node, gain + new, gain])
    rooms = np.repeat([1, outputs - 1, outputs * (entries - 1)], len(paths))
    # Of equal gains, those with paths go first: they may reach new outputs.
    order = np.lexsort((~np.tile(reached, 3), -gains))
    inputs = np.tile(np.arange(len(paths)), 3)
    ends = np.cumsum(rooms[order])
    last = order[np.searchsorted(ends, count)]
    equal = (gains == gains[last]) & (
        np.tile(reached, 3) == reached[inputs[last]]
    )
    before = order[: np.flatnonzero(equal[order])[0]]
    left = count - int(rooms[before].sum())
    drawn = rng.multivariate_hypergeometric(
        rooms[equal], left, method="marginals"
    )
    sums = np.zeros(len(paths), int)
    np.add.at(sums, inputs[before], rooms[before])
    np.add.at(sums, inputs[equal], drawn)
    return sums


def of_kernels(sums, reached, outputs, rng):
    """Returns how many entries to keep of each kernel, (inputs, outputs).

    Args:
        sums: Array of the number of entries of each input.
        reached: Array, whether any path leads to an input.
        outputs: Integer, the number of outputs.
        rng: A `numpy.random.Generator`.
    """
    whole, rest = np.divmod(sums, outputs)
    numbers = np.repeat(whole[:, None], outputs, axis=1)
    drawn = rng.permutation(len(sums))
    taken = np.zeros(outputs, int)
    for one in drawn[np.argsort(~reached[drawn], kind="stable")]:
        if rest[one]:
            fewest = np.lexsort((rng.random(outputs), taken))[: rest[one]]
            numbers[one, fewest] += 1
            taken[fewest] += 1
    return numbers


def _most_paths(paths, room, count):
    """Returns the most paths that `count` entries can have, `room` of each
    input."""
    ordered = np.sort(paths)[::-1]
    filled, rest = divmod(count, room)
    whole, part = ordered[:filled].sum(), ordered[filled : filled + 1].sum()
    return room * whole + rest * part


def _placed(numbers, entries, rng):
    """Returns booleans (entries, inputs, outputs): random entries of each
    kernel, as many as `numbers` says."""
    if entries == 1:
        return numbers[None] > 0
    order = rng.random((entries, *numbers.shape)).argsort(axis=0)
    places = np.arange(entries)[:, None, None]
    found = np.zeros(order.shape, bool)
    np.put_along_axis(found, order, places < numbers, axis=0)
    return found
