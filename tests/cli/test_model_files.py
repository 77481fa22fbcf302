"""The commands on saved models: `kprune prune`, `evaluate` and `export`."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import CE

import kprune
from kprune import experiment
from kprune.cli import prune
from kprune.deploy import runtimes


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A NumPy file with the test images, and its arrays."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    _, (x, y) = kprune.datasets.load_arrays("digits")
    np.savez(path, x=x, y=y)
    return path, x, y


@pytest.fixture(scope="module")
def saved(tmp_path_factory, digits):
    """A plain model for the digits, trained a little and not compiled. Beside
    it lie a run, models and arrays that do not fit."""
    folder = tmp_path_factory.mktemp("models")
    model = kprune.models.fc(input_shape=(8, 8, 1), widths=(32,), seed=0)
    model.compile("adam", CE)
    (x, y), _ = kprune.datasets.load_arrays("digits")
    model.fit(x, y, epochs=3, verbose=0)
    model.save(folder / "in.keras")
    plain = keras.models.load_model(folder / "in.keras", compile=False)
    plain.save(folder / "in.keras")
    five = kprune.models.fc(input_shape=(8, 8, 1), classes=5, widths=(4,))
    five.save(folder / "five.keras")
    (folder / "broken.keras").write_text("not a model")
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text("{}")
    _, x, y = digits
    for name, labels in {
        "more": y + 5,
        "parts": y + 0.5,
        "pairs": np.stack([y, y], 1),
        "fewer": y[:-1],
    }.items():
        np.savez(folder / name, x=x, y=labels)
    np.savez(folder / "unlabelled", x=x)
    np.savez(folder / "larger", x=np.zeros((2, 9, 9, 1)), y=[0, 1])
    return folder / "in.keras"


# prune.py


@pytest.fixture
def written(command, saved, tmp_path):
    """Returns a function that runs `prune`, and loads what it wrote."""

    def call(line, **flags):
        out = tmp_path / "new" / "out.keras"
        command(f"prune {line}", model=saved, out=out, **flags)
        assert [path.name for path in out.parent.iterdir()] == ["out.keras"]
        return keras.models.load_model(out)

    return call


def test_prune_writes_a_model_with_masks(written, saved, capsys):
    model = written(
        "--method=snip --sparsity=0.75 --data=digits --batches=2 "
        "--batch_size=50 --seed=3"
    )
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
        loss=CE,
    )
    for name, mask in kprune.get_masks(expected).items():
        np.testing.assert_array_equal(masks[name], mask)


def test_prune_strips_if_asked(written, saved):
    model = written("--method=magnitude --sparsity=0.5 --exclude=fc2 --strip")
    with pytest.raises(ValueError, match="has no masks"):
        kprune.get_masks(model)
    kernel = model.get_layer("fc1").kernel.numpy()
    assert (kernel == 0).sum() == kernel.size // 2
    before = keras.models.load_model(saved).get_layer("fc1").kernel.numpy()
    np.testing.assert_array_equal(kernel[kernel != 0], before[kernel != 0])


def test_prune_to_a_cost_and_shrink(written, capsys):
    model = written(
        "--method=magnitude --granularity=channel --target=parameters=0.5 "
        "--shrink"
    )
    # A unit has 64 + 1 + 10 parameters, and 10 biases of 2,410 stay: 15 units
    # of 32 are 1,135, and 16 would be more than half.
    assert model.get_layer("fc1").units == 15
    assert model.count_params() == 1135
    assert "holds the model, smaller, without masks" in capsys.readouterr().out


def test_prune_takes_arrays_and_options(written, digits):
    model = written(
        "--method=grasp --sparsity=0.5 --options=temperature=7,absolute=true "
        "--allocation=uniform",
        npz=digits[0],
    )
    assert [m.mean() for m in kprune.get_masks(model).values()] == [0.5, 0.5]


def test_prune_without_data_warns(written):
    with pytest.warns(UserWarning, match="one synthetic batch"):
        written("--method=snip --sparsity=0.5")


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
        ("--method=grasp --options=temprature=3", "Did you mean 'temperature'"),
        ("--options=3", "key=value"),
        ("--options=rounds=3", "Expected --rounds="),
        ("--granularity=chanel", "Did you mean 'channel'"),
        ("--exclude=nothing", "in `exclude`"),
        ("--model=none.keras", "There is no such file: none.keras"),
        ("--model=broken.keras", "Keras cannot load broken.keras"),
        ("--out=out.h5", "--out=NAME.keras"),
        ("--data=digit", "Did you mean 'digits'"),
        ("--npz=none.npz", "none.npz"),
        ("--sparsty=0.5", "Did you mean 'sparsity'"),
    ],
)
def test_prune_answers_bad_input(
    flag, expected, refusal, saved, tmp_path, monkeypatch
):
    monkeypatch.chdir(saved.parent)
    out = tmp_path / "out.keras"
    flags = (
        f"--model={saved}",
        f"--out={out}",
        "--sparsity=0.5",
        *flag.split(),
    )
    assert expected in refusal("prune", *flags)
    assert list(tmp_path.iterdir()) == []


def test_prune_overwrites_nothing_unasked(command, refusal, saved, tmp_path):
    line = f"prune --model={saved} --method=random --sparsity=0.5"
    before = saved.read_bytes()
    for more in ("", " --overwrite"):
        assert "Name another file" in refusal(line + more, out=saved)
    assert saved.read_bytes() == before
    out = tmp_path / "out.keras"
    out.write_text("mine")
    assert "--overwrite replaces it" in refusal(line, out=out)
    assert out.read_text() == "mine"
    command(line, "--overwrite", out=out)
    assert kprune.get_masks(keras.models.load_model(out))


# evaluate.py


@pytest.fixture
def measured(command, capsys):
    """Returns a function to what `evaluate` finds."""

    def call(**flags):
        capsys.readouterr()
        command("evaluate --json", **flags)
        return json.loads(capsys.readouterr().out)

    return call


def test_evaluate_measures_what_keras_does(measured, saved, digits, tmp_path):
    path, x, y = digits
    model = kprune.prune(keras.models.load_model(saved), "magnitude", 0.75)
    model.save(tmp_path / "pruned.keras")
    logits = np.asarray(model(x), np.float64)
    accuracy = np.mean(logits.argmax(1) == y)
    largest = logits.max(1)
    log_sum = np.log(np.exp(logits - largest[:, None]).sum(1)) + largest
    loss = np.mean(log_sum - logits[np.arange(len(y)), y])
    assert accuracy > 0.3
    for data in ({"data": "digits"}, {"npz": path}):
        assert measured(
            model=tmp_path / "pruned.keras", **data
        ) == pytest.approx(
            {"loss": loss, "accuracy": accuracy, "sparsity": 0.75}, rel=1e-5
        )


def test_evaluate_takes_the_compiled_loss(
    measured, refusal, saved, digits, tmp_path
):
    path, x, y = digits
    model = keras.models.load_model(saved)
    model.compile("adam", keras.losses.CategoricalCrossentropy(True))
    compiled, hot = tmp_path / "compiled.keras", tmp_path / "hot.npz"
    model.save(compiled)
    np.savez(hot, x=x, y=np.eye(10)[y])
    one = measured(model=compiled, npz=hot)
    assert one == pytest.approx(measured(model=saved, npz=path))
    said = refusal("evaluate", model=compiled, npz=path)
    assert "The labels do not fit the loss" in said


def test_evaluate_of_a_run_is_what_the_run_said(
    command, measured, tmp_path, capsys
):
    config = {
        "dataset": {"normalization": "half"},
        "model": {"name": "fc", "widths": (8,)},
        "pruner": {"method": "random", "sparsity": 0.5},
        "training": {"epochs": 1},
    }
    workdir = tmp_path / "run"
    result = experiment.run(config, workdir, verbose=0)
    found = measured(workdir=workdir)
    assert found["accuracy"] == pytest.approx(result["test_accuracy"])
    assert found["loss"] == pytest.approx(result["test_loss"])
    assert found["sparsity"] == pytest.approx(0.5)
    command("evaluate", workdir=workdir)
    accuracy = 100 * result["test_accuracy"]
    assert f"accuracy {accuracy:.2f} %" in capsys.readouterr().out
    command("export", workdir=workdir, out=tmp_path / "served")
    assert "at a sparsity of 0.5000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--model=in.keras --npz=more.npz", "Expected integers from 0 to 9"),
        ("--model=in.keras --npz=parts.npz", "not all whole"),
        ("--model=in.keras --npz=pairs.npz", "one class number per output"),
        ("--model=in.keras --npz=fewer.npz", "as many x as y"),
        ("--model=in.keras --npz=unlabelled.npz", "Expected arrays x and y"),
        ("--model=in.keras --npz=larger.npz", "`data` does not fit model"),
        ("--model=in.keras --npz=more.npz --data=digits", "--data and --npz"),
        ("--model=in.keras", "Expected --data=NAME or --npz=FILE"),
        (
            "--model=five.keras --data=digits",
            "(?s)Expected integers from 0 to 4.*values from 0 to 9",
        ),
        ("--data=digits", "Expected --model=NAME.keras or --workdir"),
        ("--workdir=elsewhere", "There is no such file"),
        ("--workdir=run", "was run with config.artifacts off"),
    ],
)
def test_evaluate_answers_bad_input(
    flags, expected, refusal, saved, monkeypatch
):
    monkeypatch.chdir(saved.parent)
    assert re.search(expected, refusal(f"evaluate {flags}"))


# export.py


def test_export_writes_what_the_model_gives(command, saved, digits, tmp_path):
    _, x, _ = digits
    model = kprune.prune(keras.models.load_model(saved), "magnitude", 0.75)
    model.save(tmp_path / "pruned.keras")
    out = tmp_path / "served"
    command("export", model=tmp_path / "pruned.keras", out=out)
    loaded = tf.saved_model.load(str(out))
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-5)


def test_export_quantizes_for_litert(command, saved, tmp_path, capsys):
    out = tmp_path / "model.tflite"
    command("export", model=saved, out=out, quantize="int8", data="digits")
    assert "dense int8" in capsys.readouterr().out
    assert runtimes.open(out).inputs[0][1] == (None, 8, 8, 1)


def test_a_packed_model_is_a_model_to_every_command(command, saved, tmp_path):
    command("export", model=saved, out=tmp_path / "a.kpz")
    command("export", model=tmp_path / "a.kpz", out=tmp_path / "b.keras")
    one, other = map(keras.models.load_model, (saved, tmp_path / "b.keras"))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "out, flags, expected",
    [
        ("a.tflit", {}, "ends in .keras, .kpz, .tflite"),
        ("a.tflite", {"format": "keras"}, "ends in .keras, for the format"),
        ("a.tflite", {"format": "lite"}, "Did you mean 'litert'"),
        ("a.kpz", {"quantize": "int8"}, "cannot be quantized"),
        ("a.tflite", {"quantize": "int8"}, "needs `representative_data`"),
    ],
)
def test_export_refuses(out, flags, expected, refusal, saved, tmp_path):
    text = refusal("export", model=saved, out=tmp_path / out, **flags)
    assert expected in text
    assert list(tmp_path.iterdir()) == []


def test_export_replaces_nothing(refusal, saved, tmp_path):
    (tmp_path / "mine").touch()
    assert "is occupied" in refusal("export", model=saved, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
