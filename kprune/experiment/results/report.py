"""Renders runs as Markdown, CSV and panels of a plot."""

import csv
import io
import itertools

import numpy as np

from kprune.analysis import sanity
from kprune.analysis.sanity.verdicts import caption, together
from kprune.experiment.results import baselines
from kprune.runtime import methods, tables
from kprune.runtime.palette import look
from kprune.runtime.plots import Line, Panel, Rule

_PLACE = ("dataset", "network", "method", "sparsity")
_COLUMNS = (*_PLACE, "n", "mean", "std", "paper_mean", "paper_std", "paper_n")
# Accuracies to label, in the order in which crowded ones take precedence.
_TICKS = (90, 99, 50, 80, 95, 98, 97, 70, 60, 40, 20, 0, 96, 94, 85, 92, 99.5)
_LEAST = 0.05  # The smallest error drawn, in percent: the axis is logarithmic.


def markdown(section):
    """Returns a section as a heading, a sentence, a table and verdicts, and
    what it lacks of shuffled baselines."""
    sparsities = section.sparsities
    tell = len(section.counts) > 1
    rows = []
    for row in section.rows:
        found = [_cell(row.measured.get(s), tell) for s in sparsities]
        rows.append([row.name, *found])
        if row.paper:
            found = [_as_printed(row.paper.get(s)) for s in sparsities]
            rows.append([f"{row.name}: paper", *found])
    head = ["method", *(percent(s) if s else "dense" for s in sparsities)]
    parts = [
        f"## {section.network} on {section.dataset}",
        _caption(section, tell),
        tables.markdown(head, rows),
    ]
    found = verdicts(section)
    parts.append(caption([one for _, one in found]))
    parts.append("\n".join(f"- At {percent(at)}, {one}." for at, one in found))
    parts.append(baselines.missing(section))
    parts = list(filter(None, parts))
    return "\n\n".join(parts) + "\n"


def verdicts(section):
    """Returns (sparsity, `Verdict`) of each sanity check whose method also has
    runs, a list, with Holm's correction over all of them."""
    places, found = [], []
    plain = {row.method: row for row in section.rows if row.check is None}
    for row in section.rows:
        if row.check is None or row.method not in plain:
            continue
        of_method = plain[row.method].measured
        for sparsity, checked in sorted(row.measured.items()):
            if sparsity in of_method:
                sides = of_method[sparsity].values, checked.values
                places.append(sparsity)
                found.append(sanity.verdict(*sides, row.method, row.check))
    return list(zip(places, together(found), strict=True))


def comma_separated(sections):
    """Returns all sections as CSV, a line for each accuracy, in percent.

    Unknown values are empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for section in sections:
        for row in section.rows:
            for sparsity in sorted({**row.measured, **row.paper}):
                measured = _numbers(row.measured.get(sparsity))
                paper = _numbers(row.paper.get(sparsity))
                place = [section.dataset, section.network, row.name, sparsity]
                writer.writerow([*place, measured[2], *measured[:2], *paper])
    return text.getvalue()


def percent(sparsity):
    """Returns a sparsity as a string such as `"99.5 %"`."""
    return f"{100 * sparsity:.6g} %"


def panel(section):
    """Returns a `Panel` of the accuracy of each method over the sparsity.

    The horizontal axis is the logarithm of the share of weights kept, the
    vertical one that of the error, which spreads accuracies near 100 %. A
    paper's accuracies have hollow markers.
    """
    lines = [rule for r in section.rows if r.dense for rule in _rules(r)]
    rows = [row for row in section.rows if not row.dense]
    # The colour identifies the method, the marker its rows.
    looks = []
    for row in rows:
        looks.append(look(_method(row), looks))
    # The legend lists methods in the order in which their lines end.
    for row in sorted(rows, key=_last, reverse=True):
        place = rows.index(row)
        lines += _lines(row, looks[place], place, len(rows))
    if any(row.paper for row in rows):
        gray = {"color": "gray"}
        lines.append(Line([], [], "hollow: paper", hollow=True, look=gray))
    if section.counts[-1:] != [1] and section.counts:
        words = f"bars: standard deviation, n = {_counts(section)}"
        lines.append(Line([], [], words, look={"linestyle": "none"}))
    kept = [1 - s for s in reversed(section.sparsities) if s]
    return Panel(
        lines,
        f"{section.network} on {section.dataset}",
        "sparsity (log scale of what is kept)",
        "test accuracy in % (log scale of the error)",
        log="xy",
        inverted="xy",
        xticks={k: percent(1 - k) for k in _spaced(kept, kept, 14)},
        yticks=_error_ticks(lines),
    )


def _caption(section, tell):
    found = section.settings
    text = "Test accuracy in %, by sparsity"
    if section.counts[-1] > 1:
        text += ": mean ± standard deviation (n - 1), "
        number = f"n = {section.counts[0]}"
        text += "with n in parentheses" if tell else number
    seeds = ", ".join(map(str, section.seeds))
    text += f"; seed{'s' if len(section.seeds) > 1 else ''} {seeds}"
    how = []
    if "training.epochs" in found:
        how.append(f"{found['training.epochs']} epochs")
    if {"training.optimizer", "training.learning_rate"} <= set(found):
        optimizer = found["training.optimizer"]
        how.append(f"{optimizer} at {found['training.learning_rate']:g}")
    if "dataset.batch_size" in found:
        how.append(f"batches of {found['dataset.batch_size']}")
    text += f"; {', '.join(how)}." if how else "."
    if section.sources and any(row.paper for row in section.rows):
        text += f" Paper: {'; '.join(section.sources)}."
    return text


def _cell(accuracy, tell):
    if accuracy is None:
        return ""
    text = tables.mean(accuracy.values)
    return f"{text} ({accuracy.n})" if tell else text


def _as_printed(accuracy):
    """Returns a paper's accuracy with the digits that the paper prints."""
    if accuracy is None:
        return ""
    std = "" if accuracy.std is None else f" ± {accuracy.std:g}"
    return f"{accuracy.mean:g}{std}"


