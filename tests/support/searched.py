"""All that a search comes to, and one that is killed on the way."""

import dataclasses

import numpy as np
import pytest

from kprune.tickets import Training, rewinding
from kprune.training import CheckpointFiles


def split(data, options):
    """Returns a `Training` of the options that it has, and the others."""
    known = {field.name for field in dataclasses.fields(Training)} - {"data"}
    own = {name: value for name, value in options.items() if name in known}
    others = {name: v for name, v in options.items() if name not in known}
    return Training(data, **own), others


def everything(ticket):
    """Returns all that a ticket is, as arrays by name."""
    found = {
        **rewinding.values_of(ticket.model),
        **{f"mask of {name}": mask for name, mask in ticket.masks.items()},
        **{f"history of {k}": np.array(v) for k, v in ticket.history.items()},
        "sparsity": np.array(ticket.sparsity),
    }
    if ticket.examples is not None:
        found["examples"] = ticket.examples
    return found


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert set(one) == set(other)
        for name, value in other.items():
            np.testing.assert_array_equal(one[name], value, err_msg=name)


def kill(search, saves):
    """Ends a search when it has written that many files of weights."""
    save, done = CheckpointFiles.save, []

    def save_or_die(files, step, state):
        if len(done) == saves:
            raise KeyboardInterrupt
        done.append(step)
        save(files, step, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointFiles, "save", save_or_die)
        with pytest.raises(KeyboardInterrupt):
            list(search())
    assert len(done) == saves
