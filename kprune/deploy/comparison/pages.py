"""Renders a comparison as one self-contained HTML page."""

from kprune.deploy.comparison import texts
from kprune.runtime import pages
from kprune.runtime.pages import bar, text

_STYLE = """
.before { background: var(--faint); }
.after { background: var(--accent); }
"""
_NAMES = """<h1>Before and after</h1>
<p class="names"><span class="key before"></span>{before} &nbsp;
<span class="key after"></span>{after}</p>"""
_LAYERS = """<h2>Layer by layer</h2>
<p class="names">Bars are the entries that are not zero.</p>"""


def html(comparison):
    """Returns a comparison as an HTML page, a string."""
    names = comparison.before, comparison.after
    before, after = map(text, names)
    _, *notes = texts.lines(comparison)
    head = ("What", "", *texts.HEADER[1:])
    rows = [
        (label, bars(row.before, row.after), *rest)
        for row in comparison.rows
        for label, *rest in [map(text, texts.cells(row))]
    ]
    listed = "\n".join(f"<li>{text(note)}</li>" for note in notes)
    body = [
        _NAMES.format(before=before, after=after),
        pages.table(head, rows),
        f"<ul>\n{listed}\n</ul>",
        *_layers(comparison.layers),
    ]
    return pages.document(" and ".join(names), body, _STYLE)


def bars(before, after):
    """Returns two bars, the longer as wide as the cell; an empty string if a
    figure is unknown or both are zero."""
    if None in (before, after) or not max(before, after) > 0:
        return ""
    most = max(before, after)
    return bar("before", before / most) + bar("after", after / most)


def _layers(layers):
    if not layers:
        return
    largest = max([1, *(x for r in layers for x in _kept(r))])
    rows = [
        (label, _scaled(row, largest), *rest)
        for row in layers
        for label, *rest in [map(text, texts.layer_cells(row))]
    ]
    head = (texts.LAYERS[0], "", *texts.LAYERS[1:])
    yield _LAYERS
    yield pages.table(head, rows)


def _kept(row):
    return [x for x in (row.kept_before, row.kept_after) if x is not None]


def _scaled(row, largest):
    """Returns the bars of a weight, on the scale shared by all weights."""
    pairs = ("before", row.kept_before), ("after", row.kept_after)
    return "".join(bar(which, n / largest) for which, n in pairs if n)
