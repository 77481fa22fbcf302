"""Training FLOPs by RigL's convention, by hand."""

import keras
import pytest
from networks import sequential

import kprune
from kprune.callbacks.dynamic import training_flops


@pytest.fixture(scope="module")
def report():
    # 8 * 10 + 10 * 5 = 130 multiply-adds, of which 13 are kept.
    model = sequential(
        (8,), keras.layers.Dense(10, name="a"), keras.layers.Dense(5, name="b")
    )
    return kprune.report(kprune.prune(model, "random", 0.9))


def test_by_hand(report):
    # f_D = 260, f_S = 26.
    with_gradients = (78 * 100 + 52 + 260) / 100
    expected = {
        "static": 78,
        "set": 78,
        "dsr": 78,
        "deepr": 78,
        "soft_deepr": 78,
        "snfs": 52 + 260,
        "dns": 52 + 260,
        "rigl": (78 * 100 + 52 + 260) / 101,
        "cht": 78,
        "acdc": 78,
        "dpf": 52 + 260,
        "top_kast": 52 + 26 + 0.1 * 260,
        **dict.fromkeys(("granet", "mest", "srigl"), with_gradients),
    }
    assert set(expected) == set(kprune.methods("DynamicSparseTraining"))
    for method, cost in expected.items():
        flops = training_flops(report, method)
        assert (flops.dense, flops.sparse) == (780, cost)
        assert flops.ratio == cost / 780


def test_options_count(report):
    flops = training_flops(report, "rigl", every=10)
    assert flops.sparse == (780 + 312) / 11
    rigl = kprune.callbacks.dynamic.RigL(skip_step=False)
    assert training_flops(report, rigl, every=10).sparse == (780 + 312) / 10
    with pytest.raises(ValueError, match="`every`"):
        training_flops(report, "rigl", every="1ep")


def test_a_report_without_multiply_adds(report):
    model = sequential((8,), keras.layers.Dense(3))
    without = kprune.report(model, multiply_adds=False)
    with pytest.raises(ValueError, match="not asked for"):
        training_flops(without)
