"""Updaters that say themselves how sparse the model becomes, by hand."""

import itertools

import keras
import numpy as np
import pytest
from networks import CE, batched, dense_net, examples
from test_updaters import bits, moment

import kprune
from kprune.callbacks import dynamic
from kprune.callbacks.dynamic.sparser import SparsityRise, largest


def test_the_sparsity_rises_along_a_cubic_curve():
    rise = SparsityRise(0.9, until=0.5)
    now = moment({"w": np.ones(100)}, progress=0.25)
    assert rise.begin(now) == 0
    # Half of the way: 0.9 (1 - (1 - 0.5)^3) = 0.7875 of 100 go.
    assert rise.count(now, 0.0) == 21
    # From 0.5 on: 0.9 - 0.4 / 8 = 0.85.
    assert rise.count(now, 0.5) == 15
    for progress, left in [(0.5, 9), (0.8, 3), (0.1, 0)]:
        late = moment({"w": np.ones(100)}, progress=progress, updates_left=left)
        assert rise.count(late, 0.0) == 10


def test_the_largest_are_of_the_whole_model():
    now = moment(
        {"a": [0.5, -0.9, 0.1], "b": [[2.0, 0.0], [-0.2, 0.6]]},
        masks={"a": [1, 1, 1], "b": [[0, 1], [1, 1]]},
    )
    found = largest(now, 3)
    assert [bits(found[n]) for n in "ab"] == ["110", "0001"]
    found = largest(now, 3, active=False)
    assert [bits(found[n]) for n in "ab"] == ["010", "1001"]
    assert largest(now, 100)["b"].sum() == 3
    with pytest.raises(ValueError, match=r"step 100.*NaN"):
        largest(moment({"a": [np.nan, 1.0]}), 1)


def test_granet_by_hand():
    # Of 8 weights, 6 are active and 4 stay in the end: |w| of 0.9, 0.8, 0.5
    # and 0.4. Half of a's three are dropped (one, 0.5) and half of b's one
    # (none). Of a one grows: 9 beats 3, and begins at 0.
    now = moment(
        {"a": [0.9, -0.8, 0.5, 0.1, 0.0], "b": [0.4, 0.2, 0.0]},
        {"a": [7.0, 8.0, 3.0, 9.0, 2.0], "b": [0.0, 5.0, 6.0]},
        updates_left=0,
    )
    granet = dynamic.GraNet(0.5, drop_fraction=0.5)
    granet.start(now)
    change = granet.update(now)
    assert [bits(change.masks[n]) for n in "ab"] == ["11010", "100"]
    assert [bits(change.fresh[n]) for n in "ab"] == ["00010", "000"]
    # Were the gradient of 0.1 small, 0.5 would grow again and keep its value.
    again = moment(now.weights, {**now.gradients, "a": [7, 8, 3, 1, 2]})
    again = granet.update(moment(again.weights, again.gradients, progress=1.0))
    assert (
        bits(again.masks["a"]) == "11100" and bits(again.fresh["a"]) == "0" * 5
    )


def test_a_model_that_is_sparser_already_is_refused():
    now = moment({"w": [1.0, 0.0, 0.0, 0.0]})
    for updater in (dynamic.GraNet(0.5), dynamic.DPF(0.5)):
        with pytest.raises(ValueError, match="keeps 2 weights at least"):
            updater.start(now)
    for kind in (dynamic.GraNet, dynamic.DPF, dynamic.ACDC):
        with pytest.raises(ValueError, match="sparsity"):
            kind(1.0)


def test_acdc_goes_from_sparse_to_dense_and_ends_sparse():
    acdc = dynamic.ACDC(0.5)
    w = {"a": [4.0, 1.0], "b": [2.0, -3.0]}
    dense = moment(w, updates_left=3)
    acdc.start(dense)
    change = acdc.update(dense)
    assert [bits(change.masks[n]) for n in "ab"] == ["10", "01"]
    assert change.fresh is None and change.weights is None
    for left, expected in {2: "11 11", 0: "10 01"}.items():
        now = moment(w, masks=change.masks, updates_left=left)
        masks = acdc.update(now).masks
        assert " ".join(bits(masks[n]) for n in "ab") == expected


def test_dpf_brings_back_what_has_grown_under_its_mask():
    dpf = dynamic.DPF(0.5, until=1.0)
    now = moment(
        {"w": [0.1, 0.2, -0.9, 0.4]},
        masks={"w": [1, 1, 0, 1]},
        updates_left=0,
    )
    dpf.start(now)
    change = dpf.update(now)
    assert bits(change.masks["w"]) == "0011"
    assert bits(change.fresh["w"]) == "0000"  # It keeps the value it has.


def test_dpf_trains_pruned_weights_by_the_sparse_networks_gradient():
    x, y = examples(8, 8)
    model = kprune.wrap(dense_net(dropout=0, norm=False))
    model.compile(keras.optimizers.SGD(0.5), CE)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            layer = model.get_layer("a")
            mask = kprune.get_masks(model)["a/kernel"]
            kernel = np.array(layer.kernel)
            bias = np.array(layer.bias)
            seen.append((mask, kernel, bias))

    dpf = kprune.callbacks.DynamicSparseTraining(
        "dpf", every=1, sparsity=0.8, until=0.2
    )
    data = batched(x, y).repeat(6)
    model.fit(data, epochs=1, callbacks=[dpf, Look()], verbose=0)
    moved = [
        np.abs(later - kernel)[~mask].max()
        for (mask, kernel, _), (_, later, _) in itertools.pairwise(seen)
        if not mask.all()
    ]
    assert moved and min(moved) > 0
    kernel = np.array(model.get_layer("a").kernel)
    assert not kernel[~kprune.get_masks(model)["a/kernel"]].any()


def test_a_fit_ends_at_the_sparsity_with_few_updates():
    x, y = examples(32, 8)
    for method in ("granet", "acdc", "dpf"):
        model = kprune.wrap(dense_net())
        model.compile("sgd", CE)
        callback = kprune.callbacks.DynamicSparseTraining(
            method, every="3it", end="75%", sparsity=0.9
        )
        model.fit(batched(x, y), epochs=2, callbacks=[callback], verbose=0)
        masks = kprune.get_masks(model).values()
        # Of 128 + 48 weights, updates before the steps 3 of 8, end before 6.
        assert sum(int(m.sum()) for m in masks) == 18, method
