"""`kprune.compare` over exported files and runtimes, and how it is shown."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
from exportable import MODELS
from keras import layers
from networks import conv_net, dense_net, examples, sequential

import kprune
from kprune.deploy.comparison import (
    Comparison,
    Row,
    agreement,
    memory,
    processes,
)
from kprune.deploy.comparison.layers import LayerRow
from kprune.scoring.batches import Batches

SLOW = pytest.mark.slow


def compare(*given, **options):
    return kprune.compare(*given, **{"verbose": 0, "repeats": 1, **options})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network and one of half its width, in several formats."""
    folder, found = tmp_path_factory.mktemp("files"), {}
    for name, units in (("a", 16), ("b", 8)):
        model = dense_net(units=units)
        for ending in (".keras", ".tflite", ".kpz"):
            found[name + ending] = folder / f"{name}{ending}"
            kprune.export(model, folder / f"{name}{ending}")
    return found


def names(found):
    return [row.name for row in found.rows]


SIZES = ["parameters", "multiply-adds per example", "file", "file, gzipped"]
TIMES = ["inference, batch 1", "inference, batch 32"]


def test_a_model_and_a_file_each_in_its_own_runtime(files, timed):
    found = compare(files["a.keras"], files["b.tflite"])
    assert names(found) == [*SIZES, *TIMES]  # A file cannot be trained.
    assert (found.before, found.after) == ("a.keras", "b.tflite")
    # 8 u + 4 u + 3 u + 3, of u = 16; of a file nothing is known.
    row = found["parameters"]
    assert (row.before, row.after, row.ratio) == (243, None, None)
    sizes = [files[name].stat().st_size for name in ("a.keras", "b.tflite")]
    assert [found["file"].before, found["file"].after] == sizes
    assert [row.after for row in found.layers] == [None, None]
    assert len(timed) == 2


@pytest.mark.parametrize("ending", [".keras", ".tflite", ".kpz"])
def test_two_files_of_a_kind(ending, files, timed):
    found = compare(files[f"a{ending}"], files[f"b{ending}"])
    assert found["file"].ratio > 1
    trains = ending != ".tflite"
    assert ("training step, batch 32" in names(found)) == trains
    assert found.cut_off == ()


def test_runtimes_are_compared_one_by_one(timed):
    models = dense_net(units=16), dense_net(units=8)
    found = compare(*models, runtimes=("keras", "litert"), batch_size=4)
    times = ["inference, batch 1", "inference, batch 4"]
    lite = [f"litert: {name}" for name in (*SIZES[2:], *times)]
    assert names(found) == [*SIZES, *times, "training step, batch 4", *lite]
    assert found["litert: file"].before < found["file"].before
    assert "litert: file, bytes" in str(found)


def test_a_file_of_a_fixed_batch(tmp_path, timed):
    # LiteRT has recurrent layers with a batch of one alone.
    model, data = MODELS["lstm"](), examples(7, 6, 4, classes=2)
    kprune.export(model, tmp_path / "one.tflite")
    found = compare(model, tmp_path / "one.tflite", data=data)
    assert names(found)[4:] == [TIMES[0], "accuracy", "agreement"]
    assert found["agreement"].after == 1
    assert "of 7 examples" in found.notes[-1]
    # As it is made of a model that takes any.
    found = compare(model, model, data=data, runtimes=["litert"])
    rows = [f"litert: {name}" for name in (*SIZES[2:], TIMES[0])]
    more = ["litert: accuracy", "litert: agreement"]
    assert names(found) == [*SIZES[:2], *rows, *more]
    assert "of 7 examples" in found.notes[-1]


def test_labels_give_accuracy_and_agreement(files, timed):
    x, y = examples(70, 8)
    found = compare(files["a.keras"], files["b.tflite"], data=(x, y))
    one, other = (
        kprune.load_packed(files[f"{name}.kpz"])(x).numpy().argmax(1)
        for name in "ab"
    )
    row = found["accuracy"]
    assert row.before == pytest.approx((one == y).mean())
    assert row.after == pytest.approx((other == y).mean())
    agreed = found["agreement"]
    assert (agreed.before, agreed.ratio) == (None, None)
    assert agreed.after == pytest.approx((one == other).mean())
    assert "Accuracy and agreement are of 70 examples." in found.notes
    assert f"{100 * row.before:.2f} %" in str(found)
    some = compare(
        files["a.keras"], files["b.tflite"], data=(x, y), most_examples=40
    )
    assert "of 40 examples" in some.notes[-1]
    assert some["accuracy"].before == pytest.approx((one == y)[:40].mean())


