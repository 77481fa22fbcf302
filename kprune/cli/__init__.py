"""The commands of `kprune`: train, sweep, report, prune, evaluate and others.

A command is a module of this package, `kprune/cli/NAME.py`:

    '''Says in one line what the command does.

      kprune NAME --flag=value
    '''

    def define(flags):   # Defines its flags on a `kprune.cli.flags.Flags`.
        flags.string("out", None, "File to write.")
        flags.integer("seed", 0, "Of random scores.")
        flags.require("out", "NAME.keras")

    def main(flags):     # Does it: flags.out and flags.seed are the values.
        ...

The docstring is its help; `kprune_command.COMMANDS` lists it. Importing a
command defines no flags, so that several can run in one process. What `main`
raises as a `ValueError`, `RuntimeError` or `OSError` is printed as a sentence,
without a traceback, and the process ends with exit code 1.

A binary of `tools/` runs such a module, here or elsewhere, in one line:

    kprune_command.run("kprune.cli.train")
    kprune_command.run("studies.ossum.run")

It imports nothing else before, for `kprune_command` imports TensorFlow quietly.
"""
