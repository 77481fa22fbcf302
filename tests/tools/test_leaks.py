"""What calls leave behind: quick forms of the study's rows."""

import threading

import pytest


@pytest.fixture
def leaks(part):
    return part("faults.leaks")


def test_prune_leaves_nothing_behind(leaks):
    model = leaks.network()
    by_keras = leaks.copy_by_keras(model)
    outcome = leaks.repeated("prune", leaks.prune_again(model), by_keras, 8)
    assert (outcome.failures, outcome.cases) == ([], 8)


def test_fit_with_a_callback_leaves_nothing_behind(leaks):
    pruned = leaks.kprune.prune(leaks.network(), sparsity=0.5, verbose=0)
    outcome = leaks.repeated("fit", leaks.fit(pruned, leaks.rigl), None, 6)
    assert outcome.failures == []


def test_what_is_left_behind_is_found(leaks):
    kept, over = [], threading.Event()

    def leave():
        kept.append(object)
        kept.append([kept])
        threading.Thread(target=over.wait, daemon=True).start()

    try:
        outcome = leaks.repeated("leave", leave, None, 4)
    finally:
        over.set()
    (line,) = outcome.failures
    assert "1 threads" in line and "Python objects" in line
