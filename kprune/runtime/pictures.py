"""Plots that a notebook shows below the cell that draws them."""

import dataclasses
import pathlib
from typing import Any

from kprune.runtime import extras, files, plots


@dataclasses.dataclass(frozen=True, repr=False)
class Picture:
    """A drawn figure. Jupyter shows it where it is the value of a cell.

    Attributes:
        svg: String, the figure as SVG.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Picture, SVG of {len(self.svg):,} characters>"


def show(*panels: plots.Panel, **options: Any) -> Picture:
    """Draws panels as a `Picture`.

    It needs matplotlib: `pip install "kprune[plots]"`.

    Args:
        *panels: One or more `kprune.runtime.plots.Panel`.
        **options: As for `kprune.runtime.plots.draw`.

    Returns:
        A `Picture`.

    Raises:
        ValueError: If there is no panel, or matplotlib is missing.

    Example:

        line = plots.Line([1, 2, 3], [0.90, 0.95, 0.96], "snip")
        pictures.show(plots.Panel([line], xlabel="epoch"))
    """
    if not panels:
        raise ValueError(
            "Expected one or more panels, as kprune.runtime.plots.Panel makes. "
            "Received none."
        )
    extras.load("matplotlib", "`show`")
    with files.scratch_directory() as directory:
        path = pathlib.Path(directory) / "figure.svg"
        plots.draw(list(panels), path, **options)
        return Picture(path.read_text())
