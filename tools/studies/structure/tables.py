"""What methods leave of a network, as tables in Markdown."""

import functools
import itertools

import numpy as np

from kprune.runtime.tables import markdown

_LABELS = {
    "random": "random",
    "snip": "SNIP",
    "snip_mb": "SNIP-MB",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "iter_snip": "Iter-SNIP",
    "iter_snip_linear": "Iter-SNIP, linear",
    "force": "FORCE",
    "force_linear": "FORCE, linear",
}
_MOST_ROWS = 20  # Beyond, layers are told by stage.


def label(method):
    """Returns what a method is called."""
    return _LABELS.get(method, method)


def write(results):
    """Returns all tables as Markdown, each with a line on what it holds."""
    return "\n".join(
        [
            _empty_layers(results),
            _emptied(results),
            *(_shares(results, s) for s in results.sparsities if s >= 0.99),
            _by_sparsity(results, "saliency", "FORCE saliency"),
            _by_sparsity(results, "gradient_norm", "Gradient norm"),
            *([_gains(results)] if "snip" in results.methods else []),
        ]
    )


def titled(title, head, rows, words=1):
    """Returns a table in Markdown under a title."""
    return f"{title}\n\n{markdown(head, rows, words)}\n"


def percent(share):
    return f"{100 * share:g} %"


def number(value):
    """Returns a number with three digits that count."""
    if value == 0:
        return "0"
    if np.isnan(value):
        return "0/0"
    if np.isinf(value):
        return "inf"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{digits}f}" if digits < 6 else f"{value:.1e}"


def _heads(results):
    return [percent(sparsity) for sparsity in results.sparsities]


def _empty_layers(results):
    rows = []
    for method in results.methods:
        counts = (results.empty(method, s) for s in results.sparsities)
        cells = (", ".join(map(str, of_seeds)) for of_seeds in counts)
        rows.append([label(method), *cells])
    title = f"Layers of {len(results.layers)} that are left without weights, "
    title += "one number for each seed:"
    return titled(title, ["method", *_heads(results)], rows)


def _emptied(results):
    rows = []
    high = [sparsity for sparsity in results.sparsities if sparsity >= 0.99]
    for method, sparsity in itertools.product(results.methods, high):
        if results.empty(method, sparsity)[0]:
            empty = results.kept(method, sparsity)[0] == 0
            name = f"{label(method)}, {percent(sparsity)}"
            rows.append([name, _runs(results, empty)])
    title = f"Which these are, with seed {results.seeds[0]}:"
    head = ["method, sparsity", "layers"]
    return titled(title, head, rows or [["none", ""]], words=2)


def _runs(results, marked):
    """Returns the names of the layers that are marked; of neighbours, the
    first and the last."""
    names, found = (name.split("/")[0] for name in results.layers), []
    pairs = zip(marked, names, strict=True)
    for empty, run in itertools.groupby(pairs, key=lambda pair: pair[0]):
        if empty:
            inside = [name for _, name in run]
            found.append(" to ".join(dict.fromkeys([inside[0], inside[-1]])))
    return ", ".join(found)


def _shares(results, sparsity):
    by_stage = len(results.layers) > _MOST_ROWS
    names = np.array(results.stages if by_stage else results.layers)
    rows = []
    for name in dict.fromkeys(names):
        row, chosen = [name.split("/")[0]], names == name
        for method in results.methods:
            kept = results.kept(method, sparsity).mean(0)[chosen].sum()
            row.append(number(100 * kept / results.sizes[chosen].sum()))
        rows.append(row)
    return titled(
        f"Share of the weights that each {'stage' if by_stage else 'layer'} "
        f"keeps at {percent(sparsity)}, in %, mean over the seeds:",
        ["", *(label(m) for m in results.methods)],
        rows,
    )


def _by_sparsity(results, key, what):
    title = f"{what} after pruning, over that of the dense network:"
    ratio = functools.partial(results.over_dense, key)
    return _ratios(results, title, ratio, least=1)


def _gains(results):
    title = "FORCE saliency over that of SNIP, which is one round (inf: SNIP "
    title += "leaves none, 0/0: neither does):"
    return _ratios(results, title, results.over_snip, least=2)


def _ratios(results, title, ratio, least):
    """Returns a ratio at each sparsity, a row for each number of batches of
    the methods that have at least so many."""
    rows = [
        [
            _with_batches(results, method, batches),
            *(number(ratio(method, s, batches)) for s in results.sparsities),
        ]
        for method in results.methods
        for batches in results.batches(method)
        if len(results.batches(method)) >= least
    ]
    return titled(title, ["method, rounds", *_heads(results)], rows)


def _with_batches(results, method, batches):
    if len(results.batches(method)) > 1 or method == "snip_mb":
        return f"{label(method)}, {batches}"
    return label(method)
