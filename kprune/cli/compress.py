"""Compresses a trained model to a target within an accuracy budget.

  kprune compress --model=model.keras --data=mnist --target=flops:0.5 \\
      --max_drop=0.01 --out=small.keras
  kprune compress model.keras --npz=data.npz --target=latency:0.5 \\
      --out=small.keras --export=small.tflite --workdir=runs/compress

It prunes the model in steps, and fine-tunes and measures it after each, until
the target is met or the metric drops by more than --max_drop (kprune.compress).
A share --validation of the training data is held out to select on. The test
set is not read: measure the result with kprune evaluate.

--target is flops, parameters, latency or bytes with the share to leave at most,
or sparsity with the share to remove. With --workdir, the same command resumes
after it was killed.
"""

import json

import numpy as np

from kprune import datasets
from kprune.cli import labelled_data, model_files
from kprune.experiment.compression.compressing import compress
from kprune.runtime import seeds


def define(flags):
    text = "File to read, or directory of a run. Its name may stand alone."
    flags.positional("model", "NAME.keras", text)
    text = "flops:0.5, parameters:0.5, latency:0.5, bytes:0.2 or sparsity:0.9."
    flags.string("target", None, text)
    text = "By how much the metric may get worse."
    flags.float("max_drop", None, text)
    flags.string("out", None, "File to write, NAME.keras.")
    flags.require("out", "NAME.keras")
    text = "File or directory to export to, too: NAME.tflite, NAME.onnx ..."
    flags.string("export", None, text)
    flags.string("workdir", None, "Directory to keep candidates in.")
    text = "Format to measure time or bytes in: litert, onnx, keras, packed ..."
    flags.string("runtime", None, text)
    flags.string("method", "auto", "auto, or a method of kprune prune.")
    labelled_data.define(flags, "to fine-tune on", batch_size=128)
    text = "Share of the training data that candidates are selected on."
    flags.float("validation", 0.1, text)
    flags.integer("epochs", 1, "Epochs to fine-tune each candidate.", least=1)
    text = "Rate of fine-tuning. Defaults to the saved optimizer's."
    flags.float("learning_rate", None, text)
    text = "Whether to recompute batch normalization after fine-tuning."
    flags.boolean("recalibrate", True, text)
    text = "The largest share of the rest to remove in one step."
    flags.float("step", 0.3, text)
    text = "Whether to train candidates by distillation from the model."
    flags.boolean("distill", True, text)
    flags.boolean("shrink", True, "Whether to remove pruned channels.")
    text = "Whether to fail if the budget is not met."
    flags.boolean("strict", False, text)
    text = "Metric to select by, if the model has several."
    flags.string("metric", None, text)
    flags.integer("seed", 0, "Seed of ties and of the data's order.")
    flags.boolean("overwrite", False, "Whether to replace a file at --out.")
    text = "Whether to print a line of JSON, with all digits."
    flags.boolean("json", False, text)


def main(flags):
    model = model_files.load(flags.model)
    model_files.check_free(flags.out, flags.model, flags.overwrite)
    train, validation, steps = data(flags)
    found = compress(
        model,
        train,
        validation,
        target=target(flags.target, flags.runtime),
        max_drop=flags.max_drop,
        method=flags.method,
        finetune={
            "epochs": flags.epochs,
            "learning_rate": flags.learning_rate,
            "steps_per_epoch": steps,
            "recalibrate": flags.recalibrate,
        },
        distill=flags.distill,
        shrink=flags.shrink,
        export=flags.export,
        directory=flags.workdir,
        seed=flags.seed,
        strict=flags.strict,
        metric=flags.metric,
        step=flags.step,
        batch_size=flags.batch_size,
        verbose=0,
    )
    model_files.save(found.model, flags.out)
    print(json.dumps(found.to_dict()) if flags.json else found)


def data(flags):
    """Returns training data, validation data and the steps of an epoch.

    For --data, training data are a function of a step. For --npz, they are
    arrays, and the steps are `None`.
    """
    share = flags.validation
    if not 0 < share < 1:
        raise ValueError(
            f"Expected --validation in (0, 1). Received: {share:g}"
        )
    if flags.npz is not None:
        return *held_out(*labelled_data.read(flags.npz), share), None
    if flags.data is None:
        raise ValueError("Expected --data=NAME or --npz=FILE.")

    def load(start=None):
        return datasets.load(
            flags.data,
            flags.batch_size,
            normalization=flags.normalization,
            validation=share,
            seed=flags.seed,
            data_dir=flags.data_dir,
            start=start,
        )

    whole, validation, _ = load()
    return lambda step: load(step)[0], validation, len(whole)


def held_out(x, y, share):
    """Splits (x, y) into the rest and a held-out share.

    The split is always the same.
    """
    order = seeds.stream(0, "held out").permutation(len(x))
    count = round(share * len(x))
    if not 0 < count < len(x):
        raise ValueError(
            f"A share of {share:g} of {len(x)} examples leaves none to train "
            "or to select on. Expected another --validation."
        )
    parts = order[count:], np.sort(order[:count])
    return tuple((x[part], y[part]) for part in parts)


def target(text, runtime):
    """Returns the `target` of `kprune.compress`, from two flags."""
    if text is None:
        return None
    kind, _, number = text.partition(":")
    try:
        found = {kind: float(number)}
    except ValueError:
        raise ValueError(
            "Expected --target=KIND:NUMBER, such as flops:0.5. Received: "
            f"{text}"
        ) from None
    if runtime is not None:
        name = "format" if kind == "bytes" else "runtime"
        found[name] = runtime
    return found
