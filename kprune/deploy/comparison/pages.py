"""A comparison as a page of HTML, complete in itself."""

import html as markup

from kprune.deploy.comparison import texts

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark;
  --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #ffffff;
  --before: #9aa7b8; --after: #1f77b4;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --ink: #e6eaf0; --soft: #9aa5b4; --line: #353d49; --paper: #14181e;
    --before: #66758a; --after: #58a6e0;
  }}
}}
body {{
  margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif;
}}
h1 {{ font-size: 1.5rem; margin-bottom: 0.25rem; }}
h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
p.names {{ margin-top: 0; color: var(--soft); }}
.key {{
  display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px;
  margin: 0 0.3em 0 0; vertical-align: -0.05em;
}}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{
  padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--line);
  text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums;
}}
th {{ color: var(--soft); font-weight: 600; }}
th:first-child, td:first-child {{ text-align: left; }}
td.bars {{ width: 34%; min-width: 9rem; }}
.bar {{ height: 0.55rem; border-radius: 2px; margin: 2px 0; min-width: 1px; }}
.before {{ background: var(--before); }}
.after {{ background: var(--after); }}
ul {{ padding-left: 1.2rem; color: var(--soft); }}
</style>
</head>
<body>
<h1>Before and after</h1>
<p class="names"><span class="key before"></span>{before} &nbsp;
<span class="key after"></span>{after}</p>
<div class="scroll">
{table}
</div>
<ul>
{notes}
</ul>
{layers}</body>
</html>
"""
_LAYERS = """<h2>Layer by layer</h2>
<p class="names">Bars are the entries that are not zero.</p>
<div class="scroll">
{table}
</div>
"""


def html(comparison):
    """Returns a page of HTML, a string."""
    head = ("What", "", *texts.HEADER[1:])
    rows = [
        (label, bars(row.before, row.after), *rest)
        for row in comparison.rows
        for label, *rest in [map(markup.escape, texts.cells(row))]
    ]
    _, *notes = texts.lines(comparison)
    names = map(markup.escape, (comparison.before, comparison.after))
    before, after = names
    return _PAGE.format(
        title=f"{before} and {after}",
        before=before,
        after=after,
        table=_table(head, rows),
        notes="\n".join(f"<li>{markup.escape(note)}</li>" for note in notes),
        layers=_layers(comparison.layers),
    )


def bars(before, after):
    """Returns two bars, the longer of which is as wide as their cell, or
    nothing where a figure is not known."""
    if None in (before, after) or not max(before, after) > 0:
        return ""
    return "".join(
        f'<div class="bar {which}" style="width: {share:.1f}%"></div>'
        for which, share in (
            ("before", 100 * before / max(before, after)),
            ("after", 100 * after / max(before, after)),
        )
    )


def _layers(layers):
    if not layers:
        return ""
    largest = max([1, *(x for r in layers for x in _kept(r))])
    rows = [
        (label, _scaled(row, largest), *rest)
        for row in layers
        for label, *rest in [map(markup.escape, texts.layer_cells(row))]
    ]
    head = (texts.LAYERS[0], "", *texts.LAYERS[1:])
    return _LAYERS.format(table=_table(head, rows))


def _kept(row):
    return [x for x in (row.kept_before, row.kept_after) if x is not None]


def _scaled(row, largest):
    """Returns the bars of a weight, on one scale for all of them."""
    pairs = ("before", row.kept_before), ("after", row.kept_after)
    return "".join(
        f'<div class="bar {which}" style="width: {100 * n / largest:.1f}%">'
        "</div>"
        for which, n in pairs
        if n
    )


def _table(head, rows):
    """Returns a table; its second column holds bars, the others are safe."""
    lines = ["<table>", f"<tr>{''.join(f'<th>{h}</th>' for h in head)}</tr>"]
    for first, drawn, *rest in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        lines.append(
            f'<tr><td>{first}</td><td class="bars">{drawn}</td>{cells}</tr>'
        )
    return "\n".join([*lines, "</table>"])
