"""Times taken by turns, and the lines of the table they become."""

import dataclasses

from kprune.deploy.comparison.timing import alternate, middle, seconds

__all__ = ["Figure", "alternate", "figure", "seconds"]


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    median: float
    spread: tuple
    target: str
    note: str = ""
    unit: str = "x"

    def line(self):
        low, high = self.spread
        return (
            f"| {self.what} | {self.median:.2f} {self.unit} | "
            f"{low:.2f} to {high:.2f} | {self.target} | {self.note} |"
        )


def figure(what, values, target, **options):
    return Figure(what, *middle(values), target, **options)
