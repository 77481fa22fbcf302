import pytest

import kprune_command


@pytest.fixture
def command():
    """Returns a function that runs a command of `kprune` in this process."""

    def call(name, *arguments):
        kprune_command.main(["kprune", name, *map(str, arguments)])

    return call


@pytest.fixture
def refusal(command, capsys):
    """Returns a function to what a command says as it ends in failure."""

    def call(name, *arguments):
        with pytest.raises(SystemExit) as error:
            command(name, *arguments)
        assert error.value.code not in (0, None)
        return f"{error.value.code} {capsys.readouterr().err}"

    return call
