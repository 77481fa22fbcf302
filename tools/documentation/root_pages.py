"""Adds files at the root of the repository as pages: a hook of MkDocs.

Links to these files become links to their pages. Links to other files outside
the docs are left to MkDocs, which reports them as broken.
"""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]
# From a file to its page.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "configs/README.md": "configs.md",
}


def on_files(files, config):
    """Adds the pages."""
    for file, page in PAGES.items():
        text = (ROOT / file).read_text()
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Redirects links between the docs and the root to the pages."""
    del config, files
    here = page.file.src_uri
    file = {v: k for k, v in PAGES.items()}.get(here, f"docs/{here}")

    def led(match):
        link, _, anchor = match[1].partition("#")
        target = posixpath.normpath(posixpath.join(file, "..", link))
        if link.startswith(("http:", "https:")) or not link:
            return match[0]
        inside = target.removeprefix("docs/")
        led_to = PAGES.get(target, inside if inside != target else None)
        if led_to is None:
            return match[0]
        led_to = posixpath.relpath(led_to, posixpath.dirname(here) or ".")
        return f"]({led_to}{'#' if anchor else ''}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", led, markdown)
