"""What the cells of the study come to: tables and a figure."""

import itertools

from kprune.runtime import palette, plots, tables

_WAYS = {
    "compress": "kprune.compress",
    "one_shot": "one-shot",
    "gradual": "GMP",
}
_XLABELS = {
    "flops": "multiply-adds left, %",
    "latency": "time in LiteRT left, %",
    "bytes": "bytes left, %",
}


def table(rows):
    """Returns the mean of each network and target over the seeds: the share
    that is left, and the points of test accuracy lost by each way."""
    head = ["network", "target", "met", "left", "epochs", "dense, in %"]
    lines = []
    for key, group in _groups(rows):
        lost = [_lost(group, way) for way in _WAYS]
        lines.append(
            [
                *key,
                f"{sum(row['met'] for row in group)} of {len(group)}",
                tables.mean([row["size"] for row in group], 3),
                tables.mean([row["epochs"] for row in group], 0),
                tables.mean([row["dense"] for row in group], 2),
                *(tables.mean(one, 2) if one else "n/a" for one in lost),
            ]
        )
    return tables.markdown([*head, *_WAYS.values()], lines, words=2)


def _lost(rows, way):
    """Returns by how much a way is above the trained network, where known."""
    known = [row for row in rows if row[way] is not None]
    return [row[way] - row["dense"] for row in known]


def times(rows):
    """Returns the shares of time that were reported, and those of the files
    measured again; or `None` if there are none."""
    lines = []
    for row in rows:
        if row["again"] is None:
            continue
        share, (low, high) = row["size"], row["spread"]
        again = row["again"]
        within = "yes" if low <= again <= high else "no"
        span = f"{low:.3f} to {high:.3f}"
        cells = [f"{share:.3f}", span, f"{again:.3f}", within]
        lines.append([row["network"], row["seed"], *cells])
    head = ["network", "seed", "reported", "middle half", "measured again"]
    return tables.markdown([*head, "within"], lines) if lines else None


def panels(rows):
    """Returns a `Panel` for each network and target.

    It shows the accuracies of the candidates on the images held out, of each
    seed over what is left, and those of the other ways.
    """
    return [_panel(*key, group) for key, group in _groups(rows)]


def _panel(network, target, rows):
    lines = []
    for row, color in zip(rows, itertools.cycle(palette.COLORS)):
        candidates = sorted(row["candidates"], reverse=True)
        shares, accuracies = zip(*candidates, strict=True)
        look = {"color": color, "marker": "o"}
        label = f"candidates, seed {row['seed']}"
        lines.append(
            plots.Line(_percent(shares), _percent(accuracies), label, look=look)
        )
        for way, marker in (("one_shot", "s"), ("gradual", "^")):
            value = row["held_out"][way]
            if value is None:
                continue
            label = f"{_WAYS[way]}, seed {row['seed']}"
            look = {"color": color, "marker": marker}
            place = [100 * row["size"]], [value]
            lines.append(plots.Line(*place, label, hollow=True, look=look))
    axes = _XLABELS[target], "held-out accuracy, %"
    return plots.Panel(lines, f"{network}, {target}", *axes, inverted="x")


def _percent(shares):
    return [100 * share for share in shares]


def _groups(rows):
    """Yields each network and target with its rows."""
    for key, group in itertools.groupby(sorted(rows, key=_key), _key):
        yield key, list(group)


def _key(row):
    return row["network"], row["target"]
