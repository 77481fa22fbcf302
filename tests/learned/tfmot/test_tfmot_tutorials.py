"""Scripts after the tutorials of TFMOT: what they lead to is looked at."""

import pathlib
import re
import runpy

import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent / "tutorials"
PAGE = pathlib.Path(__file__).parents[3] / "docs/how-to/migrating_from_tfmot.md"


def check_comprehensive_guide(ran):
    names = [layer.name for layer in ran["base_model"].layers]
    assert ran["whole_names"] == [f"prune_low_magnitude_{names[0]}", names[1]]
    assert ran["cloned_kinds"] == ["PruneLowMagnitude", "Flatten"]
    assert ran["own_weights"] == ["kernel", "bias"]
    assert ran["fit_sparsity"] == 0.5
    assert ran["loop_sparsity"] == 0.75
    assert ran["export_names"] == names
    assert ran["stripped_size"] < ran["wrapped_size"]


def check_pruning_with_keras(ran):
    kernels = [
        layer.get_weights()[0]
        for layer in ran["model_for_export"].layers
        if layer.get_weights()
    ]
    for kernel in kernels:
        assert abs(np.mean(kernel == 0) - 0.8) < 0.01
    assert ran["pruned_size"] < 0.6 * ran["baseline_size"]
    assert ran["pruned_model_accuracy"] > ran["baseline_model_accuracy"] - 0.2
    assert abs(ran["tflite_accuracy"] - ran["pruned_model_accuracy"]) < 0.03


def check_2_by_4(ran):
    fours = ran["dense_weights"].reshape(-1, 4)
    assert (np.count_nonzero(fours, axis=1) <= 2).all()
    assert np.count_nonzero(fours) == fours.size / 2
    by_name = {layer.name: layer for layer in ran["model"].layers}
    kernel = by_name["structural_pruning"].get_weights()[0]
    fours = np.moveaxis(kernel, -1, 0).reshape(-1, 4)
    assert (np.count_nonzero(fours, axis=1) == 2).all()
    kernel = by_name["pruning_sparsity_0_5"].get_weights()[0]
    assert np.mean(kernel == 0) == 0.5
    assert ran["pruned_model_accuracy"] > 0.5


def check_clustering(ran):
    assert ran["distinct"] == [16, 16]
    assert ran["clustered_size"] < 0.6 * ran["baseline_size"]
    lost = ran["baseline_model_accuracy"] - ran["clustered_model_accuracy"]
    assert lost < 0.05


def check_sparse_clustering(ran):
    assert ran["pruned_sparsity"] == ran["final_sparsity"] == [0.5, 0.5]
    assert max(ran["clustered_sparsity"]) < 0.5
    assert max(ran["distinct"]) <= 8
    assert ran["final_accuracy"] > 0.7


@pytest.mark.parametrize(
    ("script", "check"),
    [
        ("pruning_comprehensive_guide", check_comprehensive_guide),
        ("pruning_with_keras", check_pruning_with_keras),
        ("pruning_with_sparsity_2_by_4", check_2_by_4),
        ("clustering_example", check_clustering),
        ("sparse_clustering_example", check_sparse_clustering),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_tutorial_runs(script, check, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    check(runpy.run_path(str(HERE / f"{script}.py")))


@pytest.mark.filterwarnings("ignore")
def test_the_page_on_migrating_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    scope = {}
    exec(compile(code, PAGE.name, "exec"), scope)
    kernel = np.array(scope["plain"].layers[-1].kernel.value)
    assert abs(np.mean(kernel == 0) - 0.8) < 0.01
    for layer in scope["final"].layers[-3:]:
        assert len(np.unique(np.array(layer.kernel.value))) <= 16
    assert (tmp_path / "model.tflite").exists()
