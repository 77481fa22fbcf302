"""The result of a comparison, as numbers and as a table."""

import dataclasses
from typing import Any

from kprune.deploy.comparison import pages, texts
from kprune.deploy.comparison.layers import LayerRow
from kprune.runtime import files, lookup, paths, types
from kprune.runtime.doors import checked


@dataclasses.dataclass(frozen=True)
class Row:
    """One compared quantity.

    Attributes:
        name: Name of the quantity, e.g. `"parameters"` or
            `"inference, batch 1"`, with a prefix for a runtime given in
            `runtimes`, except Keras: `"litert: inference, batch 1"`.
        before, after: Its values, or `None` if unknown.
        ratio: Before divided by after: above 1, after is smaller or faster.
            For times, the median over the alternations. `None` if unknown,
            and for shares.
        spread: For times, the quartiles (25 %, 75 %) of the ratios.
        unit: `"bytes"`, `"ms"`, `"share"` of examples, or empty for numbers.
    """

    name: str
    before: float | None
    after: float | None
    ratio: float | None
    spread: tuple[float, float] | None = None
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The result of `kprune.compare`. Its `str` is a table.

    Index it by the name of a row: `comparison["parameters"].ratio`.

    Attributes:
        before, after: Names of the models or files.
        rows: Tuple of `Row`.
        repeats: Number of alternations per ratio of times.
        cut_off: Tuple of those of `"before"` and `"after"` whose outputs do
            not depend on the inputs.
        layers: Tuple of `LayerRow`, one per weight of the Keras models.
        notes: Tuple of sentences on what was not compared, and why, and on
            what the figures mean.
    """

    before: str
    after: str
    rows: tuple
    repeats: int
    cut_off: tuple[str, ...] = ()
    layers: tuple[LayerRow, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Row:
        rows = {row.name: row for row in self.rows}
        return lookup.choose(name, rows, "row")

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as a JSON-serializable dict."""
        return {
            "before": self.before,
            "after": self.after,
            "repeats": self.repeats,
            "cut_off": list(self.cut_off),
            "rows": [_as_dict(row) for row in self.rows],
            "layers": [dataclasses.asdict(row) for row in self.layers],
            "notes": list(self.notes),
        }

    def to_markdown(self) -> str:
        """Returns the comparison in Markdown, with a table per layer."""
        return texts.markdown(self)

    def to_html(self) -> str:
        """Returns a self-contained HTML page, with bars and a layer table."""
        return pages.html(self)

    @checked(path=paths.file)
    def save(self, path: types.Path) -> None:
        """Writes the comparison to a file.

        Args:
            path: File path that ends in `.html`, `.md`, `.json` or `.txt`
                (the table of `str`). The file is replaced atomically.

        Raises:
            ValueError: If the path has another extension.
            OSError: If the file cannot be written.
        """
        ways = {
            ".html": lambda: files.write_text(path, self.to_html()),
            ".json": lambda: files.write_json(path, self.to_dict()),
            ".md": lambda: files.write_text(path, self.to_markdown() + "\n"),
            ".txt": lambda: files.write_text(path, f"{self}\n"),
        }
        lookup.choose(paths.ending(path), ways, "ending of a file")()

    def __str__(self) -> str:
        return texts.plain(self)


def _as_dict(row):
    spread = None if row.spread is None else list(row.spread)
    return {**dataclasses.asdict(row), "spread": spread}
