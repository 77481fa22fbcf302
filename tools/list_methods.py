"""Writes the table of all methods into docs/methods.md.

    python tools/list_methods.py

The rows are `kprune.literature.ROWS`.
"""

import pathlib

from absl import app

from kprune import literature

_DOCS = pathlib.Path(__file__).parents[1] / "docs" / "methods.md"
_BEGIN = "<!-- Written by tools/list_methods.py. -->\n"
_END = "<!-- End of the table. -->\n"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    before, _, rest = _DOCS.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise app.UsageError(f"{_DOCS} has no place for the table.")
    table = f"{literature.table()}\n"
    _DOCS.write_text("".join([before, _BEGIN, table, _END, after]))
    print(f"{_DOCS} lists {len(literature.ROWS)} methods.")


if __name__ == "__main__":
    app.run(main)
