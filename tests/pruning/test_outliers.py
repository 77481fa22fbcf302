"""OWL: sparsity by a layer's share of outliers."""

import numpy as np
import pytest
from networks import MSE, dense_net, examples
from test_allocation import allocate, budget

import kprune
from kprune.masking import masks

# Means 2, 1 and, of sizes, 1.9. Above five times it is but 11.
ONES = np.ones(9)
GROUPS = {
    "a": np.r_[ONES, 11.0],
    "b": np.ones(10),
    "c": np.r_[np.full(9, 2.0), -1.0],
}


def test_owl_by_hand():
    # Shares of outliers 1/10, 0 and 0: r = 1, 0, 0, with mean 1/3. At half,
    # densities are 0.5 + 0.16 * 2/3 and 0.5 - 0.16 / 3: 6.07, 4.47, 4.47.
    counts = allocate("owl", GROUPS, budget(0.5))
    assert counts == {"a": 6, "b": 5, "c": 4}
    wide = kprune.allocation.outlier_weighed(spread=0.3)
    # 0.5 + 0.6 * 2/3 = 0.9, and 0.5 - 0.2 = 0.3.
    assert allocate(wide, GROUPS, budget(0.5)) == {"a": 9, "b": 3, "c": 3}


def test_the_mean_counts_layers_by_their_size():
    groups = {**GROUPS, "b": np.ones(30)}
    wide = kprune.allocation.outlier_weighed(spread=0.25)
    # The mean of r is 10 / 50: 0.5 + 0.5 * 0.8 and 0.5 - 0.5 * 0.2.
    assert allocate(wide, groups, budget(0.5)) == {"a": 9, "b": 12, "c": 4}


@pytest.mark.parametrize("sparsity", [0.0, 0.02, 0.37, 0.99])
def test_sums_are_exact_where_densities_are_cut_off(sparsity):
    wide = kprune.allocation.outlier_weighed(spread=1.0)
    draw = np.random.default_rng(0)
    groups = {name: draw.pareto(1.2, 100) for name in "abcd"}
    counts = allocate(wide, groups, budget(sparsity))
    assert sum(counts.values()) == masks.count_kept(400, sparsity)


def test_patterns_say_what_is_one_layer():
    groups = {"x/a": GROUPS["a"], "x/b": GROUPS["b"], "y/c": GROUPS["c"]}
    wide = kprune.allocation.outlier_weighed(spread=0.3, layers=("x/.*",))
    # Of x's twenty with the mean 1.5, one is above 7.5: r = 1 and 0, with the
    # mean 2/3: 0.5 + 0.6 / 3 = 0.7, and 0.1.
    counts = allocate(wide, groups, budget(0.5))
    assert counts == {"x/a": 7, "x/b": 7, "y/c": 1}
    wrong = kprune.allocation.outlier_weighed(layers=("z/.*",))
    with pytest.raises(ValueError, match="Unknown weight in `layers`"):
        allocate(wrong, groups, budget(0.5))


def test_outliers_of_wanda_for_magnitudes_and_rows():
    model = dense_net(inputs=8, units=16)
    x = examples(16, 8)[0] * np.r_[50.0, np.ones(7)]
    data = x, np.zeros((16, 3))
    found = kprune.score(model, "wanda", data=data, loss=MSE)
    owl = kprune.allocation.outlier_weighed(scores=found)
    rows = kprune.allocation.per_outputs(owl)
    for sparsity in (0.5, 0.75):
        kept = [
            kprune.get_masks(
                kprune.prune(model, sparsity=sparsity, allocation=a)
            )
            for a in (owl, rows)
        ]
        total = sum(mask.size for mask in kept[0].values())
        for one in kept:
            assert sum(m.sum() for m in one.values()) == round(
                (1 - sparsity) * total
            )
        # Of the first layer's weights an eighth, those of the first input,
        # are outliers.
        assert (
            kept[0]["a/kernel"].mean()
            > 1 - sparsity
            > kept[0]["b/kernel"].mean()
        )
        assert np.ptp(kept[1]["a/kernel"].sum(axis=0)) <= 1
    few = kprune.allocation.outlier_weighed(scores={"a/kernel": np.ones(3)})
    with pytest.raises(ValueError, match=r"Missing: .'b/kernel'"):
        kprune.prune(model, sparsity=0.5, allocation=few)
