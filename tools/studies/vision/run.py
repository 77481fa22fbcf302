"""Prunes a small vision transformer in one shot, as the study of language.

  python tools/studies/run.py vision --workdir=runs/vision

A vision transformer learns CIFAR-10. Its blocks are then pruned, and accuracy
is measured on test images, at once and after some more steps of training.
Cells, tables and claims are those of the study of language models: stop it and
start it again as you like. `--quick` does it all on images of digits, which
come with kprune, and a network of a few thousand weights.
"""

import numpy as np

import kprune
from kprune.cli.flags import define_data_dir
from one_shot import study
from one_shot.task import ACCURACY, Task, Training
from vision.network import vit

_QUICK = {
    "dataset": "digits",
    "patch": 4,
    "width": 8,
    "depth": 2,
    "heads": 2,
    "steps": 4,
    "batch_size": 8,
    "calibration": 8,
    "held_out": 40,
    "tuned": 0.5,
}
_SIZES = {
    "patch": (8, "Side of a patch, in pixels."),
    "width": (48, "Width of the network."),
    "depth": (3, "Blocks of the network."),
    "heads": (4, "Heads of attention in each block."),
    "steps": (2400, "Steps of training."),
    "batch_size": (64, "Images in a step."),
    "calibration": (128, "Images that pruning looks at."),
    "held_out": (2000, "Test images that accuracy is measured on."),
}
_RATE = 1e-3


def define(flags):
    study.define(flags)
    define_data_dir(flags)
    flags.string("dataset", "cifar10", "One of `kprune.datasets.names()`.")
    for name, (size, what) in _SIZES.items():
        flags.integer(name, size, what, least=1)


def main(flags):
    study.check(flags)
    names = (*_SIZES, "dataset", "tuned")
    sizes = _QUICK if flags.quick else {n: flags[n].value for n in names}
    task = _task(flags.data_dir, **sizes)
    study.run(flags, task, sizes, "vision.svg")


def _task(
    data_dir,
    dataset,
    patch,
    width,
    depth,
    heads,
    calibration,
    held_out,
    **training,
):
    (x, y), test = kprune.datasets.load_arrays(dataset, data_dir=data_dir)
    info = kprune.datasets.info(dataset)

    def draw(seed):
        return vit(x.shape[1:], info.classes, patch, width, depth, heads, seed)

    def batches(count, rng):
        """Returns passes over the images, each in an order of its own."""
        passes = -(-count // len(x))
        order = [rng.permutation(len(x)) for _ in range(passes)]
        rows = np.concatenate(order)[:count]
        return x[rows], y[rows]

    return Task(
        draw,
        batches,
        data=(x[:calibration], y[:calibration]),
        test=tuple(one[:held_out] for one in test),
        training=Training(**training, rate=_RATE),
        measure=ACCURACY,
        blocks=[f"block_{i}/.*" for i in range(depth)],
        dense=("embed", "out"),  # As in the papers: blocks alone are pruned.
    )
