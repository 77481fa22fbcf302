"""Learning rates take the courses of the papers, to the step."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kprune.training import learning_rates

SPECS = [
    {"name": "constant"},
    {"name": "step", "every": "3ep", "factor": 0.1},
    {"name": "multi_step", "at": ["2ep", "75%"], "factor": 0.1},
    {"name": "multi_step", "at": ["5it", 9], "factors": [0.2, 0.04]},
    {"name": "cosine"},
    {"name": "cosine", "warm_up": "1ep", "floor": 0.1},
    {"name": "asni_cosine", "delta": 0.02, "curve": "quarter"},
]
STEP = {"name": "step", "every": 1, "factor": 0.1}
MULTI = {"name": "multi_step", "at": [1]}
NAMED = [f"{spec['name']}-{i}" for i, spec in enumerate(SPECS)]


def rates(spec, peak=0.5, per_epoch=4, total=20, steps=None):
    """The rate at each step of a training."""
    schedule = learning_rates.get(spec, peak, per_epoch, total)
    if isinstance(schedule, float):
        return [schedule] * total
    return [float(schedule(i)) for i in range(steps or total)]


def test_constant_is_a_float():
    rate = learning_rates.get({"name": "constant"}, 1, 4, 20)
    assert rate == 1.0 and type(rate) is float


def test_multi_step_of_150_epochs_as_pytorch_counts_them():
    spec = {"name": "multi_step", "at": ["150ep", "250ep"], "factor": 0.1}
    schedule = learning_rates.get(spec, 0.1, 391, 350 * 391)
    bounds = [0, 150 * 391, 250 * 391, 350 * 391]
    for i, rate in enumerate([0.1, 0.01, 0.001]):
        # From the first step of an epoch to the last of another.
        for step in (bounds[i], bounds[i + 1] - 1):
            assert float(schedule(step)) == pytest.approx(rate), step


def test_step_is_exact_far_out():
    # SNFS: x 0.1 every 30,000 steps.
    spec = {"name": "step", "every": "30000it", "factor": 0.1}
    schedule = learning_rates.get(spec, 0.1, 391, 98_000)
    for drop in range(1, 4):
        before, after = 0.1**drop, 0.1 ** (drop + 1)
        assert float(schedule(30_000 * drop - 1)) == pytest.approx(before)
        assert float(schedule(30_000 * drop)) == pytest.approx(after)


# (1 + cos 0) / 2, (1 + cos 45) / 2, (1 + cos 90) / 2 ...
COSINE = [1, 0.853553, 0.5, 0.146447, 0, 0]


@pytest.mark.parametrize(
    "spec, options, expected",
    [
        # Steps 0 to 7 are epochs 0 and 1, 8 to 11 is epoch 2.
        (
            {**MULTI, "at": ["2ep", "3ep"], "factor": 0.1},
            {},
            [0.5] * 8 + [0.05] * 4 + [0.005] * 8,
        ),
        # SNIP's VGG: 0.1, 0.02, 0.004.
        (
            {**MULTI, "at": [3, "6it"], "factors": [0.2, 0.04]},
            {"peak": 0.1},
            [0.1] * 3 + [0.02] * 3 + [0.004] * 14,
        ),
        # From the start, and past the end.
        ({**MULTI, "at": [0, "99ep"], "factors": [0.2, 0.04]}, {}, [0.1] * 20),
        (
            {**STEP, "every": "6it"},
            {},
            [0.5] * 6 + [0.05] * 6 + [0.005] * 6 + [0.0005] * 2,
        ),
        ({"name": "cosine"}, {"peak": 1, "total": 4, "steps": 6}, COSINE),
        # 0.2 + 0.8 of each.
        (
            {"name": "cosine", "floor": 0.2},
            {"peak": 1, "total": 4, "steps": 6},
            [0.2 + 0.8 * rate for rate in COSINE],
        ),
        # Up over 4 steps from zero, and down over the remaining 4 from the
        # peak.
        (
            {"name": "cosine", "warm_up": "1ep"},
            {"peak": 1, "total": 8, "steps": 10},
            [0, 0.25, 0.5, 0.75, *COSINE],
        ),
        # 6 steps are 1.5 epochs of 4: cos(pi / (2 * 1.5)) in the second.
        (
            {"name": "asni_cosine", "delta": 0, "curve": "quarter"},
            {"peak": 1, "total": 6},
            [1] * 4 + [0.5] * 2,
        ),
        ({"name": "cosine", "warm_up": None, "floor": None}, {}, None),
    ],
)
def test_rates_by_hand(spec, options, expected):
    expected = expected or rates({"name": "cosine"})
    error = 1e-6 if "cosine" in spec["name"] else None
    assert rates(spec, **options) == pytest.approx(expected, abs=error)


def test_asni_cosine_changes_once_an_epoch():
    # After e of 5 epochs, (1 + cos(pi e / 5.3)) / 2.
    expected = [0.5 * (1 + math.cos(math.pi * e / 5.3)) / 2 for e in range(5)]
    found = rates({"name": "asni_cosine"})
    assert found == pytest.approx(np.repeat(expected, 4), abs=1e-6)
    assert found[:4] == [0.5] * 4


def test_asni_cosine_ends_where_the_paper_would():
    # delta = 0.06: (1 + cos(pi / 1.06)) / 2 = 0.0079, or cos(pi / 2.12) =
    # 0.0888, of the first rate. Later steps stay there.
    for curve, end in [("half", 0.00788), ("quarter", 0.08880)]:
        spec = {"name": "asni_cosine", "delta": 0.06, "curve": curve}
        schedule = learning_rates.get(spec, 1.0, 391, 160 * 391)
        after = float(schedule(160 * 391))
        assert after == pytest.approx(end, abs=1e-5)
        assert float(schedule(500 * 391)) == after
        last = float(schedule(160 * 391 - 1))
        assert last == float(schedule(159 * 391)) > after


@pytest.mark.parametrize("spec", SPECS, ids=NAMED)
def test_an_optimizer_steps_at_these_rates(spec):
    # The gradient is 1 at each step, so that w falls by the rate.
    optimizer = keras.optimizers.SGD(learning_rates.get(spec, 0.5, 4, 12))
    w, seen = keras.Variable(0.0), [0.0]
    for _ in range(12):
        optimizer.apply([tf.constant(1.0)], [w])
        seen.append(float(w))
    expected = rates(spec, total=12)
    assert -np.diff(seen) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spec", SPECS[1:], ids=NAMED[1:])
def test_rates_are_the_same_when_compiled(spec):
    schedule = learning_rates.get(spec, 0.5, 4, 20)

    @tf.function(jit_compile=True)
    def all_of_them():
        return tf.stack([schedule(tf.constant(i, "int64")) for i in range(25)])

    expected = rates(spec, steps=25)
    assert all_of_them().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("spec", SPECS[1:], ids=NAMED[1:])
def test_schedule_survives_saving(spec):
    optimizer = keras.optimizers.SGD(learning_rates.get(spec, 0.5, 4, 20))
    saved = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(saved)
    found = [float(again._learning_rate(i)) for i in range(20)]
    assert found == rates(spec)
    assert again.get_config() == optimizer.get_config()


def test_names_are_those_that_are_tried_here():
    assert set(learning_rates.names()) == {spec["name"] for spec in SPECS}


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"name": "cosin"}, "'cosin'. Did you mean 'cosine'"),
        ({"name": None}, "learning-rate schedule: None"),
        ({"at": [1]}, "a dict with the name of a learning-rate schedule"),
        ("cosine", "Expected a dict .*Received: 'cosine'"),
        ({"name": "cosine", "warmup": 1}, "'warmup'. Did you mean 'warm_up'"),
        ({"name": "constant", "floor": 1}, "no options of .*constant.*floor"),
        ({"name": "step", "every": 1}, "'step' needs 'factor'"),
        ({"name": "step"}, "needs 'every' and 'factor'"),
        ({**STEP, "every": 0}, "at least one step"),
        ({**STEP, "every": "1x"}, "a duration such as"),
        ({**STEP, "factor": 0}, "`factor`.*> 0"),
        ({**STEP, "factor": "x"}, "`factor`.*> 0"),
        ({**MULTI, "at": "2ep", "factor": 1.0}, "list of durations"),
        ({**MULTI, "at": [], "factor": 1.0}, "list of durations"),
        (MULTI, "either `factor`"),
        ({**MULTI, "factor": 1.0, "factors": [1.0]}, "either `factor`"),
        ({**MULTI, "at": [1, 2], "factors": [0.1]}, "list of 2 numbers"),
        ({**MULTI, "factors": [-1]}, "`factors`.*> 0"),
        (
            {**MULTI, "at": ["8it", "2ep"], "factor": 0.1},
            r"after the one before.*steps \[8, 8\]",
        ),
        (
            {"name": "cosine", "warm_up": "5ep"},
            "shorter than the training, which has 20 steps.*is 20 steps",
        ),
        ({"name": "cosine", "floor": 1.5}, r"`floor`.*in \[0, 1\]"),
        ({"name": "asni_cosine", "delta": -0.1}, "`delta`.*>= 0"),
        (
            {"name": "asni_cosine", "curve": "hafl"},
            "'hafl'. Did you mean 'half",
        ),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(ValueError, match=message):
        learning_rates.get(spec, 0.5, 4, 20)


@pytest.mark.parametrize("rate", [0, -0.1, "0.1", None, float("nan"), True])
def test_bad_rates(rate):
    with pytest.raises(ValueError, match=r"`learning_rate`.*> 0"):
        learning_rates.get({"name": "constant"}, rate, 4, 20)


def test_a_length_that_is_needed_but_not_known():
    with pytest.raises(ValueError, match="total_steps=None"):
        learning_rates.get({"name": "cosine"}, 0.1, 4, None)
    with pytest.raises(ValueError, match="steps_per_epoch=None"):
        learning_rates.get({"name": "asni_cosine"}, 0.1, None, 20)
