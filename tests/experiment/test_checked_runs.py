"""Sanity checks as runs of their own: `config.pruner.check`."""

import functools

import numpy as np
import pytest
from test_runs import tiny

import kprune
from kprune import experiment
from kprune.experiment import checking


def built(method, check=None, **changes):
    found = {"pruner.method": method, "pruner.check": check, **changes}
    return experiment.build(tiny(**found), verbose=0).model


@functools.cache
def built_by(method, check=None):
    """A model that tests only read."""
    return built(method, check)


def counts(model):
    return {n: int(m.sum()) for n, m in kprune.get_masks(model).items()}


def kernel(model):
    return kprune.strip(model).get_layer("fc1").kernel.numpy()


def test_a_check_is_in_the_name_and_none_is_not():
    plain = tiny(**{"pruner.method": "snip"})
    checked = tiny(**{"pruner.method": "snip", "pruner.check": "shuffle"})
    name = experiment.name(checked)
    assert name.startswith("digits-fc-snip-shuffle-0.75-seed0-")
    assert "pruner.check" not in experiment.settings(plain)
    assert name[-8:] != experiment.name(plain)[-8:]


def test_the_checks_are_those_of_sanity_and_of_data():
    assert set(experiment.checks()) == {*kprune.sanity.CHECKS, "corrupt_data"}


@pytest.mark.parametrize("check", experiment.checks())
def test_each_check_changes_what_it_should(check):
    plain, found = built_by("snip"), built_by("snip", check)
    masks, own = kprune.get_masks(found), kprune.get_masks(plain)
    overlap = kprune.masks.overlap(masks, own)
    same_masks = check in ("reinitialize", "shuffle_weights")
    assert (overlap == 1) == same_masks
    assert sum(counts(found).values()) == sum(counts(plain).values())
    if check in ("shuffle", "random_same_counts", *checking.OF_WEIGHTS):
        assert counts(found) == counts(plain)
    both = masks["fc1/kernel"] & own["fc1/kernel"]
    differ = kernel(found)[both] != kernel(plain)[both]
    assert differ.any() == same_masks


def test_a_check_is_the_same_each_time():
    one = kprune.get_masks(built_by("snip", "shuffle"))
    again = kprune.get_masks(built("snip", "shuffle"))
    assert kprune.masks.overlap(one, again) == 1


def test_a_checked_run_ends_and_goes_on(tmp_path):
    changes = {"pruner.method": "snip", "pruner.check": "reinitialize"}
    config = tiny(**changes, **{"pruner.options": {"released_code": True}})
    result = experiment.run(config, tmp_path, verbose=0)
    assert result["sparsity"] == 0.75
    assert experiment.run(config, tmp_path, verbose=0) == result
    resumed = experiment.build(config, verbose=0, resumes=True)
    assert not resumed.pruned


@pytest.mark.parametrize(
    ("method", "check", "expected"),
    [
        ("snip", "shufle", "Did you mean 'shuffle'"),
        ("dense", "shuffle", "prunes nothing"),
        ("gmp", "shuffle", "prunes while the model trains"),
        ("rigl", "invert", "prunes while the model trains"),
        ("ticket", "invert", "takes the masks of another run"),
        ("magnitude", "corrupt_data", "looks at no data"),
    ],
)
def test_what_has_no_meaning_is_refused(method, check, expected):
    with pytest.raises(ValueError, match=expected):
        built(method, check)


def test_a_ticket_has_checks(tmp_path):
    first = tmp_path / "first"
    config = tiny(**{"pruner.method": "magnitude", "artifacts": True})
    experiment.run(config, first, verbose=0)
    options = {"pruner.options": {"run": str(first)}}
    plain = built("ticket", **options)
    own = kprune.get_masks(plain)
    for check in (*checking.OF_MASKS, *checking.OF_WEIGHTS):
        found = built("ticket", check, **options)
        assert counts(found) == counts(plain)
        overlap = kprune.masks.overlap(kprune.get_masks(found), own)
        assert (overlap == 1) == (check in checking.OF_WEIGHTS)
    # A shuffled ticket starts from the weights as they were.
    found = built("ticket", "shuffle", **options)
    original = built("random", **{"pruner.sparsity": 0.0})
    mask = kprune.get_masks(found)["fc1/kernel"]
    np.testing.assert_array_equal(kernel(found), kernel(original) * mask)
    trained = {"pruner.options": {"run": str(first), "weights": "trained"}}
    with pytest.raises(ValueError, match="weights='original'"):
        built("ticket", "shuffle", **trained)
    moved = built("ticket", "reinitialize", **trained)
    assert (kernel(moved) != kernel(built("ticket", **trained))).any()
