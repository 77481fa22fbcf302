"""The commands on saved models: `kprune prune`, `evaluate` and `export`."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune import experiment
from kprune.cli import prune
from kprune.deploy import export


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A plain model for the digits, trained a little and not compiled."""
    path = tmp_path_factory.mktemp("models") / "in.keras"
    model = kprune.models.fc(input_shape=(8, 8, 1), widths=(32,), seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    (x, y), _ = kprune.datasets.load_arrays("digits")
    model.fit(x, y, epochs=3, verbose=0)
    plain = kprune.models.fc(input_shape=(8, 8, 1), widths=(32,), seed=0)
    plain.set_weights(model.get_weights())
    plain.save(path)
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A NumPy file with the test images, and its arrays."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    _, (x, y) = kprune.datasets.load_arrays("digits")
    np.savez(path, x=x, y=y)
    return path, x, y


def arrays(path, **found):
    np.savez(path, **found)
    return path


# prune.py


def test_prune_writes_a_model_with_masks(command, saved, tmp_path, capsys):
    out = tmp_path / "new" / "out.keras"
    command(
        "prune",
        f"--model={saved}",
        f"--out={out}",
        "--method=snip",
        "--sparsity=0.75",
        "--data=digits",
        "--batches=2",
        "--batch_size=50",
        "--seed=3",
    )
    model = keras.models.load_model(out)
    # 64 x 32 and 32 x 10 weights are 2,368, of which a quarter stays.
    masks = kprune.get_masks(model)
    assert sum(int(mask.sum()) for mask in masks.values()) == 592
    assert "592 of 2,368 kept" in capsys.readouterr().out
    train, _ = kprune.datasets.load("digits", 50, seed=3)
    expected = kprune.prune(
        keras.models.load_model(saved),
        "snip",
        0.75,
        data=train,
        scoring={"batches": 2, "batch_size": 50},
        seed=3,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for name, mask in kprune.get_masks(expected).items():
        np.testing.assert_array_equal(masks[name], mask)
    assert [path.name for path in out.parent.iterdir()] == ["out.keras"]


def test_prune_strips_if_asked(command, saved, tmp_path):
    out = tmp_path / "out.keras"
    command(
        "prune",
        f"--model={saved}",
        f"--out={out}",
        "--method=magnitude",
        "--sparsity=0.5",
        "--exclude=fc2",
        "--strip",
    )
    model = keras.models.load_model(out)
    with pytest.raises(ValueError, match="has no masks"):
        kprune.get_masks(model)
    kernel = model.get_layer("fc1").kernel.numpy()
    assert (kernel == 0).sum() == kernel.size // 2
    before = keras.models.load_model(saved).get_layer("fc1").kernel.numpy()
    np.testing.assert_array_equal(kernel[kernel != 0], before[kernel != 0])


def test_prune_to_a_cost_and_shrink(command, saved, tmp_path, capsys):
    out = tmp_path / "out.keras"
    command(
        "prune",
        f"--model={saved}",
        f"--out={out}",
        "--method=magnitude",
        "--granularity=channel",
        "--target=parameters=0.5",
        "--shrink",
    )
    model = keras.models.load_model(out)
    # A unit has 64 + 1 + 10 parameters, and 10 biases of 2,410 stay: 15 units
    # of 32 are 1,135, and 16 would be more than half.
    assert model.get_layer("fc1").units == 15
    assert model.count_params() == 1135
    assert "holds the model, smaller, without masks" in capsys.readouterr().out


def test_prune_takes_arrays_and_options(command, saved, digits, tmp_path):
    out = tmp_path / "out.keras"
    command(
        "prune",
        f"--model={saved}",
        f"--out={out}",
        "--method=grasp",
        "--sparsity=0.5",
        f"--npz={digits[0]}",
        "--options=temperature=7,absolute=true",
        "--allocation=uniform",
    )
    masks = kprune.get_masks(keras.models.load_model(out))
    assert [mask.mean() for mask in masks.values()] == [0.5, 0.5]


def test_prune_without_data_warns(command, saved, tmp_path):
    out = tmp_path / "out.keras"
    with pytest.warns(UserWarning, match="one synthetic batch"):
        command("prune", f"--model={saved}", f"--out={out}", "--sparsity=0.5")
    assert out.exists()


def test_options_are_values():
    assert prune.options(["a=1.5", "b=true", "c=none", "d=(1, 2)"]) == {
        "a": 1.5,
        "b": True,
        "c": "none",
        "d": (1, 2),
    }


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--method=snipp", "Did you mean 'snip'"),
        ("--sparsity=1", "in [0, 1)"),
        ("--options=temprature=3", "Did you mean 'temperature'"),
        ("--options=3", "key=value"),
        ("--options=rounds=3", "Expected --rounds="),
        ("--granularity=chanel", "Did you mean 'channel'"),
        ("--exclude=nothing", "in `exclude`"),
        ("--model=none.keras", "There is no such file: none.keras"),
        ("--out=out.h5", "--out=NAME.keras"),
        ("--data=digit", "Did you mean 'digits'"),
        ("--npz=none.npz", "none.npz"),
        ("--sparsty=0.5", "Did you mean 'sparsity'"),
    ],
)
def test_prune_answers_bad_input(flag, expected, refusal, saved, tmp_path):
    arguments = (
        f"--model={saved}",
        f"--out={tmp_path / 'out.keras'}",
        "--sparsity=0.5",
        flag,
    )
    assert expected in refusal("prune", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_prune_overwrites_nothing_unasked(command, refusal, saved, tmp_path):
    arguments = (f"--model={saved}", "--method=random", "--sparsity=0.5")
    before = saved.read_bytes()
    for flags in ((), ("--overwrite",)):
        said = refusal("prune", *arguments, f"--out={saved}", *flags)
        assert "Name another file" in said
    assert saved.read_bytes() == before
    out = tmp_path / "out.keras"
    out.write_text("mine")
    said = refusal("prune", *arguments, f"--out={out}")
    assert "--overwrite replaces it" in said
    assert out.read_text() == "mine"
    command("prune", *arguments, f"--out={out}", "--overwrite")
    assert kprune.get_masks(keras.models.load_model(out))


def test_a_file_that_is_no_model_is_answered(refusal, tmp_path):
    path = tmp_path / "in.keras"
    path.write_text("not a model")
    said = refusal(
        "prune",
        f"--model={path}",
        f"--out={tmp_path / 'out.keras'}",
        "--sparsity=0.5",
    )
    assert f"Keras cannot load {path}" in said


# evaluate.py


def test_evaluate_measures_what_keras_does(
    command, saved, digits, tmp_path, capsys
):
    path, x, y = digits
    model = kprune.prune(keras.models.load_model(saved), "magnitude", 0.75)
    out = tmp_path / "pruned.keras"
    model.save(out)
    logits = np.asarray(model(x), np.float64)
    accuracy = np.mean(logits.argmax(1) == y)
    largest = logits.max(1)
    log_sum = np.log(np.exp(logits - largest[:, None]).sum(1)) + largest
    loss = np.mean(log_sum - logits[np.arange(len(y)), y])
    assert accuracy > 0.3
    for data in ("--data=digits", f"--npz={path}"):
        capsys.readouterr()
        command("evaluate", f"--model={out}", data, "--json")
        assert json.loads(capsys.readouterr().out) == pytest.approx(
            {"loss": loss, "accuracy": accuracy, "sparsity": 0.75}, rel=1e-5
        )


def test_evaluate_takes_the_compiled_loss(
    command, refusal, saved, digits, capsys
):
    path, x, y = digits
    model = keras.models.load_model(saved)
    model.compile("adam", keras.losses.CategoricalCrossentropy(True))
    model.save(saved.parent / "compiled.keras")
    binary_labels = arrays(saved.parent / "hot.npz", x=x, y=np.eye(10)[y])
    flag = f"--model={saved.parent / 'compiled.keras'}"
    command("evaluate", flag, f"--npz={binary_labels}", "--json")
    one = json.loads(capsys.readouterr().out)
    command("evaluate", f"--model={saved}", f"--npz={path}", "--json")
    assert one == pytest.approx(json.loads(capsys.readouterr().out))
    said = refusal("evaluate", flag, f"--npz={path}")
    assert "The labels do not fit the loss" in said


def test_evaluate_of_a_run_is_what_the_run_said(command, tmp_path, capsys):
    config = {
        "dataset": {"normalization": "half"},
        "model": {"name": "fc", "widths": (8,)},
        "pruner": {"method": "random", "sparsity": 0.5},
        "training": {"epochs": 1},
    }
    result = experiment.run(config, tmp_path / "run", verbose=0)
    command("evaluate", f"--workdir={tmp_path / 'run'}", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == pytest.approx(result["test_accuracy"])
    assert found["loss"] == pytest.approx(result["test_loss"])
    assert found["sparsity"] == pytest.approx(0.5)
    command("evaluate", f"--workdir={tmp_path / 'run'}")
    accuracy = 100 * result["test_accuracy"]
    assert f"accuracy {accuracy:.2f} %" in capsys.readouterr().out
    out = tmp_path / "served"
    command("export", f"--workdir={tmp_path / 'run'}", f"--out={out}")
    assert "at a sparsity of 0.5000" in capsys.readouterr().out


def test_labels_that_do_not_fit_are_answered(refusal, saved, digits, tmp_path):
    _, x, y = digits
    wrong = {
        "more.npz": (y + 5, "Expected integers from 0 to 9"),
        "parts.npz": (y + 0.5, "not all whole"),
        "pairs.npz": (np.stack([y, y], 1), "one class number per output"),
        "fewer.npz": (y[:-1], "as many x as y"),
    }
    for name, (labels, expected) in wrong.items():
        path = arrays(tmp_path / name, x=x, y=labels)
        flags = (f"--model={saved}", f"--npz={path}")
        assert expected in refusal("evaluate", *flags)


def test_a_data_set_of_more_classes_is_answered(refusal, tmp_path):
    path = tmp_path / "five.keras"
    kprune.models.fc(input_shape=(8, 8, 1), classes=5, widths=(4,)).save(path)
    said = refusal("evaluate", f"--model={path}", "--data=digits")
    assert "Expected integers from 0 to 4" in said
    assert "values from 0 to 9" in said


def test_evaluate_answers_bad_input(refusal, saved, digits, tmp_path):
    path, x, _ = digits
    model = f"--model={saved}"

    def said(*flags):
        return refusal("evaluate", *flags)

    assert "Expected --data=NAME or --npz=FILE" in said(model)
    assert "Expected --model=NAME.keras or --workdir" in said("--data=digits")
    assert "one of --data and --npz" in said(
        model, "--data=digits", f"--npz={path}"
    )
    assert "Expected arrays x and y" in said(
        model, f"--npz={arrays(tmp_path / 'x.npz', x=x)}"
    )
    images = arrays(tmp_path / "i.npz", x=np.zeros((2, 9, 9, 1)), y=[0, 1])
    assert "`data` does not fit model" in said(model, f"--npz={images}")
    assert "There is no such file" in said(f"--workdir={tmp_path}")


def test_a_run_without_a_model_is_answered(refusal, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    said = refusal("evaluate", f"--workdir={tmp_path}")
    assert "was run with config.artifacts off" in said


# export.py


def test_export_writes_what_the_model_gives(command, saved, digits, tmp_path):
    _, x, _ = digits
    model = kprune.prune(keras.models.load_model(saved), "magnitude", 0.75)
    model.save(tmp_path / "pruned.keras")
    out = tmp_path / "served"
    command("export", f"--model={tmp_path / 'pruned.keras'}", f"--out={out}")
    loaded = tf.saved_model.load(str(out))
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-5)


def test_export_refuses_what_differs(command, saved, tmp_path, monkeypatch):
    real = export.export

    def other(model, path):
        doubled = kprune.strip(model)
        doubled.set_weights([2 * w for w in doubled.get_weights()])
        real(doubled, path)

    monkeypatch.setattr(export, "export", other)
    with pytest.raises(SystemExit, match="does not give the model's outputs"):
        command("export", f"--model={saved}", f"--out={tmp_path / 'served'}")


def test_export_replaces_nothing(refusal, saved, tmp_path):
    (tmp_path / "mine").touch()
    flags = (f"--model={saved}", f"--out={tmp_path}")
    assert "is occupied" in refusal("export", *flags)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
