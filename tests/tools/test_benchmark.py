"""The benchmark and what it measures with, in the small."""

import json
import os
import sys

import keras
import numpy as np
import pytest

import kprune

SMALL = ("--networks=lenet_300_100", "--batch_size=8", "--repeats=2")


@pytest.fixture
def measured(study, capsys, rows):
    """Returns a function to the lines that the benchmark prints."""

    def call(*arguments):
        study("benchmark", *arguments)
        return rows(capsys.readouterr().out)[1:]

    return call


def test_rows_are_found_by_name_and_timed(measured):
    chosen = "--rows=snip,force,synflow,synflow_round,prospr"
    found = measured(*SMALL, chosen, "--nomemory", "--repeats=1")
    assert [row[0].split(" /")[0] for row in found] == [
        "snip scores",
        "FORCE T = 60, all",
        "SynFlow T = 100, all",
        "SynFlow, a round of 100",
        "ProsPr M = 3",
        "ProsPr M = 3, unrolled",
        "ProsPr M = 16",
    ]
    assert [row[3] for row in found][1] == "<= 66"
    assert all(float(row[1].removesuffix(" x")) > 0 for row in found)
    assert not any("GB" in row[4] for row in found)


def test_nothing_is_traced_after_the_first_round(measured):
    force, synflow = measured(*SMALL, "--rows=traces")
    assert force[0].startswith("traced after round 1 of 60, force")
    assert synflow[0].startswith("traced after round 1 of 100, synflow")
    for row in (force, synflow):
        assert row[1] == "0.00 times"
        assert int(row[4].removeprefix("in round 1: ")) > 0


def test_the_memory_of_one_scoring(study, capsys):
    study("benchmark", *SMALL, "--memory_of=prospr_3")
    before, most = json.loads(capsys.readouterr().out)
    # 266,200 weights and as many gradients, 4 bytes each, are the least.
    assert most > 2 * 4 * 266_200
    assert before <= most


def test_exported_files_over_those_of_the_dense(measured, part, monkeypatch):
    rows = part("benchmark.deployment_rows")
    chosen = [case for case in rows.CASES if case.network == "784-300-100-10"]
    monkeypatch.setattr(rows, "CASES", chosen[::2])
    monkeypatch.setattr(rows, "PACKED", {})
    found = measured("--rows=deployment", "--repeats=1")
    sizes = [row for row in found if row[0].endswith("smaller")]
    assert len(found) == 2 * len(sizes) == 6
    for row in sizes:  # By files, which no load of the machine changes.
        least = float(row[3].removeprefix(">= "))
        assert float(row[1].removesuffix(" x")) >= least, row


def test_the_overhead_of_many_layers(measured):
    found = measured("--rows=overhead", "--layers=3", "--repeats=1")
    assert [row[0] for row in found] == [
        f"overhead, 3 layers: {call} / building"
        for call in ("prune", "strip", "report", "shrink")
    ]
    for row in found:
        ratio = float(row[1].removesuffix(" x"))
        assert ratio > 0 and row[3] == "<= 1"
        assert row[2] == f"{ratio:.2f} to {ratio:.2f}"


def test_an_unknown_row_is_answered(refused):
    said = refused("benchmark", *SMALL, "--rows=snipp")
    assert "Did you mean 'snip'" in said


def test_a_row_has_the_median_and_the_middle_half(part):
    # Of 0 to 4, the quartiles are 1 and 3.
    one = part("benchmark.measurements").measured(
        "what", np.arange(5.0), "<= 3"
    )
    assert one.cells() == ["what", "2.00 x", "1.00 to 3.00", "<= 3", ""]


def test_the_counter_of_traces_counts(part):
    scorings = part("benchmark.scorings")
    layer = scorings.TracedCalls()
    before = layer.count
    layer(np.ones((1, 2)))
    assert scorings.TracedCalls.count == before
    model = keras.Sequential([keras.layers.Input((2,)), layer])
    before = layer.count
    for size in (1, 2):
        model.predict(np.ones((size, 2)), verbose=0)
    assert scorings.TracedCalls.count > before


def test_the_row_of_shrunk_networks(measured):
    network = "--shrunk_networks=lenet_300_100"
    lines = measured("--rows=shrink", network, "--repeats=2")
    found = {row[0]: row for row in lines}
    # 784 x 300 + 300 x 100 + 100 x 10 and the biases; 150 and 50 are left.
    row = found["shrink, lenet_300_100: parameters"]
    counts = "266,610 to 125,810"
    assert row[1:] == ["2.12 x", "2.12 to 2.12", "reported", counts]
    assert list(found)[4:7] == [
        "shrink, lenet_300_100: inference, batch 1",
        "shrink, lenet_300_100: inference, batch 32",
        "shrink, lenet_300_100: training step, batch 32",
    ]
    assert all(float(row[1].removesuffix(" x")) > 0 for row in found.values())


