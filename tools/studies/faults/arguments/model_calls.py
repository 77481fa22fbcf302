"""Calls that take a model: masks, reports, smaller models, learned ones."""

import functools
import pathlib

import kprune
from faults.arguments.calls import Fresh, call, method


def calls(world):
    """Returns calls of what looks at models or makes others of them."""
    return [
        *_masks(world),
        *_looking(world),
        *_deploying(world),
        *_learned(world),
    ]


def _masks(world):
    wrapped, masks = world.wrapped, world.masks
    return [
        call(
            kprune.wrap,
            model=world.model,
            inplace=False,
            keep_pruned_values=False,
            dense_gradients=False,
            prove=False,
        ),
        call(
            functools.partial(kprune.wrap, inplace=True),
            "wrap in place",
            changes=True,
            model=Fresh(lambda: world.own),
            keep_pruned_values=False,
            dense_gradients=False,
        ),
        call(kprune.strip, model=wrapped, prove=False),
        call(kprune.get_masks, model=wrapped),
        call(
            kprune.set_masks,
            changes=True,
            model=wrapped,
            masks=masks,
            optimizer=None,
        ),
        call(
            _set_one_mask(world),
            "set_masks with a mask",
            changes=True,
            mask=masks["fc2/kernel"],
        ),
    ]


def _set_one_mask(world):
    def set_masks(mask):
        other = ~world.masks["fc1/kernel"]
        both = {"fc1/kernel": other, "fc2/kernel": mask}
        kprune.set_masks(world.wrapped, both)

    return set_masks


def _looking(world):
    shown = {
        "model": world.wrapped,
        "inputs": None,
        "multiply_adds": False,
        "paths": False,
        "against": None,
        "data": None,
        "loss": None,
        "batches": None,
    }
    read = {"data": world.data, "loss": "sparse_categorical_crossentropy"}
    reported = functools.partial(world.once, "report")
    made = functools.partial(reported, lambda: kprune.report(world.wrapped))
    sanity = kprune.sanity
    return [
        call(kprune.report, **shown),
        call(
            kprune.summary, **shown, print_fn=lambda line: None, line_length=90
        ),
        call(
            kprune.report,
            heavy=True,
            **{**shown, **read, "paths": True, "batches": 1},
        ),
        method(lambda: made().save, "Report.save", path="report.json"),
        call(
            kprune.analysis.gradient_flow,
            heavy=True,
            model=world.wrapped,
            **read,
            batches=1,
        ),
        call(
            kprune.analysis.linear_connectivity,
            heavy=True,
            a=world.model,
            b=world.other,
            **read,
            points=2,
            statistics_from=None,
        ),
        call(sanity.reinitialize, changes=True, model=Fresh(lambda: world.own)),
        call(sanity.reinitialize, changes=True, model=world.wrapped, seed=0),
        call(sanity.shuffle_weights, changes=True, model=world.wrapped, seed=0),
        call(kprune.tickets.layer_fractions, model=world.model, dense=0.2),
        call(
            kprune.tickets.transfer,
            ticket=world.wrapped,
            model=world.model,
            values=True,
        ),
        call(
            kprune.tickets.elastic,
            ticket=world.staged,
            model=world.plain_staged,
            blocks=None,
            pattern=r"stage(\d+)_block(\d+)",
        ),
        call(
            kprune.callbacks.dynamic.training_flops,
            report=Fresh(made),
            method="rigl",
            every=100,
        ),
    ]


def _deploying(world):
    options = {"carry_optimizer": False, "verbose": 0}
    numbers = iter(range(10**9))
    path = Fresh(lambda: pathlib.Path(f"exported_{next(numbers)}"))
    return [
        call(kprune.shrink, heavy=True, model=world.pruned_conv, **options),
        call(kprune.compact, heavy=True, model=world.wrapped, **options),
        call(
            kprune.export,
            heavy=True,
            model=world.wrapped,
            path=path,
            format="saved_model",
            tolerance=1e-3,
        ),
        call(
            kprune.export,
            "export for LiteRT",
            heavy=True,
            model=world.wrapped,
            path="exported.tflite",
            quantize="int8",
            sparse=False,
            compact=False,
            representative_data=world.data,
        ),
        call(kprune.quantize, model=world.wrapped, mode="int8"),
        call(kprune.load_packed, path=_packed(world), max_bytes=1 << 20),
        call(
            kprune.compare,
            heavy=True,
            before=world.model,
            after=world.wrapped,
            data=world.data,
            runtimes=("keras",),
            batch_size=4,
            repeats=1,
            most_examples=4,
            peak_memory=False,
            verbose=0,
        ),
        method(
            lambda: kprune.deploy.comparison.Comparison("a", "b", (), 1).save,
            "Comparison.save",
            path="found.html",
        ),
    ]


def _packed(world):
    def make():
        kprune.export(world.wrapped, "packed.kpz")
        return "packed.kpz"

    return Fresh(make)


def _learned(world):
    learned, model = kprune.learned, world.model
    chosen = {
        "model": model,
        "weights": "signed_constant",
        "biases": "keep",
        "exclude": "fc2",
        "seed": 0,
    }
    training = {
        "data": world.data,
        "loss": None,
        "seed": 0,
        "epochs": 1,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "batch_size": 4,
        "verbose": 0,
    }
    return [
        call(
            kprune.select,
            model=model,
            method="edge_popup",
            sparsity=0.5,
            seed=0,
            exclude="fc2",
        ),
        call(learned.biprop, sparsity=0.5, **chosen),
        call(learned.edge_popup, sparsity=0.5, scale_fan=False, **chosen),
        call(learned.supermask, rescale=True, round_mask=False, **chosen),
        call(learned.soft_threshold, model=model, initial=-5.0, exclude="fc2"),
        call(
            learned.hard_concrete,
            model=model,
            examples=12,
            strength=1.0,
            drop_rate=0.5,
            prior_precision=0.0,
            temperature=0.7,
            limits=(-0.1, 1.1),
            exclude="fc2",
            seed=0,
        ),
        call(learned.learned_gates, heavy=True, model=model, **training),
        call(
            learned.neuron_supermask,
            heavy=True,
            model=model,
            sparsity=0.5,
            **training,
        ),
        call(learned.effective_weights, model=world.learned),
        call(learned.zeros, model=world.learned),
        call(learned.sparsity, model=world.learned),
        call(learned.selected_masks, model=world.learned, seed=0),
        call(learned.to_masked, model=world.learned, seed=0),
        call(learned.GlobalSelection, sparsity=0.5, epochs=2),
        call(
            learned.gem_miner,
            model=model,
            strength=1e-4,
            weights="keep",
            biases="keep",
            exclude="fc2",
            seed=0,
        ),
        call(learned.GemMiner, sparsity=0.5, every=1, restore=True, seed=0),
        call(learned.WeightRecycling, rate=0.1, every=1),
    ]
