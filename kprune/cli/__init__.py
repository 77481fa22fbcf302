"""The command `kprune`: train, sweep, report, prune, evaluate and others.

A command is a module of this package, `kprune/cli/NAME.py`:

    '''Says in one line what the command does.

      kprune NAME --flag=value
    '''

    def define(flags):   # Defines its flags on a `kprune.cli.flags.Flags`.
        flags.string("out", None, "File to write.")
        flags.integer("seed", 0, "Of random scores.")
        flags.require("out", "NAME.keras")

    def main(flags):     # Does it: flags.out, flags.seed are the values.
        ...

The docstring is its help, and its first line stands in the list of commands
(`kprune.cli.main.COMMANDS`). What `main` raises as a `ValueError`,
`RuntimeError` or `OSError` is printed as a sentence, without a traceback, and
the process ends with exit code 1. Importing a command defines no flags, so that
several can run in one process.

A program that is no command of `kprune`, such as a study, does the same:

    if __name__ == "__main__":
        main.run_module(sys.modules["__main__"])
"""
