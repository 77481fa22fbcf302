"""EarlyCroP: when it prunes, by hand, and what it keeps."""

import keras
import numpy as np
import pytest
from lifecycle import assert_same
from networks import CE, batched, dense_net, examples

import kprune
from kprune.callbacks import EarlyCroP

X, Y = examples(48, 8)


def net():
    model = kprune.wrap(dense_net(dropout=0))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), CE)
    return model


def driven(early, model, distances, first=0, state=None):
    """Moves all weights to a distance from the first epoch's, in turn, and
    calls the hooks as `fit` does, without the training."""
    early.set_model(model)
    early.set_params({"epochs": first + len(distances), "steps": 1})
    early.on_train_begin()
    if state is not None:
        early.set_state(state)
    start = [np.array(v) for v in model.trainable_variables]
    found = []
    for epoch, distance in enumerate(distances, first):
        for variable, value in zip(
            model.trainable_variables, start, strict=True
        ):
            variable.assign((1 + distance) * value)
        found.append({})
        early.on_epoch_end(epoch, found[-1])
        if early.pruned_epoch is not None:
            break
    return found


@pytest.mark.parametrize(
    "sparsity, epoch",
    [
        (0.4, 3),  # |0.6 - 0.4| < 0.6 times 0.4.
        (0.7, 4),  # 0.2 is not, but |0.7 - 0.6| is < 0.3 times 0.4.
        (0.9, 6),  # The last two are apart by 0.03 < 0.04.
        (0.95, None),
    ],
)
def test_when_it_prunes(sparsity, epoch):
    model, early = net(), EarlyCroP("magnitude", sparsity)
    logs = driven(early, model, [0.0, 0.4, 0.6, 0.7, 0.75, 0.78])
    assert early.pruned_epoch == epoch
    assert "weight_distance" not in logs[0]
    found = [one["weight_distance"] for one in logs[1:]]
    np.testing.assert_allclose(
        found, [0.4, 0.6, 0.7, 0.75, 0.78][: len(found)], rtol=1e-5
    )
    assert all(one["sparsity"] == 0 for one in logs[:-1])
    removed = sparsity if epoch else 0
    assert logs[-1]["sparsity"] == pytest.approx(removed, abs=0.01)


def test_latest_and_the_end_of_training():
    model, early = net(), EarlyCroP("magnitude", 0.5, latest=2)
    driven(early, model, [0.0, 0.4, 0.9])
    assert early.pruned_epoch == 2
    model, early = net(), EarlyCroP("magnitude", 0.5)
    driven(early, model, [0.0, 0.4])
    with pytest.warns(UserWarning, match="before the weights settled"):
        early.on_train_end()
    assert kprune.report(model).sparsity == 0.5
    assert early.pruned_epoch == 2


def test_a_resumed_run_knows_the_distances_before():
    model = net()
    one, other = (EarlyCroP("magnitude", 0.7) for _ in range(2))
    driven(one, model, [0.0, 0.4, 0.6])
    for variable in model.trainable_variables:
        variable.assign(variable / 1.6)
    driven(other, model, [0.7], first=3, state=one.get_state())
    assert other.pruned_epoch == 4


def test_it_keeps_what_crop_keeps_at_that_moment():
    how = {"data": (X, Y), "scoring": {"batches": 2}, "seed": 3}
    quiet = {"rounds": 2, "verbose": 0}
    before = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            before.append(kprune.wrap(self.model))

    model = net()
    early = EarlyCroP("crop", 0.8, latest=2, rounds=2, **how)
    history = model.fit(
        batched(X, Y), epochs=3, callbacks=[Look(), early], verbose=0
    )
    assert early.pruned_epoch == 2
    expected = kprune.prune(before[1], "crop", 0.8, **how, **quiet)
    masks = kprune.get_masks(expected)
    assert_same(kprune.get_masks(model), masks)
    assert history.history["sparsity"][0] == 0
    kernel = np.array(model.get_layer("a").kernel)
    assert not kernel[~masks["a/kernel"]].any()


def test_a_plain_model_is_refused():
    early = EarlyCroP("magnitude", 0.5)
    early.set_model(dense_net())
    with pytest.raises(ValueError, match=r"kprune\.wrap"):
        early.on_train_begin()
    with pytest.raises(ValueError, match="`latest`"):
        EarlyCroP("magnitude", 0.5, latest=0)
