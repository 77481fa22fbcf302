"""Renders a report as one self-contained HTML page."""

from kprune.analysis.report import charts, drawings, given, totals
from kprune.analysis.report.row import fraction
from kprune.runtime import pages
from kprune.runtime.pages import text

_BLUE = (46, 134, 193)  # Legible on white and on black.
_KINDS = {
    "path4": "on a path, more than three quarters kept",
    "path1": "on a path, one quarter or fewer",
    "kept": "keeps weights, none on a path",
    "dead": "keeps none",
}
_STYLE = """
.tiles {
  display: grid; gap: 0.75rem; margin: 1.25rem 0;
  grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr));
}
.tile {
  border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem 0.9rem;
}
.tile b { display: block; font-size: 1.3rem; }
.tile span, .legend, .row .of { color: var(--soft); }
.alarm {
  border-left: 4px solid var(--warm); padding: 0.3rem 0.8rem;
  overflow-wrap: anywhere;
}
.row, .heads {
  display: grid; gap: 0 1.25rem; padding: 0.5rem 0; align-items: center;
  grid-template-columns: minmax(9rem, 1.2fr) 1fr 1fr 1fr;
  border-bottom: 1px solid var(--line); break-inside: avoid;
}
.heads { color: var(--soft); font-weight: 600; }
.row b { overflow-wrap: anywhere; }
.row .of { display: block; font-size: 0.85rem; }
.row .label { display: none; }
.track { background: var(--line); border-radius: 2px; height: 0.7rem; }
.fill { background: var(--accent); border-radius: 2px; height: 100%; }
.strip { display: flex; height: 0.7rem; border-radius: 2px; overflow: hidden; }
.path4 { background: var(--accent); }
.path3 { background: color-mix(in srgb, var(--accent) 75%, var(--paper)); }
.path2 { background: color-mix(in srgb, var(--accent) 52%, var(--paper)); }
.path1 { background: color-mix(in srgb, var(--accent) 30%, var(--paper)); }
.kept { background: var(--mild); }
.dead { background: var(--warm); }
.legend > span { margin-right: 1.2rem; }
.masks { display: flex; flex-wrap: wrap; gap: 1.25rem; }
.masks img {
  display: block; image-rendering: pixelated; max-width: 100%;
  border: 1px solid var(--line);
}
@media (max-width: 44rem) {
  .heads { display: none; }
  .row { grid-template-columns: 1fr; gap: 0.35rem; }
  .row .label { display: inline; }
  .legend > span { display: block; }
}
"""


def page(report, history=None, candidates=None):
    """Returns the page as a string of HTML.

    Args:
        report: A `Report`.
        history: Dict of figures by epoch, as `given.history` returns it, or
            `None`.
        candidates: List of dicts, as for `Report.to_html`, or `None`.
    """
    body = [
        f"<h1>{text(report.model)}</h1>",
        f'<p class="names">{text(_headline(report))}</p>',
        *_tiles(report),
        *_alarms(report),
        *_layers(report),
        *_masks(report),
        *_curves(history),
        *_candidates(candidates),
    ]
    return pages.document(
        f"{report.model}: sparsity", body, _STYLE + charts.STYLE
    )


def _headline(report):
    counted = sum(row.counts for row in report.rows)
    return f"What is kept of {counted} weights that can be pruned."


def _tiles(report):
    figures = [
        (_percent(report.sparsity), "of prunable weights removed"),
        (_percent(report.effective_sparsity), "removed or on no path"),
        (_percent(report.model_sparsity), "of all parameters removed"),
    ]
    if report.multiply_adds:
        left = fraction(report.sparse_multiply_adds, report.multiply_adds)
        figures.append((_percent(left), "of the multiply-adds left"))
    if report.effective_outputs is not None:
        on_path = f"{report.effective_outputs:,} of {report.output_units:,}"
        figures.append((on_path, "output units on a path"))
    if report.effective_kernels is not None:
        on_path = f"{report.effective_kernels:,} of {report.kernels:,}"
        figures.append((on_path, "kernels on a path"))
    if report.effective_paths is not None:
        words = "paths from an input to an output"
        figures.append((totals.paths(report), words))
    dead = f"{report.dead_outputs:,} of {report.output_units:,}"
    figures.append((dead, "output units without a weight"))
    tiles = [
        f'<div class="tile"><b>{number}</b><span>{words}</span></div>'
        for number, words in figures
        if number is not None
    ]
    yield f'<div class="tiles">{"".join(tiles)}</div>'


