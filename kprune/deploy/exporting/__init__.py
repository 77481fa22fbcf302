"""Exports models: one module per format, each file verified.

`formats` is the table. A format's `write` gets a stripped model, the path of a
file that is not there yet, and `Options`; it returns what became of the layers.
`export` opens what was written with `kprune.deploy.runtimes`, runs it, and puts
it in place if its outputs are the model's.
"""

from kprune.deploy.exporting.export import export
from kprune.deploy.exporting.result import Exported, Row

__all__ = ["Exported", "Row", "export"]
