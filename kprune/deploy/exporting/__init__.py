"""Exports models: one module per format, each file verified.

`formats` is the table. A format's `write` takes a stripped model, the path of a
file that does not exist yet, and `Options`; it returns a `Written`, which
describes how each weight is stored. `export` opens the file with
`kprune.deploy.runtimes`, runs it, and moves it into place if its outputs match
the model's.
"""

from kprune.deploy.exporting.export import export
from kprune.deploy.exporting.result import Exported, Row

__all__ = ["Exported", "Row", "export"]
