"""The study of structure on a small network and the digits."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import pathlib
import shutil

import numpy as np
import pytest
from networks import CE

import kprune
import kprune_command

ROOT = pathlib.Path(__file__).parents[2]
TINY = [
    "--network=conv2",
    "--dataset=digits",
    "--batch_size=32",
    "--sparsities=0.99,0.9",
    "--rounds=3,2",
]
METHODS = "--methods=snip,snip_mb,iter_snip,force,iter_snip_linear,grasp"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of all cells, and what the study printed."""
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    arguments = [f"--workdir={workdir}", *TINY, METHODS]
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools" / "studies")
        with contextlib.redirect_stdout(printed):
            kprune_command.run("structure.run", arguments)
    return workdir, printed.getvalue()


def cell(workdir, name):
    return json.loads((workdir / f"{name}-seed0.json").read_text())


def test_it_writes_cells_and_prints_tables_and_claims(finished):
    workdir, out = finished
    # dense; 3 of one round and 3 iterated ones with 2 and 3, at 2 sparsities.
    assert "[19/19]" in out
    assert len(list(workdir.glob("*-seed0.npz"))) == 19
    assert "| Iter-SNIP, 3 |" in out
    # One seed decides nothing.
    assert "**undecided**, p = 1:" in out
    assert "**true**" not in out and "**false**" not in out
    drawn = importlib.util.find_spec("matplotlib") is not None
    assert (workdir / "structure.svg").exists() == drawn
    masks = kprune.masks.load(workdir / "snip-0.9-batches1-seed0.npz")
    record = cell(workdir, "snip-0.9-batches1")
    total = sum(mask.size for mask in masks.values())
    assert sum(record["kept"].values()) == round(0.1 * total)
    assert record["kept"] == {n: int(m.sum()) for n, m in masks.items()}


def test_cells_are_those_of_the_library(finished):
    workdir, _ = finished
    model = kprune.models.conv2(
        input_shape=(8, 8, 1), initializer="kaiming_normal", seed=0
    )
    train, _ = kprune.datasets.load("digits", 32, seed=0, drop_remainder=True)
    batches = list(train.as_numpy_iterator())
    # The first two batches are kept for measuring.
    options = {"rounds": 3, "scoring": {"batches": 1}}
    pruned = kprune.prune(
        model, "iter_snip", 0.9, data=batches[2:], loss=CE, **options
    )
    own = kprune.get_masks(pruned)
    cells = kprune.masks.load(workdir / "iter_snip-0.9-batches3-seed0.npz")
    assert kprune.masks.overlap(own, cells) == 1
    objective = kprune.Objective(model, batches[:2], CE)
    gradient = objective.gradient(kprune.masks.apply(own, objective.weights))
    kept = {name: gradient[name].numpy()[mask] for name, mask in own.items()}
    norm = np.sqrt(sum(np.square(g).sum() for g in kept.values()))
    record = cell(workdir, "iter_snip-0.9-batches3")
    assert record["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    saliency = sum(
        np.abs(g * objective.weights[name].numpy()[own[name]]).sum()
        for name, g in kept.items()
    )
    assert record["saliency"] == pytest.approx(saliency, rel=1e-5)


def test_what_is_done_is_not_done_again(finished, study, capsys):
    workdir, out = finished
    before = {p: p.stat().st_mtime_ns for p in workdir.glob("*.json")}
    (workdir / "snip-0.9-batches1-seed0.json").unlink()
    study("structure", *TINY, METHODS, f"--workdir={workdir}")
    again = capsys.readouterr().out
    assert again.count(" s\n") == 1
    assert again[again.index("Layers of") :] == out[out.index("Layers of") :]
    after = {p: p.stat().st_mtime_ns for p in workdir.glob("*.json")}
    assert [p.name for p in before if after[p] != before[p]] == [
        "snip-0.9-batches1-seed0.json"
    ]