class Scores:
    """A side that gives set outputs, batch by batch."""

    def __init__(self, *outputs):
        self._outputs = iter(outputs)

    def predict(self, x):
        return [np.array(next(self._outputs))]


def agreed(one, other, y, most=100, **options):
    x = np.zeros((len(y), 1))
    batches = Batches((x, np.array(y)), 2)
    return agreement.measure(
        Scores(*one), Scores(*other), batches, most, **options
    )


def test_agreement_by_hand():
    nan = np.nan
    one = [[0.0, 1.0], [2.0, 1.0]], [[nan, 1.0], [3.0, 1.0]]
    other = [[0.0, 1.0], [1.0, 2.0]], [[nan, 1.0], [3.0, 1.0]]
    # Classes 1, 0, none, 0 and 1, 1, none, 0: what is no number is neither
    # right nor agreed on.
    found = agreed(one, other, [1, 0, 1, 1])
    assert dataclasses.astuple(found) == (4, 0.5, 0.25, 0.5)
    hot = agreed(one, other, [[0, 1], [1, 0], [0, 1], [0, 1]])
    assert hot == found
    assert agreed(one, other, [1, 0, 1, 1], most=3).examples == 3
    # What does not fill a batch of a fixed size is left out.
    assert agreed(one, other, [1, 0, 1], size=2).examples == 2


@pytest.mark.parametrize(
    "outputs, y",
    [
        ([[[1.0], [2.0]]], [0, 1]),  # One number is no row of scores.
        ([[[[1.0, 2.0]], [[1.0, 2.0]]]], [0, 1]),
        ([[[1.0, 2.0], [1.0, 2.0]]], [0.5, 1]),
        ([[[1.0, 2.0], [1.0, 2.0]]], [[0.5, 0.5], [1, 0]]),
    ],
)
def test_what_is_no_classification_has_no_accuracy(outputs, y):
    assert agreed(outputs, outputs, y) is None


def test_layer_by_layer(timed):
    model = conv_net(norm=False)
    pruned = kprune.prune(model, "magnitude", 0.5, allocation="uniform")
    small = conv_net(norm=False, units=4)
    found = compare(pruned, small)
    rows = {row.name: row for row in found.layers}
    # 3 x 3 x 2 x 4, at 4 x 4 places; half of it is kept.
    conv = LayerRow("conv/kernel", 72, 72, 36, 72, 1152, 1152)
    assert rows["conv/kernel"] == conv
    # 64 inputs of 8 and of 4 units.
    assert (rows["fc1/kernel"].before, rows["fc1/kernel"].after) == (512, 256)
    assert rows["fc1/kernel"].multiply_adds_after == 256


