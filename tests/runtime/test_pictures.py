"""Figures that a notebook shows."""

import sys

import pytest

from kprune.runtime import pictures, plots


@pytest.fixture
def panel():
    return plots.Panel([plots.Line([1, 2], [3.0, 4.0], "a line")], "a title")


def test_a_picture_is_an_svg_for_jupyter(panel):
    pytest.importorskip("matplotlib")
    picture = pictures.show(panel, panel, columns=2)
    svg = picture._repr_svg_()
    assert svg.startswith("<?xml") and svg.rstrip().endswith("</svg>")
    assert svg.count("<!-- a title -->") == 2
    assert f"{len(svg):,}" in repr(picture)
    # Its files are equal: a notebook that is run again does not change.
    assert pictures.show(panel, panel, columns=2) == picture


def test_figures_leave_the_backend_of_pyplot_alone(panel):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("svg")
    pictures.show(panel)
    assert matplotlib.get_backend() == "svg"


def test_without_panels_or_matplotlib_it_says_so(panel, monkeypatch):
    with pytest.raises(ValueError, match="one or more panels"):
        pictures.show()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r"kprune\[plots\]"):
        pictures.show(panel)
