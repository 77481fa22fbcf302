"""Sections of runs as one page of HTML, with their figures in it."""

import pathlib

from kprune.experiment.results import comparisons, report
from kprune.runtime import files, pages, plots

_STYLE = "svg { max-width: 100%; height: auto; background: #ffffff; }"


def page(arranged):
    """Returns an HTML page of all sections.

    It holds their tables, their figures if matplotlib is installed, and the
    comparisons of their methods.
    """
    body = ["<h1>Runs</h1>"]
    for section in arranged:
        body += _section(section)
    return pages.document("Runs", body, _STYLE)


def draw(arranged, path):
    """Draws the figures of all sections in one file, PNG or SVG."""
    panels = [report.panel(section) for section in arranged]
    plots.draw(panels, path, size=(8, 5))


def _section(section):
    heading, *paragraphs = report.markdown(section).strip().split("\n\n")
    yield f"<h2>{pages.text(heading.removeprefix('## '))}</h2>"
    for paragraph in paragraphs:
        if paragraph.startswith("| "):
            head, _, *rows = map(_cells, paragraph.splitlines())
            yield pages.table(head, rows)
        elif paragraph.startswith("- "):
            lines = (pages.text(line[2:]) for line in paragraph.splitlines())
            yield f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
        else:
            yield f"<p>{pages.text(paragraph)}</p>"
    if plots.missing() is None:
        with files.scratch_directory() as folder:
            path = pathlib.Path(folder, "figure.svg")
            draw([section], path)
            drawn = path.read_text(encoding="utf-8")
        yield drawn[drawn.index("<svg") :]
    found = comparisons.comparisons(section)
    if found:
        yield f"<p>{pages.text(comparisons.caption(found))}</p>"
        head = list(map(pages.text, comparisons.HEAD))
        rows = [map(pages.text, comparisons.cells(one)) for one in found]
        yield pages.table(head, rows)


def _cells(line):
    return [pages.text(cell) for cell in line[2:-2].split(" | ")]
