"""One of several workers: runs tools/train.py, and saves its own weights.

TF_CONFIG=... python tests/support/working.py FILE ARGUMENT ...
"""

import sys

import numpy as np
import train
from absl import app


def main(argv):
    trained = train.experiment.train

    def and_save(run, *arguments):
        result = trained(run, *arguments)
        variables = [v.numpy() for v in run.model.variables]
        np.savez(file, *variables)
        return result

    train.experiment.train = and_save
    train.main(argv)


if __name__ == "__main__":
    file = sys.argv.pop(1)
    app.run(main, flags_parser=train.command_line.parse)
