"""Exports a saved model: for TensorFlow, Keras, LiteRT, ONNX or OpenVINO.

  kprune export --model=pruned.keras --out=served
  kprune export --workdir=runs/quickstart --out=model.tflite
  kprune export --model=pruned.keras --out=model.kpz
  kprune export --model=pruned.keras --out=small.tflite --quantize=int8 \\
      --data=digits

The ending of --out selects the format: none for a SavedModel, .keras, .kpz
(packed), .tflite (LiteRT), .onnx or .xml (OpenVINO). Masks are folded into the
weights, so that pruned weights are zero. Before the file is put in place, it
runs in its own runtime and is compared with the model, on made-up inputs.

--quantize=int8 for LiteRT and ONNX needs inputs: --data or --npz.
"""

from kprune.analysis.report import report
from kprune.cli import labelled_data, model_files
from kprune.cli.flags import define_model
from kprune.deploy.exporting import export


def define(flags):
    define_model(flags)
    flags.string("out", None, "File or new directory to write.")
    flags.require("out", "PATH")
    text = "Name of the format, instead of the ending of --out."
    flags.string("format", None, text)
    text = "float16, dynamic_int8 or int8, as far as the format has it."
    flags.string("quantize", None, text)
    labelled_data.define(
        flags,
        "to prove the file on, and find ranges of int8 with",
        batch_size=128,
    )


def main(flags):
    model = model_files.load(flags.model or flags.workdir)
    found = export(
        model,
        flags.out,
        flags.format,
        quantize=flags.quantize,
        representative_data=labelled_data.train(flags, seed=0),
    )
    sparsity = report(model, multiply_adds=False, paths=False).sparsity
    print(f"{found}\nIt holds the model at a sparsity of {sparsity:.4f}.")
