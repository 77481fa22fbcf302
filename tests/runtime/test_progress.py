"""How many passes are to come, of each kind."""

from kprune.runtime.progress import Progress


def test_passes_of_other_kinds_are_not_expected_of_a_kind():
    progress = Progress(rounds=2)
    progress.expect(4, "gradient")
    progress.expect(3, "hvp")
    assert progress.expected("gradient") == 8
    assert progress.expected("hvp") == 6
    for _ in range(7):
        progress.begin_pass(1)
        progress.batch_done()
    assert progress.expected("hvp") == 6
    progress.round_done()
    assert progress.expected("hvp") == 6  # As in the round before.
    progress.expect(4, "gradient")
    progress.expect(3, "hvp")
    assert progress.expected("gradient") == 8


def test_a_pass_of_no_kind_may_be_of_any():
    progress = Progress()
    progress.expect(2)
    progress.begin_pass(3)
    assert progress.expected("value") == progress.expected("hvp") == 3