def test_what_snip_cuts_off(part):
    dense, small = part("benchmark.removals").compacted()
    assert dense.count_params() == 266_610
    # All 784 pixels go in, and 5 % of the weights are the least that stays.
    assert small.input_shape == dense.input_shape
    assert 13_310 < small.count_params() < 266_610 / 2


def test_lite_computes_as_the_model_does(part):
    pytest.importorskip("tensorflow.lite")
    model = kprune.models.fc((4,), input_shape=(8, 8, 1), seed=0)
    run = part("benchmark.removals").lite(model)
    interpreter = run.__self__
    (given,) = interpreter.get_input_details()
    (taken,) = interpreter.get_output_details()
    run()
    x = interpreter.get_tensor(given["index"])
    assert x.shape == (1, 8, 8, 1)
    np.testing.assert_allclose(
        interpreter.get_tensor(taken["index"]), model(x), rtol=1e-4, atol=1e-5
    )


def test_whole_calls_are_told_apart_from_a_fresh_process(measured):
    later, first = measured(*SMALL, "--rows=calls", "--calls=snip")
    assert later[0] == "snip, later calls / a step, lenet_300_100"
    assert first[0].startswith("snip, first call - first step")
    assert (later[3], first[3]) == ("<= 2.5", "<= 5")
    for part in ("copy and wrap", "compute", "choose", "set masks"):
        assert part in later[4] and part in first[4]
    assert "trace" not in later[4] and "GB" in first[4]


def test_calls_are_timed_beside_those_of_other_code(measured, tmp_path):
    script = tmp_path / "other code.py"
    script.write_text(
        "import json, sys\n"
        'assert sys.argv[1:] == ["snip", "lenet_300_100", "8", "2"]\n'
        'print(json.dumps({"first": 1e-9, "later": [1e3, 1e3]}))\n'
    )
    beside = f"--beside={sys.executable} '{script}'"
    how = "--rows=calls", "--calls=snip", "--processes=2", beside
    *_, later, first = measured(*SMALL, *how)
    assert later[0] == "snip, later calls / the other code's, lenet_300_100"
    assert first[0] == "snip, first calls / the other code's, lenet_300_100"
    # Theirs takes a nanosecond, and then a quarter of an hour.
    assert float(first[1].removesuffix(" x")) > 1e3
    assert float(later[1].removesuffix(" x")) < 1
    for row in (later, first):
        assert row[3] == "<= 1" and row[4].endswith(", 2 pairs")


def test_of_parts_within_each_other_the_inner_one_counts(part, monkeypatch):
    calls = part("benchmark.calls")
    clock = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(calls.time, "perf_counter", lambda: next(clock))
    watch = calls.Stopwatch()
    with watch.part("rest"), watch.part("copy"):
        pass
    assert watch.times == {"rest": 1.0 + 4.0, "copy": 2.0}


def test_a_sensitivity_over_its_forward_passes(measured):
    (row,) = measured(*SMALL, "--rows=sensitivity", "--repeats=1")
    # 3 layers at nine levels, and the model as it is.
    assert row[0].startswith("sensitivity, 28 passes over 4 batches")
    assert row[3] == "<= 1.3"
    assert float(row[1].removesuffix(" x")) > 0


def test_transformers_pruned_in_one_shot(measured):
    found = measured(
        "--rows=one_shot", "--transformers=tiny,tiny", "--sequences=8"
    )
    ways = ["Wanda, tiny, masks", "Wanda, tiny, inplace", "Wanda, tiny, copy"]
    assert [row[0] for row in found] == [
        f"{way}: {what}"
        for way in [*ways, "SparseGPT, tiny, masks"]
        for what in ("peak memory / the model", "time / a forward pass")
    ]
    assert [row[3] for row in found[:2]] == ["<= 1.5", "<= 3"]
    assert all(float(row[1].removesuffix(" x")) > 0 for row in found)


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK),
    reason="This system does not let a process forget its peak.",
)
def test_what_was_held_before_is_no_part_of_a_peak(part):
    one_shot, memory = (
        part(name) for name in ("benchmark.one_shot", "kprune.runtime.memory")
    )
    before = memory.peak()
    big = np.ones(32_000_000)
    assert memory.peak() > before + 200e6
    del big
    one_shot._begin_anew()
    assert memory.peak() < before + 100e6


def test_the_large_transformer_has_a_hundred_million_parameters(part):
    one_shot = part("benchmark.one_shot")

    def count(name):
        words, width, depth = vars(one_shot.SIZES[name]).values()
        block = 12 * width**2 + 13 * width
        return depth * block + 2 * words * width + words + 64 * width

    model, _ = one_shot.setting("tiny", 1)
    assert model.count_params() == count("tiny")
    assert 1e8 < count("large") < 1.01e8
