"""Keras' own callbacks keep masks and weights together."""

import keras
import pytest
from networks import CE, examples, sequential

import kprune

X, Y = examples(32, 8)


def model():
    stack = keras.layers.Dense(16), keras.layers.Dense(3)
    made = kprune.prune(sequential((8,), *stack, seed=1), "magnitude", 0.5)
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    made.compile(sgd, CE, run_eagerly=True)
    return made


class PruneMore(keras.callbacks.Callback):
    """Takes the masks to 50, 60, 70 ... percent, one each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        pruned = kprune.prune(self.model, "magnitude", 0.5 + epoch / 10)
        kprune.set_masks(self.model, kprune.get_masks(pruned))


def sparsity(network):
    """Returns that of the masks, which the weights must have too."""
    for weight in kprune.masking.weights.find(network):
        if weight.mask is not None:
            removed = ~weight.mask.numpy()
            assert not weight.variable.numpy()[removed].any()
    return round(kprune.report(network).sparsity, 2)


def fit(network, *callbacks, epochs=4):
    options = {"epochs": epochs, "validation_data": (X, Y), "verbose": 0}
    return network.fit(X, Y, callbacks=[PruneMore(), *callbacks], **options)


def test_backup_and_restore(tmp_path):
    class Fail(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(tmp_path)
    failed = model()
    with pytest.raises(KeyboardInterrupt):
        fit(failed, backup, Fail())
    resumed = model()
    epochs = []

    def see(epoch, logs):
        epochs.append((epoch, sparsity(resumed)))

    seen = keras.callbacks.LambdaCallback(on_epoch_begin=see)
    callbacks = [keras.callbacks.BackupAndRestore(tmp_path), seen]
    resumed.fit(X, Y, epochs=5, callbacks=callbacks, verbose=0)
    # From the backup of epoch 2, at 70 %, and not the 50 of a new model.
    assert epochs == [(3, 0.7), (4, 0.7)]


def test_model_checkpoint(tmp_path):
    weights = tmp_path / "{epoch}.weights.h5"
    fit(
        model(),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
        keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
    )
    for epoch, expected in [(1, 0.5), (2, 0.6), (4, 0.8)]:
        loaded = keras.saving.load_model(tmp_path / f"{epoch}.keras")
        assert sparsity(loaded) == expected
    loaded = model()
    loaded.load_weights(tmp_path / "3.weights.h5")
    assert sparsity(loaded) == 0.7


def test_early_stopping_restores_masks_with_the_best_weights():
    class Worse(keras.callbacks.Callback):
        """Lets the loss seem best in the second epoch."""

        def on_epoch_end(self, epoch, logs):
            logs["val_loss"] = abs(epoch - 1)

    network = model()
    options = {"patience": 2, "restore_best_weights": True}
    stopping = keras.callbacks.EarlyStopping("val_loss", **options)
    history = fit(network, Worse(), stopping, epochs=6)
    assert len(history.epoch) == 4
    assert sparsity(network) == 0.6
