"""Renders self-contained HTML pages: no network, no scripts.

The pages follow the browser's light or dark mode, and print in light colours.
"""

import html

_LIGHT = """
    --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #ffffff;
    --faint: #9aa7b8; --accent: #1f77b4; --warm: #c2410c; --mild: #d9a441;"""
_DARK = """
    --ink: #e6eaf0; --soft: #9aa5b4; --line: #353d49; --paper: #14181e;
    --faint: #66758a; --accent: #58a6e0; --warm: #f0764a; --mild: #d1a54f;"""
_COLOURS = f"""
:root {{ color-scheme: light dark;{_LIGHT}
}}
@media (prefers-color-scheme: dark) {{
  :root {{{_DARK}
  }}
}}
@media print {{
  :root {{ color-scheme: light;{_LIGHT}
  }}
}}
"""
_RULES = """
* { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
body {
  margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
  background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.5rem; margin-bottom: 0.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.25rem; break-after: avoid; }
p.names { margin-top: 0; color: var(--soft); }
.key {
  display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px;
  margin: 0 0.3em 0 0; vertical-align: -0.05em;
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td {
  padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--line);
  text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums;
}
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
tr { break-inside: avoid; }
td.bars { width: 34%; min-width: 9rem; }
.bar { height: 0.55rem; border-radius: 2px; margin: 2px 0; min-width: 1px; }
ul { padding-left: 1.2rem; color: var(--soft); }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def document(title, body, style=""):
    """Returns an HTML page.

    Args:
        title: String, as plain text.
        body: Iterable of strings of HTML.
        style: String of additional CSS rules. The colours are variables:
            `--ink`, `--soft`, `--line` and `--paper`; `--faint` and `--accent`
            for compared values; `--mild` and `--warm` for warnings.
    """
    return _PAGE.format(
        title=text(title),
        style=f"{_COLOURS}{_RULES}{style}",
        body="\n".join(body),
    )


def text(value):
    """Returns a value's string, escaped for HTML."""
    return html.escape(str(value))


def table(head, rows):
    """Returns a table in a box that scrolls if the table is too wide.

    Args:
        head: Names of the columns, as HTML.
        rows: Lists of cells, as HTML. Cells that begin with a `bar` are wider.
    """
    lines = ["<table>", f"<tr>{''.join(f'<th>{h}</th>' for h in head)}</tr>"]
    for row in rows:
        lines.append(f"<tr>{''.join(map(_cell, row))}</tr>")
    return "\n".join(['<div class="scroll">', *lines, "</table>", "</div>"])


def bar(kind, share):
    """Returns a bar of CSS class `kind`, whose width is `share` of its cell, a
    number in [0, 1]."""
    return f'<div class="bar {kind}" style="width: {100 * share:.1f}%"></div>'


def _cell(cell):
    drawn = ' class="bars"' if cell.startswith("<div") else ""
    return f"<td{drawn}>{cell}</td>"
