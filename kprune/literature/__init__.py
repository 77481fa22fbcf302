"""What kprune has of the literature: method, call, paper, test, deviation.

Data, from which the table in docs/methods.md is written
(`tools/list_methods.py`). A test holds it against the code: that every method
there is has a row, that calls and tests exist, and that the table is this one.
"""

from kprune.literature.learned import ROWS as _LEARNED
from kprune.literature.row import Row
from kprune.literature.scores import ROWS as _SCORES
from kprune.literature.tickets import ROWS as _TICKETS
from kprune.literature.while_training import ROWS as _WHILE_TRAINING

ROWS = (*_SCORES, *_WHILE_TRAINING, *_TICKETS, *_LEARNED)

__all__ = ["ROWS", "Row", "table"]


def table():
    """Returns the table of all methods in Markdown."""
    lines = [
        "| method | call | paper | test | where it parts from the paper |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        path, _, name = row.test.partition("::")
        cells = (
            row.name,
            f"`{row.call}`",
            f"[{row.paper}]({row.link})" if row.link else row.paper,
            f"`{path}`: `{name}`",
            row.deviation,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
