"""Methods that prune while a model trains."""

from kprune.literature.row import Row

_BY_HAND = "tests/callbacks/test_updaters.py"


def _dynamic(name, method, paper, link, test, deviation=""):
    call = f'kprune.callbacks.DynamicSparseTraining("{method}")'
    return Row(name, call, paper, link, f"{_BY_HAND}::{test}", deviation)


ROWS = (
    Row(
        "GMP",
        'kprune.callbacks.GradualPruning("gmp", sparsity=0.9)',
        "Zhu and Gupta, 2017",
        "https://arxiv.org/abs/1710.01878",
        "tests/callbacks/test_gradual.py::"
        "test_gmp_keeps_what_the_cubic_says_at_each_update",
        "what is removed stays removed, unless `recover=True`",
    ),
    Row(
        "ASNI",
        'kprune.callbacks.GradualPruning("asni", alpha=98, beta=0.5, gamma=5)',
        "Damadi et al., 2022",
        "https://arxiv.org/abs/2202.09284",
        "tests/callbacks/test_gradual.py::"
        "test_asni_leaves_the_nonzeros_that_the_paper_prints",
        "the last epoch to prune after is E - 2, which gives the printed "
        "numbers, not E",
    ),
    Row(
        "ASNI, centroids",
        "kprune.kept_weights.centroids(model)",
        "Damadi et al., 2022",
        "https://arxiv.org/abs/2202.09284",
        "tests/pruning/test_kept_weights.py::test_the_numbers",
    ),
    _dynamic(
        "SET",
        "set",
        "Mocanu et al., 2018",
        "https://arxiv.org/abs/1707.04780",
        "test_set_drops_on_either_side_of_zero",
    ),
    _dynamic(
        "Deep Rewiring",
        "deepr",
        "Bellec et al., 2018",
        "https://arxiv.org/abs/1711.05136",
        "test_deepr_by_hand",
    ),
    _dynamic(
        "soft Deep Rewiring",
        "soft_deepr",
        "Bellec et al., 2018",
        "https://arxiv.org/abs/1711.05136",
        "test_soft_deepr_wanders_and_comes_back",
    ),
    _dynamic(
        "DSR",
        "dsr",
        "Mostafa and Wang, 2019",
        "https://arxiv.org/abs/1902.05967",
        "test_dsr_by_hand",
    ),
    _dynamic(
        "SNFS",
        "snfs",
        "Dettmers and Zettlemoyer, 2019",
        "https://arxiv.org/abs/1907.04840",
        "test_snfs_by_hand",
    ),
    _dynamic(
        "RigL",
        "rigl",
        "Evci et al., 2020",
        "https://arxiv.org/abs/1911.11134",
        "test_rigl_by_hand",
    ),
    _dynamic(
        "dynamic network surgery",
        "dns",
        "Guo et al., 2016",
        "https://arxiv.org/abs/1608.04493",
        "test_dns_by_hand",
    ),
    Row(
        "static masks",
        'kprune.callbacks.DynamicSparseTraining("static")',
        "Evci et al., 2020",
        "https://arxiv.org/abs/1911.11134",
        "tests/callbacks/test_dynamic.py::"
        "test_what_must_hold_after_every_update",
    ),
    Row(
        "STR",
        "kprune.learned.soft_threshold(model)",
        "Kusupati et al., 2020",
        "https://arxiv.org/abs/2002.03231",
        "tests/learned/test_soft_threshold.py::test_gradients_by_hand",
    ),
    Row(
        "L0",
        "kprune.learned.hard_concrete(model, examples=60_000)",
        "Louizos et al., 2018",
        "https://arxiv.org/abs/1712.01312",
        "tests/learned/test_hard_concrete.py::test_penalty_by_hand",
        "the penalty of a group is per weight, as in the released code",
    ),
)
