"""Prunes a small language model in one shot, by each method and allocation.

  python tools/studies/run.py language --workdir=runs/language

A causal transformer learns the characters of a text that comes with Python:
what `help` says of the language. Its blocks are then pruned, and perplexity is
measured on the end of the text, which nothing was trained on, at once and after
some more steps of training. Each cell (seed, way to prune) is written to the
directory and not computed again: stop it and start it again as you like. What
is printed at the end is Markdown: means over the seeds with their deviation,
and which orders that the papers report are true here. `--quick` does it all on
a network of a few thousand weights.
"""

from language import text
from language.network import gpt
from one_shot import study
from one_shot.task import PERPLEXITY, Task, Training

_QUICK = {
    "width": 8,
    "depth": 2,
    "heads": 2,
    "length": 16,
    "steps": 4,
    "batch_size": 8,
    "calibration": 8,
    "held_out": 8,
    "tuned": 0.5,
}
_SIZES = {
    "width": (144, "Width of the network."),
    "depth": (4, "Blocks of the network."),
    "heads": (4, "Heads of attention in each block."),
    "length": (128, "Characters of a sequence."),
    "steps": (400, "Steps of training."),
    "batch_size": (16, "Sequences in a step."),
    "calibration": (128, "Sequences that pruning looks at."),
    "held_out": (120, "Sequences that perplexity is measured on."),
}
_RATE = 2e-3


def define(flags):
    study.define(flags)
    for name, (size, what) in _SIZES.items():
        flags.integer(name, size, what, least=1)


def main(flags):
    study.check(flags)
    names = (*_SIZES, "tuned")
    sizes = _QUICK if flags.quick else {n: flags[n].value for n in names}
    whole = text.read()
    config = {**sizes, "text": whole.digest}
    study.run(flags, _task(whole, **sizes), config, "language.svg")


def _task(
    whole, width, depth, heads, length, calibration, held_out, **training
):
    def draw(seed):
        words = len(whole.characters)
        return gpt(words, length, width, depth, heads, seed)

    def batches(count, rng):
        return text.drawn(whole.train, length, count, rng)

    return Task(
        draw,
        batches,
        data=text.windows(whole.train, length, calibration),
        test=text.windows(whole.held_out, length, held_out),
        training=Training(**training, rate=_RATE),
        measure=PERPLEXITY,
        blocks=[f"block_{i}/.*" for i in range(depth)],
        dense=("embed", "out"),  # As in the papers: blocks alone are pruned.
    )
