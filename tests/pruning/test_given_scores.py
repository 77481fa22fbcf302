"""Scores that are there already, and several sparsities at once."""

import dataclasses

import networks
import numpy as np
import pytest

import kprune

DATA = networks.batched(*networks.examples(16, 8))


@pytest.fixture(scope="module")
def model():
    return networks.dense_net()


def masks(model, *arguments, **options):
    options = {"data": DATA, "loss": networks.CE, "verbose": 0, **options}
    return kprune.get_masks(kprune.prune(model, *arguments, **options))


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, mask in one.items():
        np.testing.assert_array_equal(mask, other[name])


@pytest.mark.parametrize("options", [{}, {"allocation": "uniform"}])
@pytest.mark.parametrize("sparsity", [0.3, 0.8])
def test_scores_in_place_of_a_method_give_its_masks(model, sparsity, options):
    scores = kprune.score(model, "snip", data=DATA, loss=networks.CE)
    assert_equal(
        masks(model, scores, sparsity, **options),
        masks(model, "snip", sparsity, **options),
    )


def test_scores_of_what_is_left_out_are_not_looked_at(model):
    scores = kprune.score(model, "magnitude")
    found = masks(model, scores, 0.5, exclude="a/kernel")
    assert found["a/kernel"].all()
    assert not found["b/kernel"].all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {}, "Expected a dict of scores by weight name"),
        (lambda s: {1: 2.0}, "Expected a dict of scores by weight name"),
        (lambda s: {"a/kernel": s["a/kernel"]}, r"Missing: \['b/kernel'\]"),
        (lambda s: {**s, "c": s["a/kernel"]}, r"Unknown: \['c'\]"),
        (lambda s: {**s, "a/kernel": np.ones(3)}, "have the wrong shape"),
        (lambda s: {**s, "a/kernel": s["a/kernel"] * np.nan}, "hold NaN"),
        (lambda s: {**s, "a/kernel": "high"}, r"scores\['a/kernel'\]"),
    ],
)
def test_scores_that_do_not_fit_are_refused(model, change, words):
    with pytest.raises(ValueError, match=words):
        kprune.prune(model, change(kprune.score(model)), 0.5)


@dataclasses.dataclass(frozen=True)
class Opposite(kprune.Pruner):
    """A pruner that prunes in a way of its own."""

    def masks(self, *arguments, **options):
        masks = super().masks(*arguments, **options)
        return {name: ~mask for name, mask in masks.items()}


@pytest.mark.parametrize(
    "method", ["snip", "force", "hybrid_tickets", Opposite("magnitude")]
)
def test_several_sparsities_give_as_many_models(model, method):
    shares = [0.2, 0.5, 0.8]
    options = {"data": DATA, "loss": networks.CE, "verbose": 0}
    found = kprune.prune(model, method, shares, **options)
    assert len(found) == 3
    for pruned, share in zip(found, shares, strict=True):
        expected = masks(model, method, share)
        assert_equal(kprune.get_masks(pruned), expected)
    assert len({id(pruned.get_layer("a")) for pruned in found}) == 3


def test_several_sparsities_cost_one_scoring(model):
    calls = []

    def criterion(objective, weights, masks):
        calls.append(1)
        return {name: abs(w) for name, w in weights.items()}

    kprune.prune(model, criterion, (0.1, 0.5, 0.9))
    assert calls == [1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sparsity": []}, "one number or more"),
        ({"sparsity": [0.5, 1.5]}, r"in \[0, 1\)"),
        ({"sparsity": [0.5], "inplace": True}, "`inplace=True` goes with one"),
        ({"sparsity": [0.5], "target": {"flops": 0.5}}, "`target` goes with"),
    ],
)
def test_lists_that_give_no_models_are_refused(model, arguments, words):
    with pytest.raises(ValueError, match=words):
        kprune.prune(model, "magnitude", **arguments)
