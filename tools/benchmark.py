"""Measures what kprune costs, as ratios, and prints a Markdown table.

  python tools/benchmark.py --rows=snip,grasp --networks=resnet20 --repeats=5

The same as `python tools/studies/run.py benchmark`; --help shows its flags.
"""

import os
import sys

import kprune_command

if __name__ == "__main__":
    # Replaces tools/, where this file would hide the study `benchmark`.
    sys.path[0] = os.path.join(sys.path[0], "studies")
    kprune_command.run("benchmark.run")
