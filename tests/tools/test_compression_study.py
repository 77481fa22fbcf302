"""The study of compressed networks."""

import pytest
from networks import conv_net

import kprune


def row(seed, **changed):
    values = {"network": "net", "target": "flops", "seed": seed, "met": True}
    values |= {"dense": 90.0, "left": 0.5, "size": 0.5, "epochs": 4}
    return {**values, "compress": 89.0, "one_shot": 88.0, "gradual": 87.0} | (
        changed
    )


def test_the_table_is_of_points_lost(part):
    unknown = {"one_shot": None, "gradual": None}
    rows = [row(0, gradual=None), row(1, compress=90.0, met=False, **unknown)]
    *_, line = part("compression.results").table(rows).splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["net", "flops", "1 of 2"]
    # (-1 + 0) / 2, and the standard deviation of both.
    assert cells[6] == "-0.50 \u00b1 0.71"
    assert cells[7:] == ["-2.00", "n/a"]


def test_times_measured_again_are_held_against_the_middle_half(part):
    known = {"spread": [0.4, 0.5], "size": 0.45, "target": "latency"}
    rows = [row(0, again=None), row(1, again=0.48, **known)]
    rows.append(row(2, again=0.51, **known))
    times = part("compression.results").times
    _, _, *lines = times(rows).splitlines()
    assert [line.split("|")[-2].strip() for line in lines] == ["yes", "no"]
    assert times(rows[:1]) is None


def test_a_panel_shows_candidates_and_the_other_ways(part):
    found = row(
        3,
        candidates=[[0.5, 0.89], [1.0, 0.9]],
        held_out={"one_shot": 88.5, "gradual": None},
    )
    (panel,) = part("compression.results").panels([found])
    candidates, one_shot = panel.lines
    assert candidates.x == [100, 50]
    assert candidates.y == [90, 89]
    assert (one_shot.x, one_shot.y) == ([50], [88.5])
    assert panel.title == "net, flops"


def test_the_share_of_channels_that_leaves_half(part):
    model = conv_net(norm=False)
    share = part("compression.subject").share_of_channels(model, 0.5, rounds=5)
    pruned = kprune.prune(
        model,
        "magnitude",
        share,
        granularity="channel",
        allocation="uniform",
        min_kept=1,
    )
    found = kprune.report(pruned, paths=False)
    assert found.sparse_multiply_adds <= 0.5 * found.multiply_adds
    assert found.sparse_multiply_adds > 0.2 * found.multiply_adds


@pytest.mark.slow
def test_the_quick_form_prints_a_row(study, tmp_path, capsys):
    study(
        "compression",
        "--quick",
        "--networks=lenet5",
        "--targets=flops",
        "--max_drop=100",
        f"--workdir={tmp_path}",
    )
    assert "| lenet5 | flops |" in capsys.readouterr().out
