"""Arguments of 0.1 are answered with what to write now."""

import inspect

import pytest

import kprune
from kprune.callbacks import EarlyBird, GradualPruning
from kprune.masking import wrapping
from kprune.runtime.renamed import renamed
from kprune.tickets import after_training, imp, prac

SCORING = dict.fromkeys(("batches", "batch_size", "batch_norm"), "`scoring={")
SCORING["probe"] = "`scoring=`"
LOOKS = {"probe": "`scoring=`"}
TRAINING = dict.fromkeys(
    (
        "epochs",
        "steps_per_epoch",
        "validation_data",
        "directory",
        "checkpoint",
        "seed",
        "verbose",
    ),
    "`kprune.tickets.Training(",
)
SEARCH = {
    **TRAINING,
    "train": "`training=`",
    "criterion": "`method=`",
    "survivors": "`rewind_weights=`",
}
WAYS = {
    kprune.prune: SCORING,
    kprune.score: SCORING,
    EarlyBird: LOOKS,
    GradualPruning: {
        **LOOKS,
        "initial_sparsity": '`schedule=kprune.schedules.get("cubic", initial',
        "live": "`recover=True`",
    },
    imp: SEARCH,
    after_training: SEARCH,
    prac: {
        **TRAINING,
        "data": "`training=`",
        "batch_size": "`kprune.tickets.Training(",
        "augment": "`kprune.tickets.Training(",
    },
    kprune.Pruner: {**LOOKS, "survivors": "`after_pruning=`"},
    kprune.Objective: LOOKS,
}
CASES = [
    pytest.param(call, name, way, id=f"{call.__name__} {name}")
    for call, ways in WAYS.items()
    for name, way in ways.items()
]


@pytest.mark.parametrize("call, name, way", CASES)
def test_what_it_is_now_is_said(call, name, way):
    assert name not in inspect.signature(call).parameters
    with pytest.raises(ValueError) as error:
        call(**{name: 3})
    told = str(error.value)
    assert told.startswith(f"`{name}` was an argument of kprune 0.1")
    assert way in told and f"Received: {name}=3" in told


def test_other_arguments_pass():
    @renamed(old="`new=`")
    def call(new, *, other=2):
        """What it does."""
        return new, other

    assert call(1, other=3) == (1, 3)
    assert call.__doc__ == "What it does."
    assert str(inspect.signature(call)) == "(new, *, other=2)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'odd'"):
        call(1, odd=2)


def test_a_name_that_is_still_taken_is_told_as_the_old_one():
    model = kprune.models.lenet_300_100(input_shape=(8, 8, 1))
    with pytest.warns(DeprecationWarning, match="now called `keep_pruned_val"):
        wrapped = kprune.wrap(model, live=True)
    assert all(layer.keep_pruned_values for layer in wrapping.wrappers(wrapped))
