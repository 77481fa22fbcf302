"""FORCE and Iter-SNIP, against the authors' own code, step by step.

One swapped pair of weights grows by 10 to 50 times per step, so that float32
runs of the same code part; in float64 all agree. The released code keeps what
is `>=` the k-th largest score: where that is zero, everything.
"""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
import reference as ref

from kprune.masking.masks import Budget, kth_largest
from kprune.pruning import recipes, schedules

pytestmark = [*ref.MARKS, ref.in_float64]

METHODS = {"force": "force", "itersnip": "iter_snip"}
LOSSES = {"logits": "neg_logit", "logsoftmax": "loss"}


def objective_of(case, mode, loss):
    return ref.objective(case, mode, objective=LOSSES[loss])


def recorded(case, key, what):
    """Returns what the authors' code wrote down, one number per step."""
    return ref.arrays(case, "scores")[f"a.{key}.{what}"].tolist()


def pruner_of(method, loss, rounds):
    """The method's recipe, with fewer rounds and the released code's counts."""
    recipe = recipes.get(METHODS[method], released_code=loss == "logits")
    return dataclasses.replace(recipe, rounds=rounds, count="floor_keep")


def exactly(count, scores, masks, objective, method):
    """Returns kprune's masks of one round from given masks."""
    view = objective.on(0)
    view.masks = masks
    sparsity = 1 - Fraction(count, ref.size(masks))
    return ref.masks_of(scores, view, sparsity, recover=method == "force")


def at_least(count, scores, masks, method):
    """Returns the same of the released code."""
    if method == "itersnip":  # What is pruned gets the least score, zero.
        scores = {name: s * masks[name] for name, s in scores.items()}
    border = kth_largest([s.ravel() for s in scores.values()], count)
    return {name: s >= border for name, s in scores.items()}


@pytest.mark.parametrize("rounds", [5, 20])
@pytest.mark.parametrize("share", ref.SPARSITY)
@pytest.mark.parametrize("case", ["mlp_relu", "resnet"])
def test_schedule_and_counts(case, share, rounds):
    weights = ref.size(ref.stored_masks(case, "mag_sf.eval.d10"))
    for method, loss in itertools.product(METHODS, LOSSES):
        key = f"{method}_{loss}_T{rounds}.eval.{share}"
        pruner = pruner_of(method, loss, rounds)
        schedule = schedules.get(pruner.schedule)
        progress = [Fraction(t + 1, rounds) for t in range(rounds)]
        final = ref.SPARSITY[share]
        np.testing.assert_allclose(
            [1 - schedule(float(p), final) for p in progress],
            recorded(case, key, "schedule"),
            rtol=1e-12,
        )
        counts = [
            Budget(final, schedule, p, rule=pruner.count).keep(weights)
            for p in progress
        ]
        assert counts == recorded(case, key, "k")


# Each method, mode and share of the ResNet is there; all of them are slow.
QUICK = {
    ("force", "eval", "d10"),
    ("force", "train", "d01"),
    ("itersnip", "eval", "d01"),
    ("itersnip", "train", "d10"),
}


def slow_unless(quick, *values):
    return pytest.param(*values, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(
    "method, case, mode, share",
    [
        slow_unless(
            case == "mlp_relu" or (method, mode, share) in QUICK,
            *(method, case, mode, share),
        )
        for method in METHODS
        for case, mode in ref.MODES
        for share in ref.SPARSITY
    ],
)
def test_each_step_from_the_stored_mask_before(method, case, mode, share):
    key = f"{method}_logsoftmax_T5.{mode}.{share}"
    ours = objective_of(case, mode, "logsoftmax")
    thresholds = recorded(case, key, "threshold")
    before = ours.masks
    for step, count in enumerate(recorded(case, key, "k")):
        after = ref.stored_masks(case, f"{key}.step{step}" if step < 4 else key)
        scores = ref.score(ours, "snip", before)
        released = at_least(count, scores, before, method)
        assert ref.flips(released, after) == 0
        found = exactly(count, scores, before, ours, method)
        assert ref.kept(found) == count
        if thresholds[step] > 0:
            assert ref.flips(found, after) == 0
        else:  # The released code keeps every weight, kprune what is asked.
            assert ref.kept(after) == ref.size(after) > count
            assert all(found[n][s > 0].all() for n, s in scores.items())
        before = after


def runs(*keys, slow=()):
    """Names cases by their keys in the files: method, loss, rounds, ..."""
    cases = [slow_unless(k not in slow, *k.split(" ")) for k in (*keys, *slow)]
    return pytest.mark.parametrize("case, key", cases)


def parts(key):
    name, mode, share = key.split(".")
    method, loss, rounds = name.split("_")
    return method, loss, int(rounds[1:]), mode, share


@runs(
    "mlp_relu force_logits_T5.eval.d01",
    "mlp_relu force_logsoftmax_T5.eval.d01",
    "mlp_relu itersnip_logits_T5.eval.d01",
    "mlp_relu itersnip_logsoftmax_T5.eval.d01",
    "resnet force_logits_T5.train.d10",
    "resnet itersnip_logits_T5.eval.d01",
    slow=(
        "resnet force_logits_T5.eval.d10",
        "resnet force_logits_T5.eval.d01",
        "resnet itersnip_logits_T5.eval.d10",
        "resnet itersnip_logits_T5.train.d10",
        "resnet itersnip_logits_T5.train.d01",
        "resnet force_logsoftmax_T20.train.d10",
    ),
)
def test_whole_runs(case, key):
    method, loss, rounds, mode, share = parts(key)
    found = pruner_of(method, loss, rounds).masks(
        objective_of(case, mode, loss), ref.SPARSITY[share]
    )
    assert ref.flips(found, ref.stored_masks(case, key)) == 0


# Of the MLP's scores 41 % are zero, and fewer than that are to be removed at
# first. The other network collapses: its first four convolutions lose all
# weights, and of the rest only those of the output layer have scores.
@runs(
    "mlp_relu force_logits_T5.eval.d10",
    "mlp_relu force_logsoftmax_T5.eval.d10",
    "mlp_relu itersnip_logits_T5.eval.d10",
    "mlp_relu itersnip_logsoftmax_T5.eval.d10",
    "mlp_relu force_logits_T20.eval.d01",
    "mlp_relu force_logsoftmax_T20.eval.d10",
    "mlp_relu itersnip_logits_T20.eval.d10",
    "mlp_relu itersnip_logsoftmax_T20.eval.d01",
    "resnet force_logits_T5.train.d01",
)
def test_runs_in_which_the_released_code_keeps_all_at_a_threshold_of_zero(
    case, key
):
    method, loss, rounds, mode, share = parts(key)
    ours = objective_of(case, mode, loss)
    counts = recorded(case, key, "k")
    masks, theirs = ours.masks, []
    for count in counts:
        scores = ref.score(ours, "snip", masks)
        found = exactly(count, scores, masks, ours, method)
        assert ref.kept(found) == count
        masks = at_least(count, scores, masks, method)
        theirs.append(ref.kept(masks))
    assert ref.flips(masks, ref.stored_masks(case, key)) == 0
    assert theirs == recorded(case, key, "kept")
    assert ref.size(masks) in theirs
    whole = pruner_of(method, loss, rounds).masks(ours, ref.SPARSITY[share])
    assert ref.kept(whole) == counts[-1]
