"""The fuzzer of wrong arguments: its verdicts, and a run of a fixed seed."""

import pytest

import kprune


@pytest.fixture
def verdicts(part):
    return part("faults.arguments.verdicts")


def raised(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("Nothing was raised.")


def test_what_an_exception_says_of_the_call(verdicts):
    def kind(call):
        return verdicts.of(raised(call))[0]

    assert kind(lambda: kprune.prune(None)) == "words"
    assert kind(lambda: kprune.masks.load("nowhere.npz")) == "words"
    # What is beneath the doors: lines that fail, and what they call.
    unchecked = kprune.masks.count_kept.__wrapped__
    assert kind(lambda: unchecked(10, 0.5, "no rule")) == "bare"
    assert kind(lambda: unchecked(10, [0.5])) == "deep"


def test_a_changed_model_is_seen_and_set_back(part, tmp_path):
    world = part("faults.arguments.world").World(tmp_path)
    assert world.changed() == {}
    kernel = world.wrapped.get_layer("fc1").kernel
    kernel.assign(kernel + 1)
    world.model.get_layer("fc2").trainable = False
    changed = world.changed()
    assert changed.keys() == {"model", "wrapped"}
    assert changed["wrapped"] == ["value 1 fc1/kernel"]
    world.model.get_layer("fc2").trainable = True
    assert world.restore()


def test_every_public_callable_is_called(part, tmp_path):
    table = part("faults.arguments.table").calls(
        part("faults.arguments.world").World(tmp_path)
    )
    called = {call.name.rpartition(".")[2] for call in table}
    kinds = ("analysis", "callbacks", "kept_weights", "learned", "sanity")
    of = {"": kprune, **{name: getattr(kprune, name) for name in kinds}}
    results = (
        *("Centroids", "GradientFlow", "Line", "Overlaps", "Verdict"),
        *("LearnedMask", "TopK", "Biprop", "EdgePopup", "Supermask"),
        *("Selected", "Reparametrized", "SoftThreshold", "HardConcrete"),
        *("Masked", "GlobalSelection", "Gem"),
        "binary_sign",  # An activation: Keras calls it with its own tensors.
    )
    for module in of.values():
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and name not in results:
                known = {name, f"{name} in fit"} & called
                known = known or any(c.name.startswith(name) for c in table)
                assert known, name


def test_wrong_arguments_get_words_and_change_nothing(part, tmp_path):
    worker = part("faults.arguments.worker")
    right = part("faults.arguments").RIGHT
    records = list(worker.run(tmp_path, 0, range(250), limit=60, light=True))
    wrong = [record for record in records if record["kind"] not in right]
    assert not wrong, "\n".join(f"{r['call']}: {r['what']}" for r in wrong)
    assert sum(r["kind"] == "words" for r in records) > 150


@pytest.mark.slow
def test_the_study_of_wrong_arguments(study, tmp_path, capsys):
    study(
        *("faults", f"--workdir={tmp_path}", "--parts=arguments"),
        *("--seeds=4", "--cases=60"),
    )
    assert "wrong arguments, seed 4" in capsys.readouterr().out
