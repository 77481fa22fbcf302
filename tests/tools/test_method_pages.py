"""A method's page tells what its entry and the docs' tables say."""

import importlib.util
import pathlib

import pytest

import kprune

ROOT = pathlib.Path(__file__).parents[2]
REPRODUCTION = """# On digits

| method | 95 % |
|---|---:|
| `snip` | 97.02 ± 0.02 |
| `force` | 97.03 ± 0.11 |
"""


@pytest.fixture(scope="module")
def pages():
    pytest.importorskip("mkdocs", reason="the extra docs")
    path = ROOT / "tools/documentation/method_pages.py"
    spec = importlib.util.spec_from_file_location("method_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "reproductions").mkdir()
    (tmp_path / "reproductions/digits.md").write_text(REPRODUCTION)
    (tmp_path / "reproductions/again.md").write_text(REPRODUCTION)
    return tmp_path


def test_a_page_of_a_criterion(pages, docs):
    page = pages.page("force", docs)
    assert page.startswith("# FORCE\n")
    assert "(https://arxiv.org/abs/2006.09081)" in page
    assert "| `rounds` | `60` |" in page
    assert "| `allocation` | `'global'` |" in page
    assert page.count("97.03 ± 0.11") == 1
    assert "97.02" not in page


def test_options_of_the_recipe_are_defaults_too(pages, docs):
    assert "| `released_code` | `False` |" in pages.page("snip", docs)


def test_symbols_are_explained_where_they_are_meant(pages):
    table = kprune.methods()
    assert pages.of_the_loss(table["obs"])
    assert not pages.of_the_loss(table["wanda"])  # H is X'X there.
    assert not pages.of_the_loss(table["random"])


def test_every_method_has_its_page_and_group(pages, docs):
    for name, method in kprune.methods().items():
        text = pages.page(name, docs)
        assert text.startswith(f"# {method.title}\n")
        for variant in pages.methods.entries():
            assert variant.name != name or variant.call in text
