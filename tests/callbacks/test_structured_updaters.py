"""Updaters that look at neurons and their links, by hand."""

import itertools

import numpy as np
import pytest
from networks import CE, batched, conv_net, examples
from test_updaters import moment

import kprune
from kprune.callbacks import dynamic
from kprune.callbacks.dynamic.cannistraci_hebb import closed_paths
from kprune.masking import layouts


def state(weights, gradients=None, masks=None, **given):
    found = moment(weights, gradients, masks=masks, **given)
    plain = {n: layouts.plain(w.shape) for n, w in found.weights.items()}
    return moment(
        found.weights, gradients, masks=found.masks, layouts=plain, **given
    )


# Columns are neurons. Eight are active, f = 1/4 drops two: 0.1 and 0.2.
W = np.array(
    [
        [9.0, 0.1, 5.0, 0.0],
        [8.0, 0.0, 4.0, 0.0],
        [7.0, 0.0, 0.2, 0.0],
        [6.0, 0.0, 0.0, 0.0],
    ]
)
# The two of largest |g| are the 9 of neuron 1 and the 8 of neuron 2.
G = np.array(
    [
        [0.1, 0.2, 0.3, 0.0],
        [0.1, 9.0, 0.3, 0.5],
        [0.1, 0.4, 0.3, 0.0],
        [0.1, 0.0, 8.0, 0.0],
    ]
)
LAST = {"z": np.array([[1.0, 2.0]])}  # Dense, and stays so.


def srigl(min_salient, fraction=0.25):
    now = state({"w": W, **LAST}, {"w": G, **LAST})
    updater = dynamic.SRigL(fraction, min_salient)
    updater.start(now)
    return updater.update(now).masks["w"].astype(int)


def test_srigl_by_hand():
    # Salient are 4, 1, 3 and 0. At 0.5 of a fan-in of 8 / 4 that is one at
    # least: neuron 3 goes, and the fan-in is 8 // 3 = 2. Neuron 0 keeps 9 and
    # 8; neuron 1 has nothing kept, and grows 9 and 0.4; 2 keeps 5 and 4.
    np.testing.assert_array_equal(
        srigl(0.5),
        [[1, 0, 1, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    )
    # At two at least neuron 1 goes too, and the fan-in is 8 // 2 = 4.
    np.testing.assert_array_equal(srigl(1.0), [[1, 0, 1, 0]] * 4)
    # Without ablation it is 2, and neuron 3 grows 0.5 and one of the others.
    found = srigl(0.0)
    np.testing.assert_array_equal(found.sum(0), [2] * 4)
    assert found[1, 3] and found[1, 1] and found[2, 1]


def test_srigl_ablates_no_more_than_leaves_room():
    # Only neuron 0 has two salient weights, and could not take all eight.
    w = np.zeros((4, 4))
    w[:, 0] = 1, 2, 3, 4
    w[:1, 1:] = 1
    w[1, 1] = 5
    now = state({"w": w, **LAST}, {"w": np.zeros((4, 4)), **LAST})
    updater = dynamic.SRigL(0.0, 1.0)
    updater.start(now)
    masks = updater.update(now).masks["w"]
    # Salient are 4, 2, 1, 1 of a fan-in of 2: two neurons stay, of 4 each.
    np.testing.assert_array_equal(masks.sum(0), [4, 4, 0, 0])


def test_srigl_wants_a_weight_for_each_neuron():
    now = state({"w": np.eye(4)[:, :1] * np.ones((1, 4)), **LAST})
    few = state({"w": np.c_[np.eye(4)[:, :1], np.zeros((4, 3))], **LAST})
    dynamic.SRigL().start(now)
    with pytest.raises(ValueError, match="each of the 4 neurons of 'w'"):
        dynamic.SRigL().start(few)
    with pytest.raises(ValueError, match="min_salient"):
        dynamic.SRigL(min_salient=2)


def test_srigl_keeps_one_fan_in_through_a_training():
    x, y = examples(48, 6, 6, 2)
    model = conv_net(filters=6, units=12)
    model = kprune.prune(model, "random", 0.7, allocation="erk")
    before = kprune.get_masks(model)
    model.compile("sgd", CE)
    callback = kprune.callbacks.DynamicSparseTraining(
        "srigl", every=2, end="100%", drop_fraction=0.5
    )
    model.fit(batched(x, y), epochs=2, callbacks=[callback], verbose=0)
    for name, mask in kprune.get_masks(model).items():
        fans = np.unique(mask.reshape(-1, mask.shape[-1]).sum(0))
        assert mask.all() or len(fans[fans > 0]) == 1, name
        assert mask.sum() <= before[name].sum()


def test_cht_scores_are_a_sum_over_paths():
    links = np.random.default_rng(0).random((6, 5)) < 0.4
    found = closed_paths(links)

    def one_side(m):
        scores = np.zeros(m.shape)
        for u, v in itertools.product(*map(range, m.shape)):
            for a in range(len(m)):
                if m[a, v] and (m[u] & m[a]).any() and not m[u, v]:
                    outside = (m[a] & ~m[u]).sum() - 1  # But for v.
                    scores[u, v] += 1 / (1 + outside)
        return scores

    expected = one_side(links) + one_side(links.T).T
    np.testing.assert_allclose(found[~links], expected[~links], rtol=1e-6)
    assert expected[~links].max() > 0


def test_cht_grows_where_paths_are():
    # 0 and 1 share output 0, and 1 has output 1: (0, 1) closes a path of
    # three, and (2, 2) and the like none.
    w = np.array([[2.0, 0, 0], [3.0, 4.0, 0], [0, 0, 0.1]])
    masks = dynamic.CHT(0.25).update(state({"w": w})).masks["w"]
    np.testing.assert_array_equal(masks, [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_cht_looks_at_convolutions_as_matrices():
    rng = np.random.default_rng(1)
    w = rng.normal(size=(3, 3, 2, 4)) * (rng.random((3, 3, 2, 4)) < 0.4)
    whole = dynamic.CHT(0.3).update(state({"w": w})).masks["w"]
    flat = dynamic.CHT(0.3).update(state({"w": w.reshape(18, 4)})).masks["w"]
    assert whole.sum() == flat.sum() == (w != 0).sum()
    kept = (whole & (w != 0)).reshape(18, 4)
    assert (kept & (flat & (w.reshape(18, 4) != 0))).sum() >= 0.7 * kept.sum()
