"""Tables as Markdown and for a terminal."""

import pytest

from kprune.runtime import tables


def test_markdown_aligns_numbers_to_the_right():
    table = tables.markdown(["what", "of", "n"], [["a", "b", 1]], words=2)
    assert table == "| what | of | n |\n| --- | --- | ---: |\n| a | b | 1 |"


def test_a_terminal_gets_rules_and_no_blanks_at_line_ends():
    rows = [["a", "12", "[bold]x"], ["longer", "1,000", ""]]
    assert tables.terminal(["name", "n", "why"], rows, (0, 2)) == (
        "name        n  why\n"
        "----------------------\n"
        "a          12  [bold]x\n"
        "longer  1,000\n"
        "----------------------"
    )


def test_names_fold_after_a_slash_and_reasons_at_spaces():
    rows = [["a_stage_of_some/of_twenty_characters", "7", "as it was told"]]
    lines = tables.terminal(["name", "n", "why"], rows, (0, 2), 42).split("\n")
    assert lines[2:-1] == [
        "a_stage_of_some/         7  as it was told",
        "of_twenty_characters",
    ]


@pytest.mark.parametrize("colours", ["1", ""])
def test_numbers_stay_whole_and_without_colours(colours, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", colours)
    monkeypatch.setenv("TERM", "dumb")
    head, row = ["name", "number"], ["n" * 40, "9" * 30]
    lines = tables.terminal(head, [row], width=20).split("\n")
    assert lines[2] == "n" * 16 + "  " + "9" * 30
    assert [line.strip() for line in lines[3:-1]] == ["n" * 16, "n" * 8]


def test_the_mean_has_a_deviation_if_there_are_several():
    # 1, 2, 6: a mean of 3, and squares of 4 + 1 + 9 over 2, whose root is 2.65.
    assert tables.mean([1, 2, 6]) == "3.00 ± 2.65"
    assert tables.mean([1, 2, 6], 1, "+-") == "3.0 +- 2.6"
    assert tables.mean([4.25], 1) == "4.2"