def _alarms(report):
    found = [*totals.collapse(report)]
    if report.unfollowed is not None:
        found.append(f"Which weights lie on a path: n/a ({report.unfollowed}).")
    if report.untraced is not None:
        found.append(f"Multiply-adds: n/a ({report.untraced}).")
    yield from (f'<p class="alarm">{text(line)}</p>' for line in found)


def _layers(report):
    most = max([1, *(row.multiply_adds or 0 for row in report.rows)])
    yield "<h2>Layer by layer</h2>"
    yield (
        '<div class="heads"><div>Weight</div><div>Kept</div>'
        "<div>Multiply-adds</div><div>Output units</div></div>"
    )
    for row in report.rows:
        yield _row(row, report.drawings.get(row.name), most)
    keys = "".join(
        f'<span><span class="key {kind}"></span>{words}</span>'
        for kind, words in _KINDS.items()
    )
    yield f'<p class="legend">Output units: {keys}</p>'


def _row(row, drawing, most):
    name, shape = text(row.name), "x".join(map(str, row.shape))
    folding = name.replace("/", "/<wbr>")
    cells = [
        f'<div><b>{folding}</b><span class="of">{shape}</span></div>',
        _cell("Kept", _track(1, row.kept / max(row.total, 1)), _kept(row)),
        _multiply_adds(row, most),
        _units(row, drawing),
    ]
    return f'<div class="row" data-weight="{name}">{"".join(cells)}</div>'


def _kept(row):
    if row.skipped is not None:
        return f"not pruned: {row.skipped}"
    parts = [f"{row.kept:,} of {row.total:,}, sparsity {row.sparsity:.4f}"]
    if row.effective_kept is not None and row.effective_kept < row.kept:
        parts.append(f"{row.effective_kept:,} on a path")
    return "; ".join(parts)


def _multiply_adds(row, most):
    if row.multiply_adds is None:
        return _cell("Multiply-adds", "", "n/a")
    part = fraction(row.sparse_multiply_adds, row.multiply_adds)
    numbers = f"{row.sparse_multiply_adds:,} of {row.multiply_adds:,}"
    drawn = _track(row.multiply_adds / most, part)
    return _cell("Multiply-adds", drawn, numbers)


def _units(row, drawing):
    if drawing is None or not drawing.units:
        return "<div></div>"
    counts = dict(drawing.units)
    parts = "".join(
        f'<div class="{kind}" style="flex: {count}"></div>'
        for kind, count in drawing.units
    )
    words = [f"{row.output_units:,}"]
    words += [f"{counts['kept']:,} on no path"] if "kept" in counts else []
    words += [f"{counts['dead']:,} dead"] if "dead" in counts else []
    strip = f'<div class="strip">{parts}</div>'
    return _cell("Output units", strip, ", ".join(words))


def _cell(label, drawn, words):
    """Returns a cell, with a label that shows only on narrow screens."""
    label = f'<span class="label">{label}: </span>'
    return f'<div>{drawn}<span class="of">{label}{text(words)}</span></div>'


def _track(width, share):
    """Returns a bar, of a width and filled share in [0, 1]."""
    fill = f'<div class="fill" style="width: {100 * share:.2f}%"></div>'
    return f'<div class="track" style="width: {100 * width:.2f}%">{fill}</div>'


def _masks(report):
    shown = [d for d in report.drawings.values() if d.picture is not None]
    if not shown:
        return
    yield "<h2>Masks</h2>"
    yield (
        '<p class="names">Inputs are rows, outputs are columns; filters are '
        "tiles. What is kept is blue.</p>"
    )
    figures = []
    for drawing in shown:
        height, width = drawing.picture.shape
        scale = max(1, min(8, 320 // max(width, height)))
        size = f'width="{scale * width}" height="{scale * height}"'
        source = drawings.png(drawing.picture, _BLUE)
        name = text(drawing.name)
        image = f'<img src="{source}" {size} alt="mask of {name}">'
        figures.append(
            f"<figure>{image}<figcaption>{name}</figcaption></figure>"
        )
    yield f'<div class="masks">{"".join(figures)}</div>'


def _curves(history):
    if not history:
        return
    yield "<h2>Training</h2>"
    found = [
        charts.lines(title, series)
        for title, series in given.by_metric(history).items()
    ]
    yield f'<div class="charts">{"".join(found)}</div>'


def _candidates(candidates):
    if not candidates:
        return
    yield "<h2>Candidates</h2>"
    points, labels = given.points(candidates)
    if points:
        yield charts.scatter(points, labels)
    head, rows = given.columns(candidates)
    yield pages.table(map(text, head), [map(text, row) for row in rows])


def _percent(share):
    return None if share is None else f"{100 * share:.2f} %"