WRONG = {
    "other inputs": (
        lambda f: compare(f["a.tflite"], dense_net(inputs=5)),
        r"same inputs. Received: 'a.tflite' with float32 of shape \(None, 8\)",
    ),
    "no file": (
        lambda f: compare(f["a.keras"], "none.tflite"),
        "Expected `after` to be a keras.Model, or the path of a file",
    ),
    "an ending": (
        lambda f: compare(__file__, f["a.keras"]),
        "Unknown ending of a file",
    ),
    "a runtime": (
        lambda f: compare(f["a.keras"], f["b.keras"], runtimes=["tflite"]),
        "runtimes",
    ),
    "a runtime of neither": (
        lambda f: compare(f["a.tflite"], f["b.keras"], runtimes=["keras"]),
        "Expected `runtimes` that both can run in. Not compared in keras: "
        "a.tflite runs in litert alone",
    ),
    "data": (
        lambda f: compare(
            f["a.tflite"], f["b.tflite"], data=(np.ones((4, 5)), np.ones(4))
        ),
        "File 'a.tflite' does not take inputs of shape",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_compared_is_answered(name, files):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call(files)


def test_what_is_left_out_is_told(files, timed):
    runtimes = ("keras", "litert")
    found = compare(files["a.keras"], files["b.tflite"], runtimes=runtimes)
    told = "Not compared in keras: b.tflite runs in litert alone"
    assert told in found.notes and told in str(found)
    assert [name for name in names(found) if "litert" not in name] == SIZES[:2]


def shown():
    rows = (
        Row("parameters", 1000, 250, 4.0),
        Row("inference, batch 1", 2.0, 4.0, 0.5, (0.4, 0.6), "ms"),
        Row("accuracy", 0.75, 0.5, None, unit="share"),
        Row("agreement", None, 0.875, None, unit="share"),
    )
    layer = LayerRow("conv/kernel", 800, 200, 400, 200, 9000, 90)
    return Comparison("<a>", "b", rows, 5, (), (layer,), ("A & B.",))


def test_in_markdown():
    text = shown().to_markdown()
    assert "| Parameters | 1,000 | 250 | 4.00 x |  |" in text
    assert "| Accuracy | 75.00 % | 50.00 % |  |  |" in text
    assert "| Agreement |  | 87.50 % |  |  |" in text
    assert "| conv/kernel | 800 | 200 | 400 | 200 | 9,000 | 90 |" in text
    assert "\n- A & B." in text


def test_as_a_page():
    page = shown().to_html()
    assert "&lt;a&gt;" in page and "<a>" not in page
    assert "<li>A &amp; B.</li>" in page
    # The longer bar fills the cell: 1000 and 250, 2 and 4, 75 and 50.
    widths = [float(x) for x in re.findall(r"width: ([\d.]+)%\"", page)]
    assert widths == [100, 25, 50, 100, 100, 66.7, 100, 50]
    # It needs nothing beside itself.
    for word in ("http", "src=", "href=", "url(", "@import", "<script"):
        assert word not in page


@pytest.mark.parametrize("ending", [".html", ".md", ".json", ".txt"])
def test_it_is_saved_by_its_ending(ending, tmp_path):
    path = tmp_path / f"found{ending}"
    shown().save(path)
    text = path.read_text()
    ways = {
        ".html": shown().to_html(),
        ".md": shown().to_markdown() + "\n",
        ".txt": f"{shown()}\n",
    }
    if ending == ".json":
        assert json.loads(text) == json.loads(json.dumps(shown().to_dict()))
    else:
        assert text == ways[ending]
    with pytest.raises(ValueError, match="ending of a file"):
        shown().save(tmp_path / "found.pdf")


def test_memory_is_counted_beyond_what_was_there(files):
    if not memory._RESET.exists():
        pytest.skip("The system does not count it.")
    x = np.zeros((4, 8), "float32")
    with processes.children.inputs_file([x]) as given:
        taken = memory.taken(files["a.tflite"], given)
    assert isinstance(taken, int) and 0 <= taken < 1 << 30


def test_memory_that_is_not_known_is_told(timed, monkeypatch):
    monkeypatch.setattr(memory, "_PROGRAM", "raise ValueError('no such layer')")
    model = dense_net()
    found = compare(model, model, peak_memory=True)
    row = found["peak memory"]
    assert (row.before, row.after, row.ratio) == (None, None, None)
    assert found.notes[-1].endswith("is not known: ValueError: no such layer")


def test_inference_is_timed_in_new_processes():
    x = {name: keras.Input((4,), name=name) for name in "ab"}
    model = keras.Model(x, layers.Dense(2)(layers.Add()([x["a"], x["b"]])))
    found = compare(model, model, processes=2, batch_size=1, repeats=3)
    row = found["inference, batch 1"]
    assert 0 < row.spread[0] <= row.ratio <= row.spread[1]
    assert found.notes[-1] == "Inference was timed in 2 new processes."


def test_alternations_of_all_processes_count(files, monkeypatch):
    asked, times = [], [[[4, 6], [2, 2]], [[8, 9], [2, 3]]]

    def run(program, *args):
        asked.append((program, *args[:2], args[3]))
        return times.pop(0)

    monkeypatch.setattr(processes.children, "run", run)
    names = files["a.tflite"], files["b.keras"]
    found = compare(*names, processes=2, batch_size=1, repeats=2)
    assert asked == 2 * [(processes._PROGRAM, *names, 2)]
    row = found["inference, batch 1"]
    # Of the ratios 2, 3, 4, 3.
    assert (row.before, row.after, row.ratio) == (7000, 2000, 3)
    assert row.spread == (2.75, 3.25)


def test_what_a_new_process_measures(files):
    x = examples(4, 8)[0]
    with processes.children.inputs_file([x], [x]) as given:
        for name in ("b.tflite", "b.keras", "b.kpz"):
            both = processes.times(files["a.tflite"], files[name], given, "3")
            assert [len(times) for times in both] == [3, 3]
            assert min(map(min, both)) > 0


def test_a_file_that_no_new_process_can_load(monkeypatch):
    monkeypatch.setattr(processes, "_PROGRAM", "raise ValueError('no layer')")
    model = dense_net()
    with pytest.raises(ValueError, match=r"cannot be timed.*no layer"):
        compare(model, model, processes=1)


@SLOW
def test_peak_memory_is_that_of_a_process_of_its_own(timed):
    # 4 x 2048 x 2048 bytes of weights, and two small ones.
    large, small = (
        sequential((n,), layers.Dense(n), layers.Dense(2)) for n in (2048, 2048)
    )
    found = compare(large, small, runtimes=("litert",), peak_memory=True)
    row = found["litert: peak memory"]
    assert row.before > 4 * 2048**2 and 0.8 < row.ratio < 1.25
