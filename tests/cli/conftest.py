import pytest

import kprune_command


@pytest.fixture
def command():
    """Returns a function that runs a command of `kprune` in this process.

    `command("prune --strip", *more, out=path)` is what a shell is told by
    `kprune prune --strip ... --out=path`.
    """

    def call(line, *more, **flags):
        flags = [f"--{name}={value}" for name, value in flags.items()]
        kprune_command.main(["kprune", *line.split(), *map(str, more), *flags])

    return call


@pytest.fixture
def refusal(command, capsys):
    """Returns a function to what a command says as it ends in failure."""

    def call(*arguments, **flags):
        with pytest.raises(SystemExit) as error:
            command(*arguments, **flags)
        assert error.value.code not in (0, None)
        return f"{error.value.code} {capsys.readouterr().err}"

    return call
