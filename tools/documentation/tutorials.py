"""Adds the tutorials as pages, from their notebooks: a hook of MkDocs.

Links to a notebook become links to its page; a page links to its notebook and
its script, to download.
"""

import html
import json
import pathlib
import re

from mkdocs.structure.files import File

_FOLDER = "tutorials"


def on_files(files, config):
    """Adds the pages and their figures, which are not on disk."""
    folder = pathlib.Path(config.docs_dir) / _FOLDER
    for path in sorted(folder.glob("*.ipynb")):
        text, figures = page(path.stem, json.loads(path.read_text()))
        made = {f"{path.stem}.md": text, **figures}
        for name, content in made.items():
            place = f"{_FOLDER}/{name}"
            files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Redirects links to notebooks to their pages."""
    del page, config, files
    return redirected(markdown)


def redirected(markdown):
    """Returns Markdown whose links to notebooks lead to their pages."""
    return re.sub(r"(\]\([^):\s]*)\.ipynb\)", r"\1.md)", markdown)


def page(name, notebook):
    """Returns the Markdown of a notebook, and its figures.

    Args:
        name: String, the name of its file, without an ending.
        notebook: Dict, the content of the `.ipynb`.

    Returns:
        A pair: a string, and a dict from the name of a file to an SVG.
    """
    parts, figures, heading = [], {}, name
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            heading = (re.findall(r"^#+ (.+)", source, re.M) or [heading])[-1]
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            svg = "".join(output.get("data", {}).get("image/svg+xml", ""))
            if svg:
                drawn = f"{name}_{len(figures) + 1}.svg"
                figures[drawn] = svg
                parts.append(f"![Figure: {heading}]({drawn})")
            else:
                shown = _text(output).rstrip()
                parts.append(f"``` {{ .text .output }}\n{shown}\n```")
    title, *rest = parts
    return "\n\n".join([title, _downloads(name), *rest]) + "\n", figures


def _text(output):
    """Returns what an output shows as text."""
    return "".join(output.get("text", output.get("data", {}).get("text/plain")))


def _downloads(name):
    """Returns links to the files, as HTML, so that `redirected` leaves them."""
    links = ", ".join(
        f'<a href="../{html.escape(name)}{ending}" download>{what}</a>'
        for ending, what in ((".ipynb", "notebook"), (".py", "script"))
    )
    return f'<p class="downloads">Download: {links}</p>'
