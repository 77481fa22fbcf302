"""The result of a comparison, as numbers and as a table."""

import dataclasses

from kprune.deploy.comparison import pages, texts
from kprune.deploy.comparison.layers import LayerRow
from kprune.runtime import files, lookup, paths
from kprune.runtime.doors import checked


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that was compared.

    Attributes:
        name: What it is, as `"parameters"` or `"inference, batch 1"`; in a
            runtime that was asked for, `"litert: inference, batch 1"`.
        before, after: How much there is of it, or `None` if not known.
        ratio: Before over after: above 1, after is smaller or faster. Of
            times, the median over the alternations. `None` if not known, and
            of shares.
        spread: Of times, the middle half of the ratios, lowest and highest.
        unit: `"bytes"`, `"ms"`, `"share"` of examples, or empty for numbers.
    """

    name: str
    before: float | None
    after: float | None
    ratio: float | None
    spread: tuple | None = None
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models side by side. `str` makes a table of it.

    A row is found by its name: `comparison["parameters"].ratio`.

    Attributes:
        before, after: Names of the models, or of the files.
        rows: Tuple of `Row`.
        repeats: How many alternations a ratio of times is the median of.
        cut_off: Those of `"before"` and `"after"` whose outputs do not depend
            on the inputs.
        layers: Tuple of `LayerRow`, one per weight, of what is a Keras model.
        notes: Tuple of sentences on what was not compared, and why, and on
            what the figures mean.
    """

    before: str
    after: str
    rows: tuple
    repeats: int
    cut_off: tuple = ()
    layers: tuple[LayerRow, ...] = ()
    notes: tuple = ()

    def __getitem__(self, name):
        rows = {row.name: row for row in self.rows}
        return lookup.choose(name, rows, "row")

    def to_dict(self):
        """Returns all numbers as a dict that JSON can hold."""
        return {
            "before": self.before,
            "after": self.after,
            "repeats": self.repeats,
            "cut_off": list(self.cut_off),
            "rows": [_as_dict(row) for row in self.rows],
            "layers": [dataclasses.asdict(row) for row in self.layers],
            "notes": list(self.notes),
        }

    def to_markdown(self):
        """Returns it in Markdown, with a table per layer."""
        return texts.markdown(self)

    def to_html(self):
        """Returns a page of HTML with bars and a table per layer, that needs
        nothing beside itself."""
        return pages.html(self)

    @checked(path=paths.file)
    def save(self, path):
        """Writes it to a file, by its ending as `.html`, `.md`, `.json` or, as
        `str` has it, `.txt`.

        Args:
            path: File path. It is replaced as a whole or not at all.

        Raises:
            ValueError: If it ends in something else.
            OSError: If it cannot be written.
        """
        ways = {
            ".html": lambda: files.write_text(path, self.to_html()),
            ".json": lambda: files.write_json(path, self.to_dict()),
            ".md": lambda: files.write_text(path, self.to_markdown() + "\n"),
            ".txt": lambda: files.write_text(path, f"{self}\n"),
        }
        lookup.choose(paths.ending(path), ways, "ending of a file")()

    def __str__(self):
        return texts.plain(self)


def _as_dict(row):
    spread = None if row.spread is None else list(row.spread)
    return {**dataclasses.asdict(row), "spread": spread}