def _numbers(accuracy):
    """Returns the mean and deviation, rounded to four decimals, and n."""
    if accuracy is None:
        return None, None, None
    std = None if accuracy.std is None else round(accuracy.std, 4)
    return round(accuracy.mean, 4), std, accuracy.n


def _last(row):
    """Returns the highest sparsity of a row, and the accuracy there."""
    found = row.measured or row.paper
    return max(found), found[max(found)].mean


def _rules(row):
    """Yields the lines of the dense network."""
    for found, style, whose in (
        (row.measured, "-", ""),
        (row.paper, ":", "paper, "),
    ):
        for one in found.values():
            label = f"{whose}{row.name}: {one.mean:.2f} %"
            spread = None
            if one.std:
                spread = _error(one.mean - one.std), _error(one.mean + one.std)
            look = {"linestyle": style}
            yield Rule(_error(one.mean), None, label, spread, look)


def _method(row):
    """Returns the name of a row's method, without settings."""
    return row.method.partition(" (")[0]


def _counts(section):
    least, most = section.counts[0], section.counts[-1]
    return f"{least}" if least == most else f"{least} to {most}"


def _in_words(row):
    """Returns a row's name as in the literature."""
    name = _method(row)
    known = methods.methods("prune").get(name)
    title = known.title if known is not None and known.title else name
    return title.replace("_", " ") + row.name[len(name) :]


def _lines(row, look, number, count):
    """Yields the line of a method, and the paper's points."""
    # Shift methods sideways, so that no error bar hides another.
    aside = 1 + 0.006 * (number - (count - 1) / 2)
    look = {**look, "markersize": 5}
    for found, hollow in ((row.measured, False), (row.paper, True)):
        if not found:
            continue
        x = [(1 - sparsity) * aside for sparsity in sorted(found)]
        shown = [found[sparsity] for sparsity in sorted(found)]
        errors = np.array([_error(one.mean) for one in shown])
        spread = np.array([one.std or 0.0 for one in shown])
        below = errors - np.maximum(errors - spread, _LEAST)
        label = None if hollow else _in_words(row)
        yield Line(x, errors, label, [below, spread], hollow=hollow, look=look)


def _error(accuracy):
    return max(100 - accuracy, _LEAST)


def _error_ticks(lines):
    """Returns the labels of the error axis, a dict by error, well spaced."""
    shown = list(itertools.chain(*(_reach(line) for line in lines)))
    errors = [100 - accuracy for accuracy in _TICKS]
    inside = [e for e in errors if min(shown) <= e <= max(shown)]
    return {e: f"{100 - e:g}" for e in _spaced(inside, shown, 16)}


def _reach(line):
    """Returns the errors that a line or rule spans, bars included."""
    if isinstance(line, Rule):
        return [line.y, *(line.spread or ())]
    if not len(line.x):
        return []
    return [*(line.y - line.spread[0]), *(line.y + line.spread[1])]


def _spaced(values, shown, count):
    """Returns positive values without those too near an earlier one.

    `count` of them fit on the logarithmic axis that shows `shown`.
    """
    gap, kept = np.ptp(np.log(shown)) / count if shown else 0, []
    for value in values:
        if all(abs(np.log(value / other)) >= gap for other in kept):
            kept.append(value)
    return kept
