"""What a row of the benchmark measures, as a line of its table."""

import dataclasses

from kprune.deploy.comparison.timing import middle

HEAD = ("what", "measured", "middle half", "target", "for scale")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    what: str
    median: float
    spread: tuple
    target: str
    note: str = ""
    unit: str = "x"

    def cells(self):
        figures = f"{self.median:.2f} {self.unit}"
        spread = "{:.2f} to {:.2f}".format(*self.spread)
        return [self.what, figures, spread, self.target, self.note]


def measured(what, values, target="reported", **options):
    """Returns the measurement of values: their median and middle half."""
    return Measurement(what, *middle(values), target, **options)
