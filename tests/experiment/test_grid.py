"""Which runs a sweep is of."""

import itertools

import pytest

from kprune import experiment
from kprune.experiment.sweep import grid

PAPER = {
    "results": [
        {"method": "snip", "sparsity": 0.9, "mean": 93.0},
        {
            "label": "SNIP-MB",
            "method": "snip",
            "options": {
                "pruner.batches": 7,
                "pruner.options.released_code": True,
            },
            "sparsity": 0.9,
            "mean": 94.0,
        },
    ]
}


def test_a_label_of_the_paper_is_a_method_with_settings():
    base = experiment.complete({"paper": PAPER})
    cells = grid.cells(base, ["snip", "SNIP-MB"], [0.9], [0])
    assert [cell.config.pruner.method for cell in cells] == ["snip", "snip"]
    assert [cell.config.pruner.batches for cell in cells] == [1, 7]
    assert cells[1].config.pruner.options.to_dict() == {"released_code": True}
    assert cells[0].name != cells[1].name


def test_a_dense_run_does_not_depend_on_how_others_prune():
    one = experiment.complete({"pruner": {"batches": 3, "rounds": 5}})
    other = experiment.complete({"paper": PAPER, "artifacts": True})
    (cell,) = grid.cells(one, ["dense"], [0.5, 0.9], [0])
    assert [cell.name] == [
        cell.name for cell in grid.cells(other, ["dense"], [0.9], [0])
    ]


def test_cells_are_without_saved_models():
    cells = grid.cells(experiment.default(), ["snip"], [0.9], [3], ["fc"])
    assert not cells[0].config.artifacts
    assert cells[0].config.model.name == "fc"
    assert cells[0].config.seed == 3


def test_the_papers_figures_are_of_its_own_network():
    result = {"method": "snip", "sparsity": 0.9, "mean": 95.5, "std": 0.2}
    base = experiment.complete(
        {"paper": {"source": "table 1", "results": [result]}}
    )
    for network, figures in ((base.model.name, [result]), ("fc", [])):
        (cell,) = grid.cells(base, ["snip"], [0.9], [0], [network])
        paper = cell.config.paper.to_dict()
        assert [r for r in paper["results"] if "mean" in r] == figures
        assert ("source" in paper) == bool(figures)


def test_checks_are_runs_of_their_own():
    base = experiment.default()
    plain = grid.cells(base, ["dense", "snip"], [0.9], [0])
    cells = grid.cells(
        base, ["dense", "snip"], [0.9], [0], checks=[None, "shuffle", "invert"]
    )
    several = ("dense-0", "snip-0.9", "snip-shuffle-0.9", "snip-invert-0.9")
    assert [cell.name.rsplit("-", 1)[0] for cell in cells] == [
        f"digits-lenet_300_100-{run}-seed0" for run in several
    ]
    assert [cell.name for cell in cells[:2]] == [cell.name for cell in plain]


def test_the_shards_are_the_whole_without_overlap():
    cells = list(range(10))
    parts = [grid.shard(cells, f"{i}/3") for i in range(3)]
    assert sorted(map(len, parts)) == [3, 3, 4]
    assert sorted(itertools.chain(*parts)) == cells
    assert grid.shard(cells, "11/12") == []
    for text in ("3/3", "one", "1/0", "-1/2"):
        with pytest.raises(ValueError, match="i from 0 to n - 1"):
            grid.shard(cells, text)
