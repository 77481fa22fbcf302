"""Exports a saved model as a SavedModel that TensorFlow alone can serve.

  kprune export --model=pruned.keras --out=served
  kprune export --workdir=runs/quickstart --out=served

Masks are folded into the weights: what is pruned is zero in it. What is
written is loaded again and compared with the model, on made-up inputs.
"""

from kprune.analysis.report import report
from kprune.cli import model_files
from kprune.cli.flags import define_model
from kprune.deploy.exporting import export


def define(flags):
    define_model(flags)
    flags.string("out", None, "Directory to write: a new one.")
    flags.require("out", "DIRECTORY")


def main(flags):
    model = model_files.load(flags.model or flags.workdir)
    difference = export(model, flags.out)
    sparsity = report(model, multiply_adds=False, paths=False).sparsity
    print(f"{flags.out} holds the SavedModel, at a sparsity of {sparsity:.4f}.")
    if difference is None:
        print("It was not compared: the model's input shapes are not known.")
    else:
        print(f"Its outputs differ from the model's by {difference:.1e}.")
