"""ProsPr: the adjoint is exact, the steps are those of training."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from networks import CE, conv_net, examples, sequential

import kprune
from kprune.pruning.criteria.prospr import prospr
from kprune.runtime import disk_list, memory
from kprune.scoring import tapes
from kprune.scoring.objective import Objective


def data(count=6):
    x, y = examples(8 * count, 6, 6, 2, seed=1)
    return list(zip(np.split(x, count), np.split(y, count), strict=True))


def score(model, count=6, scoring=None, **options):
    given = {"data": data(count), "loss": CE, "scoring": scoring}
    return kprune.score(model, "prospr", **given, **options)


def error(one, other):
    largest = max(np.abs(s).max() for s in other.values())
    return max(np.abs(one[n] - s).max() for n, s in other.items()) / largest


def test_the_adjoint_is_backpropagation_through_the_steps():
    model = conv_net()
    options = {"inner_steps": 3, "inner_momentum": 0.9}
    adjoint = score(model, **options)
    unrolled = score(model, unrolled=True, **options)
    assert error(adjoint, unrolled) < 1e-5
    assert error(score(model, first_order=True, **options), unrolled) > 1e-2


def test_rates_may_be_any_real_numbers():
    model = conv_net()
    one, other = (
        score(model, inner_steps=2, inner_learning_rate=x, inner_momentum=x)
        for x in (Fraction(1, 4), 0.25)
    )
    assert error(one, other) == 0


def test_without_steps_it_is_snip():
    model = conv_net()
    none = score(model, count=1, inner_steps=0)
    snip = kprune.score(model, "snip", data=data(1), loss=CE)
    assert error(none, snip) == 0
    again = score(model, count=1, inner_steps=0, unrolled=True)
    assert error(again, none) < 1e-6


@pytest.mark.parametrize("method", ["force", "iter_snip"])
def test_force_and_iter_snip_of_one_round_are_snip(method):
    model = conv_net()

    def masks(method, **options):
        given = {"data": data(1), "loss": CE, "verbose": 0, **options}
        return kprune.get_masks(kprune.prune(model, method, 0.9, **given))

    snip = masks("snip")
    assert kprune.masks.overlap(masks(method, rounds=1), snip) == 1
    assert kprune.masks.overlap(masks(method, rounds=4), snip) < 1


def test_biases_and_batch_norm_make_the_inner_steps_too():
    model = conv_net()
    others = {
        name.split("/")[-1] for name in Objective(model, data(2), CE).others
    }
    assert others == {"gamma", "beta", "bias"}
    # Frozen, they stay, and the scores are others.
    free = score(model, inner_steps=1)
    for variable in model.trainable_variables:
        variable.trainable = variable.name == "kernel"
    assert Objective(model, data(2), CE).others == {}
    assert error(score(model, inner_steps=1), free) > 1e-3


@pytest.mark.slow
def test_inner_steps_take_fresh_batches_or_all_each_time():
    model, batches = conv_net(), data(3)

    def steps(batches, **options):
        given = {"data": batches, "loss": CE, "inner_steps": 2, **options}
        return kprune.score(model, "prospr", **given)

    fresh = steps(batches)
    a, b, c = batches
    assert error(steps([a, b, c, a]), fresh) == 0  # Only three are needed.
    assert error(steps([a, b]), steps([a, b, a])) == 0  # They start over.
    assert error(steps([a, c, b]), fresh) > 1e-3
    same = steps([a], fresh_batches=False)
    assert error(steps([a, a, a]), same) == 0
    whole = [tuple(np.concatenate(p) for p in zip(a, b, strict=True))]
    moving = {"batch_norm": "eval"}
    both = steps([a, b], fresh_batches=False, scoring=moving)
    assert error(steps(whole, scoring=moving), both) < 1e-5


@pytest.mark.slow
def test_the_released_code_takes_the_first_velocity_for_a_constant():
    model = conv_net()
    one = {"inner_steps": 1, "inner_momentum": 0.9}
    # With one step nothing of second order is left.
    detached = score(model, detached=True, **one)
    assert error(detached, score(model, first_order=True, **one)) == 0
    two = {"inner_steps": 2, "inner_momentum": 0.9}
    detached = score(model, detached=True, **two)
    assert error(detached, score(model, **two)) > 1e-2
    unrolled = score(model, detached=True, unrolled=True, **two)
    assert error(detached, unrolled) < 1e-5
    # Without momentum there is no such defect.
    plain = score(model, inner_steps=2)
    assert error(score(model, inner_steps=2, detached=True), plain) == 0


def test_a_pruned_weight_stays_pruned_in_the_inner_steps():
    objective = Objective(kprune.prune(conv_net(), "random", 0.5), data(2), CE)
    seen = []
    gradient = objective.gradient

    def spy(w, temperature=None):
        seen.append(w)
        return gradient(w, temperature)

    objective.gradient = spy
    given = objective, objective.weights, objective.masks
    options = {"inner_steps": 2, "fresh_batches": False}
    scores = prospr(*given, **options)
    assert len(seen) == 3
    for w in seen:
        for name, mask in objective.masks.items():
            assert not np.asarray(w[name])[~mask].any()
    moved = np.abs(np.asarray(seen[2]["fc2/kernel"] - seen[0]["fc2/kernel"]))
    assert moved.max() > 0
    unrolled = prospr(*given, **options, unrolled=True)
    assert error(scores, unrolled) < 1e-5


def test_the_points_of_the_steps_may_lie_on_disk(monkeypatch):
    model = conv_net()
    in_memory = score(model, inner_steps=4)
    monkeypatch.setattr(disk_list.Spool.__init__, "__defaults__", (0,))
    assert error(score(model, inner_steps=4), in_memory) == 0


def test_structured_prospr_ranks_channels_by_the_sum_with_its_sign():
    model, options = conv_net(), {"inner_steps": 1}
    given = {"data": data(2), "loss": CE, "structured": True, **options}
    masks = kprune.get_masks(kprune.prune(model, "prospr", 0.5, **given))
    signed = score(model, count=2, signed=True, **options)
    conv = np.abs(signed["conv/kernel"].sum((0, 1, 2)))
    fc = np.abs(signed["fc1/kernel"].sum(0))
    border = np.sort(np.concatenate([conv, fc]))[6]  # Of 4 + 8.
    kept = masks["conv/kernel"].any((0, 1, 2))
    np.testing.assert_array_equal(kept, conv >= border)
    np.testing.assert_array_equal(masks["fc1/kernel"].any(0), fc >= border)
    np.testing.assert_array_equal(masks["fc2/kernel"].all(1), fc >= border)


BUDGETS = {0: 1, 2**40: 4, None: 4}  # How many of four steps are kept.


@pytest.mark.parametrize("scoring", [None, {"compiled": False}])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("budget", BUDGETS)
def test_as_many_tapes_as_fit_give_the_same_bits(
    budget, momentum, scoring, monkeypatch, caplog
):
    monkeypatch.setattr(memory, "free", lambda: 2**42)
    model, options = conv_net(), {"inner_steps": 4, "inner_momentum": momentum}
    # Derivatives that are not traced, and no tape.
    given = {"scoring": {"compiled": False}, "unrolled": False}
    adjoint = score(model, **given, **options)
    with caplog.at_level("INFO", logger="absl"):
        found = score(model, scoring=scoring, budget=budget, **options)
    assert error(found, adjoint) == 0
    assert f"tapes of {BUDGETS[budget]} of 4 inner steps" in caplog.text


@pytest.mark.parametrize(
    "scoring, inner_steps", [({"compiled": True}, 2), (None, 11)]
)
def test_what_is_traced_keeps_no_tape(scoring, inner_steps, caplog):
    given = {"scoring": scoring, "inner_steps": inner_steps}
    model = sequential((4,), keras.layers.Dense(3), seed=0)
    given = {"data": examples(8, 4), "loss": CE, **given}
    with caplog.at_level("INFO", logger="absl"):
        found = kprune.score(model, "prospr", budget=2**40, **given)
    assert "tapes" not in caplog.text
    adjoint = kprune.score(model, "prospr", unrolled=False, **given)
    assert error(found, adjoint) == 0


def test_tapes_that_turn_out_too_large_are_given_up(monkeypatch):
    def kept(count, budget, size):
        """Returns which of some steps keep a tape of a size."""
        found = list(range(count))

        def held():
            return size * sum(isinstance(x, tapes.Taped) for x in found)

        monkeypatch.setattr(memory, "held", held)
        keeping = tapes.Tapes(count, budget)
        for number in range(count):
            keeping.keep(found, number)
        return [n for n, x in enumerate(found) if isinstance(x, tapes.Taped)]

    assert kept(3, budget=100, size=60) == [2]  # Two would be too many.
    assert kept(3, budget=120, size=60) == [0, 2]
    assert kept(7, budget=59, size=10) == [0, 1, 2, 3, 6]
    assert kept(7, budget=0, size=10) == [6]
    assert kept(1, budget=0, size=10) == [0]


def test_where_gradients_are_scaled_no_tape_is_kept():
    layers = [keras.layers.Dense(3, dtype="mixed_float16")]
    model = sequential((4,), *layers, seed=0)
    given = {"data": examples(8, 4), "loss": CE, "inner_steps": 2}
    given["scoring"] = {"precision": "policy"}
    expected = kprune.score(model, "prospr", unrolled=False, **given)
    given.update(unrolled="auto", budget=2**40)
    assert error(kprune.score(model, "prospr", **given), expected) == 0
    with pytest.raises(ValueError, match="a boolean, or 'auto'"):
        score(model, unrolled=1)


def test_free_memory_is_that_of_the_machine_or_the_container(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert memory.free() is None and memory.held() > 2**10
    lines = "MemTotal: 9 kB\nMemAvailable:    2048 kB\n"
    (tmp_path / "meminfo").write_text(lines)
    assert memory.free() == 2**21
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, left in (("max", 2**21), ("9000", 8000), ("900", 0)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert memory.free() == left