def test_the_directory_of_another_network_is_refused(finished, refused):
    arguments = ("--network=conv4", f"--workdir={finished[0]}", *TINY[1:])
    said = refused("structure", *arguments)
    assert "network: 'conv2' there, 'conv4' here" in said


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--methods=iter_snipp", "Did you mean 'iter_snip'"),
        ("--sparsities=0.9,1.5", "['0.9', '1.5']"),
        ("--rounds=0", "['0']"),
    ],
)
def test_a_typing_error_is_answered(flag, expected, refused, tmp_path):
    workdir = tmp_path / "run"
    assert expected in refused("structure", *TINY, flag, f"--workdir={workdir}")
    assert not workdir.exists()


def test_without_matplotlib_it_says_what_to_install(
    finished, study, tmp_path, monkeypatch, capsys
):
    cells = shutil.ignore_patterns("*.svg")
    workdir = shutil.copytree(finished[0], tmp_path / "run", ignore=cells)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    study("structure", *TINY, METHODS, f"--workdir={workdir}")
    out = capsys.readouterr().out
    assert "kprune[plots]" in out
    assert "| SNIP |" in out
    assert not (workdir / "structure.svg").exists()


def written(directory, of_seeds):
    """Writes cells of two layers of 100 weights each, and returns their paths.
    `of_seeds` are saliencies by method, a list over the seeds."""
    paths = []
    for method, values in {"dense": [1.0, 2.0, 4.0], **of_seeds}.items():
        for seed, value in enumerate(values):
            dense = method == "dense"
            record = {
                "seed": seed,
                "method": method,
                "sparsity": 0.0 if dense else 0.99,
                "batches": 0 if dense else 1,
                "saliency": value,
                "gradient_norm": value,
                "kept": {"a_1/kernel": 1, "b/kernel": 1},
                "size": {"a_1/kernel": 100, "b/kernel": 100},
            }
            paths.append(directory / f"{method}-{seed}.json")
            paths[-1].write_text(json.dumps(record))
    return paths


@pytest.fixture
def verdicts(part, rows, tmp_path):
    """Returns a function to the verdicts on the claims that a test picks."""

    def call(of_seeds, claims):
        results = part("structure.results").Results(written(tmp_path, of_seeds))
        table = part("structure.verdicts").table(results, "vgg", claims)
        return [row[1].split(",")[0].strip("*") for row in rows(table)[1:]]

    return call


@pytest.fixture
def saliency_claim(part):
    """Returns a function to the claims that have some words."""
    claims = part("structure.claims").CLAIMS
    return lambda words: [c for c in claims if words in c.text]


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        # Over the dense network's .50, .51, .49 against .30, .30, .29.
        ([0.50, 1.02, 1.96], "true"),
        ([0.10, 0.20, 0.41], "false"),
        # The third seed is the other way round.
        ([0.50, 1.02, 1.10], "undecided"),
    ],
)
def test_seeds_decide_a_claim(verdicts, saliency_claim, own, verdict):
    rivals = {"snip": [0.0, 0.0, 0.0], "grasp": [0.30, 0.61, 1.16]}
    only = saliency_claim("more of the saliency than")
    assert verdicts({**rivals, "iter_snip": own}, only) == [verdict]


def test_near_is_a_tenth_by_two_tests(verdicts, saliency_claim):
    only = saliency_claim("rounds change the saliency")
    snip = [0.30, 0.60, 1.20]
    for factors, verdict in (
        ((1.01, 1.0, 1.02), "true"),
        ((1.3, 1.31, 1.32), "false"),
        ((1.2, 1.0, 0.8), "undecided"),
    ):
        own = [a * b for a, b in zip(snip, factors, strict=True)]
        assert verdicts({"snip": snip, "iter_snip": own}, only) == [verdict]


def test_more_verdicts_make_each_weaker(verdicts, saliency_claim):
    only = saliency_claim("more of the saliency than")
    of = {
        "snip": [0.0, 0.0, 0.0],
        "grasp": [0.30, 0.61, 1.16],
        "iter_snip": [0.50, 1.03, 1.90],
    }
    assert verdicts(of, only) == ["true"]
    many = [dataclasses.replace(only[0], text=str(i)) for i in range(40)]
    assert set(verdicts(of, many)) == {"undecided"}
