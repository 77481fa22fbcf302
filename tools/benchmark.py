"""Measures what kprune costs, as ratios, and prints a Markdown table.

  python tools/benchmark.py --rows=snip,grasp --networks=resnet20 --repeats=5

The same as `python tools/studies/run.py benchmark`; --help shows its flags.
"""

import os
import sys

import kprune_command

if __name__ == "__main__":
    # In place of tools/, where this file hides the study of its name.
    sys.path[0] = os.path.join(sys.path[0], "studies")
    kprune_command.run("benchmark.run")
