"""Makes a trained model as small as a budget of accuracy allows.

The same as `kprune compress`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.compress")
