"""The cells of a network as a table in Markdown."""

import numpy as np

from deployment.cells import KINDS, is_wrong
from deployment.networks import NETWORKS
from deployment.prunings import PRUNINGS
from kprune.runtime import tables

DENSE = "dense"
_WIDE = 1.25


def table(network, kinds, prunings, records, spreads):
    """Returns the cells of a network, a row for each kind of file, and below
    them why some are refused.

    Args:
        network: Name of the network.
        kinds: Names of `KINDS`.
        prunings: Names of `PRUNINGS`.
        records: Dict of records by (kind, pruning or `DENSE`); what is not in
            it was not run.
        spreads: Dict by pruning or `DENSE`, how far the outputs for different
            inputs are apart.
    """
    head = ["file", "dense: kB, gzipped", "ms"]
    for name in prunings:
        title = PRUNINGS[name].title
        head += [f"{title}: error", "kB, gzipped", "faster"]
    reasons = _Reasons()
    rows = [
        _row(kind, prunings, records, reasons)
        for kind in kinds
        if any((kind, name) in records for name in (DENSE, *prunings))
    ]
    apart = [f"{spreads[name]:.2g}" for name in (DENSE, *prunings)]
    lines = [
        f"**{NETWORKS[network].title}** (outputs for different inputs are "
        f"{', '.join(apart)} of the largest apart)",
        "",
        tables.markdown(head, rows),
    ]
    shown = [row[0] for row in rows]
    titles = [KINDS[kind].title for kind in kinds]
    missing = [title for title in titles if title not in shown]
    if missing:
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join([*lines, *reasons.lines()])


def _row(kind, prunings, records, reasons):
    dense = records.get((kind, DENSE))
    own = [records.get((kind, name)) for name in prunings]
    took = [x["ms"][0] for x in own if x and "ms" in x]
    row = [KINDS[kind].title, _size(dense, reasons)]
    row.append(f"{np.median(took):.3f}" if took else "")
    for record in own:
        row += [_error(record), _size(record, reasons), _faster(record)]
    return row


class _Reasons:
    """Why cells are refused, each sentence once, with a number."""

    def __init__(self):
        self._numbers = {}

    def number(self, reason):
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def lines(self):
        for reason, number in self._numbers.items():
            yield f"\n({number}) {reason}"


def _error(record):
    if record is None:
        return "not run"
    if "refused" in record:
        return ""
    text = f"{record['error']:.0e}" if record["error"] else "0"
    return f"**{text}: wrong**" if is_wrong(record) else text


def _size(record, reasons):
    if record is None:
        return "not run"
    if "refused" in record:
        return f"refused ({reasons.number(record['refused'])})"
    return f"{_kb(record['bytes'])}, {_kb(record['gzipped'])}"


def _kb(size):
    return f"{size / 1000:,.{0 if size >= 100_000 else 1}f}"


def _faster(record):
    """Returns a ratio of times, with its middle half where that is wide: what
    else the machine did then counts for more than the file."""
    if not record or "faster" not in record:
        return ""
    low, high = record["middle_half"]
    text = f"{record['faster']:.2f}"
    return text if high < _WIDE * low else f"{text} ({low:.2g} to {high:.2g})"
