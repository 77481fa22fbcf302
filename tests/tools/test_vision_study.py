"""The study of vision transformers on images of digits."""

import keras
import numpy as np

from kprune.runtime import files


def test_it_measures_accuracy_and_checks_claims(study, rows, capsys, tmp_path):
    how = "--quick", "--sparsities=0.5,2:4", "--methods=magnitude,wanda"
    study("vision", f"--workdir={tmp_path}/runs", *how, "--seeds=0")
    found = files.read_record(tmp_path / "runs" / "seed0.json")
    # Dense; uniform at both; OWL at one. At once, and after training on.
    assert len(found) == 2 * (1 + 2 * (2 + 1))
    # Of 40 images.
    shares = np.array([cell["accuracy"] for cell in found.values()]) / 2.5
    np.testing.assert_allclose(shares, shares.round(), atol=1e-6)
    table = {tuple(row[:2]): row[2:] for row in rows(capsys.readouterr().out)}
    cell = found["wanda, uniform, 2:4, tuned"]
    assert table["wanda", "uniform"][1] == f"{cell['accuracy']:.2f}"


def test_a_higher_accuracy_is_the_better_one(part):
    verdict, task = part("one_shot.claims").verdict, part("one_shot.task")
    high, low = np.array([50.0, 51, 52]), np.array([48.0, 49.1, 49.9])
    said = verdict({"a": (high, low)}, task.ACCURACY)
    assert said[0] == "true" and "a +2.0 points" in said[1]
    assert verdict({"a": (low, high)}, task.ACCURACY)[0] == "false"


def test_patches_are_steps_that_attend_to_all_others(part):
    build = part("vision.network").vit
    model = build((8, 8, 1), 3, patch=4, width=4, depth=2, heads=2)
    assert model.get_layer("positions").output.shape == (None, 4, 4)
    # The first patch sees the last one; a causal block would not let it.
    block = model.get_layer("block_0")
    x = np.random.default_rng(0).normal(size=(1, 4, 4)).astype("f4")
    changed = x.copy()
    changed[0, 3, 0] += 1
    one, other = (np.asarray(block(z)) for z in (x, changed))
    assert np.abs(one - other)[0, 0].max() > 1e-6


def test_more_training_goes_on_at_the_rate_reached(part):
    """A first step of Adam moves each weight by the rate."""
    task, x = part("one_shot.task"), np.linspace(-1, 1, 20)[:, None]
    kernel = task.Measure(
        "kernel", lambda model, *_: model.trainable_variables[0], None, None
    )

    def draw(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential([keras.Input([1]), keras.layers.Dense(2)])

    subject = part("one_shot.subject").Subject(
        task.Task(
            draw,
            batches=lambda count, rng: (x[:count], (x[:count, 0] > 0) * 1),
            data=(x, x[:, 0]),
            test=(x, x[:, 0]),
            training=task.Training(20, 4, tuned=0.05, rate=0.1),
            measure=kernel,
            blocks=[],
            dense=(),
        )
    )
    trained = subject.trained(seed=0)
    subject.take(trained, seed=0)
    subject.prune(None)
    subject.tune()
    moved = subject.measure() - trained.trainable_variables[0]
    np.testing.assert_allclose(np.abs(moved), 0.1 / 4, rtol=1e-4)
