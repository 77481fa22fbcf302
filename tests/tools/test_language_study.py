"""The study of language models on a network of a few hundred weights."""

import numpy as np

from kprune.runtime import files

QUICK = "--quick", "--sparsities=0.5,2:4", "--methods=magnitude,sparsegpt"


def test_it_measures_cells_once_and_checks_claims(
    study, rows, capsys, tmp_path
):
    workdir = tmp_path / "language"
    how = f"--workdir={workdir}", *QUICK
    study("language", *how, "--seeds=0")
    first = files.read_record(workdir / "seed0.json")
    # Dense; uniform at both; OWL at one, as N:M leaves nothing to share out.
    assert len(first) == 2 * (1 + 2 * (2 + 1))
    assert {cell["kept"] for cell in first.values()} == {0.5, 1.0}
    # What is not trained knows nothing: 95 or so characters, all alike.
    assert 60 < first["dense"]["perplexity"] < 150
    assert first["dense, tuned"] != first["dense"]
    assert first["sparsegpt, uniform, 0.5"] != first["magnitude, uniform, 0.5"]
    capsys.readouterr()
    study("language", *how, "--seeds=0")
    out = capsys.readouterr().out
    assert "seed 0, " not in out  # Nothing is measured again.
    assert files.read_record(workdir / "seed0.json") == first
    table = {tuple(row[:2]): row[2:] for row in rows(out)}
    figures = [
        f"{first[f'sparsegpt, uniform, {share}, tuned']['perplexity']:.2f}"
        for share in ("0.5", "2:4")
    ]
    assert table["sparsegpt", "uniform"] == figures
    assert table["sparsegpt", "owl"][1] == "as uniform"
    claims = [row for row in rows(out) if row[0].startswith("SparseGPT is")]
    assert [row[1] for row in claims] == 4 * ["not checked"]


def test_a_directory_of_other_sizes_is_refused(refused, part, tmp_path):
    directory = part("kprune.experiment.directory")
    directory.start(tmp_path, {"config": {"width": 3}})
    assert "width" in refused("language", f"--workdir={tmp_path}", *QUICK)
    said = refused("language", f"--workdir={tmp_path}", "--methods=wandas")
    assert "Did you mean 'wanda'" in said


def test_claims_are_true_false_or_undecided(part):
    task = part("one_shot.task")

    def verdict(pairs):
        return part("one_shot.claims").verdict(pairs, task.PERPLEXITY)

    worse = np.array([10.0, 11.0, 12.0])
    # Of the same seed 10 % lower, but for a little; or now and then.
    better = worse * [0.9, 0.901, 0.899]
    mixed = worse * [0.9, 1.1, 1.0]
    assert verdict({"a": (better, worse)})[0] == "true"
    assert verdict({"a": (worse, better)})[0] == "false"
    assert verdict({"a": (mixed, worse)})[0] == "undecided"
    both = {"a": (better, worse), "b": (mixed, worse)}
    answer, told = verdict(both)
    assert answer == "undecided" and "a -10.0 %" in told
    assert verdict({**both, "c": (worse, better)})[0] == "false"
    one = np.array([1.0]), np.array([2.0])
    assert verdict({"a": one})[0] == "undecided"


def test_the_end_of_the_text_is_held_out(part):
    text = part("language.text")
    found = text.read("abcab" * 18 + "abcde" * 2)
    assert len(found.train) == 90 and len(found.held_out) == 10
    # Those that the first part has not are one.
    assert found.characters[1:] == "abc"
    np.testing.assert_array_equal(found.held_out[:5], [1, 2, 3, 0, 0])
    x, y = text.windows(np.arange(11), 3)
    np.testing.assert_array_equal(x, [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(y, x + 1)
    assert len(text.windows(np.arange(100), 3, 5)[0]) == 5
    english = text.read()
    assert len(english.train) > 300_000 and 60 < len(english.characters) < 200


def test_no_step_sees_what_comes_after_it(part):
    model = part("language.network").gpt(9, 6, width=4, depth=2, heads=2)
    x = np.arange(6)[None] % 9
    changed = x.copy()
    changed[0, 4] = 8
    one, other = (np.asarray(model(z)) for z in (x, changed))
    np.testing.assert_allclose(one[:, :4], other[:, :4], rtol=1e-6)
    assert (np.abs(one - other)[:, 4:].max(axis=-1) > 1e-6).all()


def test_ways_of_nm_are_shared_out_in_one_way(part):
    ways = part("one_shot.ways")
    found = ways.ways(("ria",), ways.ALLOCATIONS, (0.3, "2:4"))
    keys = [way.key() for way in found]
    assert keys == ["ria, uniform, 0.3", "ria, uniform, 2:4", "ria, owl, 0.3"]
