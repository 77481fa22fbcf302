"""One of several workers: runs `kprune train`, and saves its own weights.

TF_CONFIG=... python tests/support/working.py FILE FLAG ...
"""

import sys

import numpy as np

import kprune_command
from kprune import experiment

trained = experiment.train


def and_save(run, *arguments):
    result = trained(run, *arguments)
    np.savez(sys.argv[1], *(v.numpy() for v in run.model.variables))
    return result


if __name__ == "__main__":
    experiment.train = and_save
    kprune_command.main(["kprune", "train", *sys.argv[2:]])
