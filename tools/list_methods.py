"""Writes the table of all methods into docs/methods/index.md.

    python tools/list_methods.py

The rows are the `METHOD` entries beside the methods' code: see
`kprune.runtime.methods`.
"""

import pathlib

from absl import app

from kprune.runtime import files, methods

_DOCS = pathlib.Path(__file__).parents[1] / "docs" / "methods" / "index.md"
_BEGIN = "<!-- Written by tools/list_methods.py. -->\n"
_END = "<!-- End of the table. -->\n"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    before, _, rest = _DOCS.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise app.UsageError(f"{_DOCS} has no place for the table.")
    table = f"{methods.table()}\n"
    files.write_text(_DOCS, "".join([before, _BEGIN, table, _END, after]))
    print(f"{_DOCS} lists {len(methods.entries())} methods.")


if __name__ == "__main__":
    app.run(main)
