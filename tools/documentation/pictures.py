"""Gives each SVG of the docs a version for dark pages: a hook of MkDocs."""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

from kprune.runtime import plots

_SUFFIX = ".svg"


def on_files(files, config):
    """Adds the dark versions, which are not on disk."""
    for file in [*files]:
        if file.src_uri.endswith(_SUFFIX):
            svg = plots.dark(file.content_string)
            files.append(
                File.generated(config, _dark(file.src_uri), content=svg)
            )
    return files


def on_page_markdown(markdown, page, config, files):
    """Shows each SVG in the version for the page's colours."""
    del config
    folder = posixpath.dirname(page.file.src_uri)

    def both(match):
        alt, link = match.groups()
        place = posixpath.normpath(posixpath.join(folder, link))
        if files.get_file_from_path(place) is None:
            return match[0]  # MkDocs reports it as missing.
        return f"![{alt}]({link}#only-light)\n![{alt}]({_dark(link)}#only-dark)"

    return re.sub(rf"!\[([^\]]*)\]\(([^)#\s]+\{_SUFFIX})\)", both, markdown)


def _dark(path):
    return str(pathlib.PurePosixPath(path).with_suffix(f".dark{_SUFFIX}"))
