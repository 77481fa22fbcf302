"""Rows of the benchmark: what looking at a model takes.

A row is a function of the flags that yields measurements.
"""

import numpy as np
import tensorflow as tf

import kprune
from benchmark import scorings
from benchmark.measurements import measured
from kprune.deploy.comparison.timing import alternate

_BATCHES = 4  # What a sensitivity is measured on.
_PASSES = 5  # Forward passes over them before and after each call.


def sensitivity(flags):
    """A whole call at nine levels over the forward passes that it needs: one
    over the data for each cell, and one of the model as it is."""
    for name in flags.networks:
        model, x, y, loss = scorings.setting(name, flags.batch_size)
        model.compile("sgd", loss, metrics=["accuracy"])
        forward = tf.function(lambda x, model=model: model(x, training=False))
        data = [(x.numpy(), y.numpy())] * _BATCHES

        found = []

        def call(model=model, data=data, found=found):
            found.append(kprune.sensitivity(model, data, verbose=0))

        def one_pass(forward=forward, x=x):
            for _ in range(_BATCHES):
                forward(x).numpy()

        one_pass()
        repeats = min(flags.repeats, flags.long_repeats)
        times, base = alternate(call, one_pass, repeats, _PASSES)
        passes = 1 + len(found[0].cells)
        yield measured(
            f"sensitivity, {passes} passes over {_BATCHES} batches / forward "
            f"passes, {name}",
            times / (passes * base),
            "<= 1.3",
            note=f"a pass takes {np.median(base):.2f} s",
        )
