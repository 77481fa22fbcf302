"""Figures are drawn from the tables that the docs print."""

import numpy as np
import pytest

import figures
from kprune.runtime import palette, plots

PAGE = """
## First

| method | dense | 95 % |
|---|---:|---:|
| `snip` | | 1 ± 2 |

## Second

| method | dense | 95 % | 99.5 % |
|---|---:|---:|---:|
| dense | 97.44 ± 0.35 | | |
| `snip` | | 96.5 ± 0.02 | 85.25 ± 1.75 |
| `force` | | | 90.8 ± 0.8 |
"""


def test_a_table_is_read(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    snip, force = figures.rows(page, "## Second", ["`snip`", "`force`"])
    assert snip == figures.Row(
        "`snip`", [95, 99.5], [96.5, 85.25], [0.02, 1.75]
    )
    assert force == figures.Row("`force`", [99.5], [90.8], [0.8])


@pytest.mark.parametrize(
    ("heading", "names"), [("## Third", ["`snip`"]), ("## Second", ["`set`"])]
)
def test_what_is_not_there_is_said(tmp_path, heading, names):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(ValueError, match="has no"):
        figures.rows(page, heading, names)


def test_the_commands_of_a_figure(tmp_path):
    for figure in figures._WRITTEN:
        first, *_, last = figures.commands(figure).splitlines()
        assert first.startswith("kprune sweep ")
        assert "--overlaps" in last
    page = tmp_path / "page.md"
    page.write_text("```\necho one\n```\n\nText.\n\n![a](a.svg)\n")
    with pytest.raises(ValueError, match="below its commands"):
        figures.commands(tmp_path / "a.svg")
    page.write_text(
        "```\necho no\n```\n\n"
        "```\nmkdir runs\necho '<svg/>' > runs/b.svg\n```\n\n![a](a.svg)\n"
    )
    figures.run(tmp_path / "a.svg", "runs/b.svg")
    assert (tmp_path / "a.svg").read_text() == "<svg/>\n"


def test_the_dark_version_of_the_readme_is_that_of_its_figure():
    light, dark = (
        figures._FRONT.with_name(f"{figures._FRONT.name}{end}.svg").read_text()
        for end in ("", "_dark")
    )
    assert dark == plots.dark(light)
    assert "#222222" in light and "#222222" not in dark


def test_what_turns_dark(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra plots")
    path = tmp_path / "cells.svg"
    plots.heat_map(["a", "b"], np.array([[0.1, 0.9], [0.9, 0.1]]), path, "")
    light = path.read_text()
    dark = plots.dark(light)
    # The background goes; the numbers in dark cells stay white.
    ground = 'style="fill: #ffffff"/>'
    assert ground in light and ground not in dark
    numbers = light.count('<g style="fill: #ffffff"')
    assert numbers == dark.count('<g style="fill: #ffffff"') == 2


@pytest.mark.parametrize("place", range(6))
def test_a_figure_that_is_kept_is_that_of_its_table(tmp_path, place):
    pytest.importorskip("matplotlib", reason="the extra plots")
    kept, (panels, options) = list(figures.drawings().items())[place]
    drawn = tmp_path / "drawn.svg"
    plots.draw(panels, drawn, **options)
    kept = kept.with_suffix(".svg")
    # Other versions of matplotlib draw other paths of the same names.
    texts = [
        [line for line in path.read_text().splitlines() if "<!--" in line]
        for path in (drawn, kept)
    ]
    assert texts[0] == texts[1]


def test_a_method_has_one_colour_in_all_figures():
    """In figures of few and of many lines, in whatever order."""
    for panels, _ in figures.drawings().values():
        for panel in panels:
            for line in panel.lines:
                name = line.label.lower().split(",")[0]
                if name in palette._KNOWN:
                    expected = palette.look(name)["color"]
                    assert line.look["color"] == expected, line.label


def test_levels_and_neurons_are_read(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "## Levels\n\n| level | pruned in % | ticket | shuffled |\n|-|-|-|-|\n"
        "| 0 | 0.00 | 97.5 ± 0.3 | |\n| 1 | 20.0 | 98.0 ± 0.2 | 96.0 ± 0.1 |\n"
        "\n**FC**\n\n| neurons kept | 10 | 1,000 | best |\n|-|-|-|-|\n"
        "| OSSuM | 35.5 ± 3.0 | 9.0 ± 2.0 | **35.5 ± 3.0** |\n"
    )
    ticket, shuffled = figures.levels(page, "## Levels").lines
    assert (ticket.x, ticket.y) == ([100, 80], [97.5, 98])
    assert (shuffled.x, shuffled.y, shuffled.spread) == ([80], [96], [0.1])
    (line,) = figures.neurons(page, "**FC**", {"OSSuM": "ossum"}).lines
    assert (line.x, line.y, line.spread) == ([10, 1000], [35.5, 9], [3, 2])


def test_drawing_leaves_the_backend_of_pyplot_alone(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plots")
    matplotlib.use("svg")
    panel = plots.Panel([plots.Line([1, 2], [3.0, 4.0], "a line")])
    plots.draw([panel], tmp_path / "figure.png")
    assert matplotlib.get_backend() == "svg"
