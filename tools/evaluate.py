"""Measures a saved model: loss, accuracy and sparsity on test data.

  python tools/evaluate.py --workdir=runs/quickstart

The same as `kprune evaluate`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.evaluate")
