"""Figures are drawn from the tables that the docs print."""

import pathlib

import pytest

import figures

DOCS = pathlib.Path(figures.__file__).parents[1] / "docs"
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


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_that_is_kept_is_that_of_its_table(tmp_path, dark):
    pytest.importorskip("matplotlib", reason="the extra plots")
    page, heading, labels = figures._AXIS
    found = figures.rows(page, heading, labels)
    figures.draw(found, labels, tmp_path / "drawn.svg", dark)
    end = "dark" if dark else "light"
    kept = DOCS / "figures" / f"accuracy_over_sparsity_{end}.svg"
    # Other versions of matplotlib draw other paths of the same names.
    texts = [
        [line for line in path.read_text().splitlines() if "<!--" in line]
        for path in (tmp_path / "drawn.svg", kept)
    ]
    assert texts[0] == texts[1]
