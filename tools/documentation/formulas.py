"""Converts formulas to MathML, which needs no script: a hook of MkDocs.

`pymdownx.arithmatex` finds the LaTeX.
"""

import html
import re

from latex2mathml import converter

_FOUND = re.compile(
    r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S
)


def on_page_content(content, page, config, files):
    """Replaces the LaTeX in a page's HTML."""
    del page, config, files
    return _FOUND.sub(_mathml, content)


def _mathml(match):
    tag, opening, latex = match.groups()
    display = "inline" if opening == "(" else "block"
    converted = converter.convert(html.unescape(latex).strip(), display=display)
    return f'<{tag} class="formula">{converted}</{tag}>'
