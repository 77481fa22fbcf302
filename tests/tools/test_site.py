"""The documentation as a site: built, its links followed, and looked at."""

import contextlib
import functools
import html.parser
import http.server
import importlib.util
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import threading
import types
import urllib.parse

import pytest

import kprune

ROOT = pathlib.Path(__file__).parents[2]
EXTRA = ("mkdocs", "material", "mkdocstrings", "latex2mathml")
missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
needs_extra = pytest.mark.skipif(
    bool(missing), reason='pip install ".[docs]" brings what builds the site'
)
MARKDOWN = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "configs/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# What a browser loads by itself, by the attribute that names it.
LOADED = {"script": "src", "img": "src", "link": "href", "source": "srcset"}


class Page(html.parser.HTMLParser):
    """The links, loaded files and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if key in attrs}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if LOADED.get(tag) in attrs:
            self.loaded.append(attrs[LOADED[tag]])


@pytest.mark.parametrize(
    "path", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_links_of_a_page_lead_to_files(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.S)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    gone, docs = [], ROOT / "docs"
    for link in (a or b for a, b in links):
        target = link.partition("#")[0]
        made = target.startswith("kprune") and path.parent.name == "api"
        if link.startswith(("https://", "http://", "#")) or made:
            continue
        file = (path.parent / target).resolve()
        # The site has no other files from outside the docs.
        there = docs in file.parents or file in MARKDOWN
        if not file.exists() or (docs in path.parents and not there):
            gone.append(link)
    assert gone == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Returns the directory of a site that was built without a warning."""
    path = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return path


@pytest.fixture(scope="module")
def pages(site):
    """Returns each page by its path in the site."""
    return {
        path.relative_to(site).as_posix(): Page(path.read_text())
        for path in site.rglob("*.html")
        if path.name != "404.html"  # Its links begin at the root.
    }


@needs_extra
@pytest.mark.slow
def test_every_link_and_picture_is_there(site, pages):
    broken = []
    for name, page in pages.items():
        for link in [*page.links, *page.loaded]:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = posixpath.join(posixpath.dirname(name), url.path)
            target = posixpath.normpath(target) if url.path else name
            if (site / target).is_dir():
                target = posixpath.normpath(f"{target}/index.html")
            found = (site / target).exists()
            if found and target in pages:
                anchor = urllib.parse.unquote(url.fragment)
                found = anchor in pages[target].anchors
            broken += [] if found else [f"{name}: {link}"]
    assert broken == []


@needs_extra
@pytest.mark.slow
def test_every_figure_has_a_version_for_dark_pages(site, pages):
    figures = [
        posixpath.join(posixpath.dirname(name), link)
        for name, page in pages.items()
        for link in page.loaded
        if ".svg" in link
    ]
    assert len(figures) > 20
    light = {x.removesuffix(".svg#only-light") for x in figures[::2]}
    dark = {x.removesuffix(".dark.svg#only-dark") for x in figures[1::2]}
    assert light == dark
    for figure in dark:
        assert "#222222" not in (site / f"{figure}.dark.svg").read_text()


@needs_extra
@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site, pages):
    loaded = [one for page in pages.values() for one in page.loaded]
    assert [one for one in loaded if "//" in one] == []
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text()


@needs_extra
@pytest.mark.slow
def test_every_public_name_has_a_place(pages):
    anchors = {
        anchor
        for name, page in pages.items()
        if name.startswith("api/")
        for anchor in page.anchors
    }
    assert sorted(public() - anchors) == []


@needs_extra
@pytest.mark.slow
def test_every_method_has_a_page(site, pages):
    for name, method in kprune.methods().items():
        page = (site / f"methods/{name}/index.html").read_text()
        assert method.link in page
        assert ("<math" in page) or not method.formula
        assert 'class="arithmatex"' not in page


@needs_extra
@pytest.mark.slow
def test_no_page_has_a_script_error(site):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("No chromium is installed.")
    names = ("", "methods/prospr/", "api/kprune/", "reproductions/tickets/")
    with served(site) as address:
        for name in names:
            done = subprocess.run(
                [
                    chromium,
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--enable-logging=stderr",
                    "--virtual-time-budget=4000",
                    "--dump-dom",
                    f"{address}/{name}",
                ],
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert "md-search" in done.stdout
            said = [x for x in done.stderr.splitlines() if "CONSOLE" in x]
            assert said == []


def public():
    """Returns the public names of kprune, as Python has them."""
    found, seen, left = set(), set(), [("kprune", kprune)]
    while left:
        path, module = left.pop()
        if module.__name__ in seen:
            continue
        seen.add(module.__name__)
        for name in getattr(module, "__all__", None) or own(module):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                left.append((f"{path}.{name}", value))
            elif not name.startswith("__"):
                found.add(f"{path}.{name}")
    return found


def own(module):
    """Returns the functions and classes that a module makes itself."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]


@contextlib.contextmanager
def served(path):
    """Serves a directory meanwhile; yields the address."""
    handler = functools.partial(Quiet, directory=str(path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *args):
        del args
