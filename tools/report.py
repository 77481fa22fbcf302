"""Tabulates finished runs and plots accuracy over sparsity; reports a model.

The same as `kprune report`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.report")
