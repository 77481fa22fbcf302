"""Calls that train: `training.fit`, ticket searches, runs of configs."""

import functools

import kprune
from faults.arguments.calls import Fresh, call
from kprune.callbacks import regularization


def calls(world):
    """Returns calls that train a small model for a step or two."""
    return [
        *_fits(world),
        *_searches(world),
        _compression(world),
        *_runs(world),
    ]


def _fits(world):
    train = Fresh(world.batches)
    given = {
        "epochs": 1,
        "steps_per_epoch": 1,
        "callbacks": (),
        "validation_data": world.data,
        "verbose": 0,
    }
    return [
        call(
            kprune.training.fit,
            changes=True,
            heavy=True,
            model=world.wrapped,
            train=train,
            **given,
            checkpoint=None,
            validation_freq=1,
        ),
        call(
            _raising(world),
            "training.fit, with callbacks",
            changes=True,
            heavy=True,
            callbacks=(),
        ),
        call(
            kprune.training.Distiller,
            student=world.model,
            teacher=world.once("teacher", lambda: kprune.strip(world.model)),
            temperature=2.0,
            alpha=0.5,
            features=["fc1"],
            attention=None,
            feature_weight=1.0,
            attention_weight=1.0,
            outputs="logits",
        ),
        call(
            _aware(world),
            "training.compression_aware, and fit in it",
            changes=True,
            heavy=True,
            model=world.wrapped,
            sparsities=(0.5,),
            rho=0.05,
            plus=True,
            sparse_gradients=True,
            seed=0,
        ),
        call(
            regularization.prune_train,
            changes=True,
            heavy=True,
            model=world.conv,
            train=Fresh(world.pictures),
            **{**given, "validation_data": world.images},
            every=1,
            threshold=1e-4,
            ratio=None,
            strength=0.1,
            weighted=False,
            batch_multiple=1,
        ),
    ]


def _compression(world):
    return call(
        kprune.compress,
        heavy=True,
        model=world.model,
        train=world.data,
        validation=tuple(array.copy() for array in world.data),
        target=0.5,
        max_drop=1.0,
        method="auto",
        finetune=1,
        distill=False,
        shrink=False,
        export=None,
        directory=None,
        seed=0,
        strict=False,
        metric="accuracy",
        mode="auto",
        step=0.5,
        batch_size=4,
        verbose=0,
    )


def _raising(world):
    def fit(callbacks):
        return kprune.training.fit(
            world.wrapped, world.batches(), callbacks=callbacks, verbose=0
        )

    return fit


def _aware(world):
    def fit(**given):
        with kprune.training.compression_aware(**given) as model:
            return model.fit(world.batches().take(1), verbose=0)

    return fit


def _searches(world):
    training = Fresh(
        lambda: kprune.tickets.Training(world.batches(), verbose=0)
    )
    arrays = Fresh(
        lambda: kprune.tickets.Training(world.data, batch_size=4, verbose=0)
    )
    search = {"fraction": 0.2, "rewind_to": 0}
    options = {"rewind_weights": "rewind", "learning_rate": "rewind"}
    first = functools.partial(_first, world)
    return [
        call(
            first(kprune.tickets.imp),
            "tickets.imp",
            heavy=True,
            model=world.model,
            training=training,
            method="magnitude",
            levels=1,
            **search,
            **options,
            data=None,
            exclude="fc2",
        ),
        call(
            kprune.tickets.after_training,
            heavy=True,
            model=world.model,
            training=training,
            sparsity=0.5,
            method="magnitude",
            rewind_to=0,
            **options,
            data=None,
        ),
        call(
            first(kprune.tickets.prac),
            "tickets.prac",
            heavy=True,
            model=world.model,
            training=arrays,
            levels=1,
            **search,
            tolerance=0.1,
            window=2,
            exclude="fc2",
        ),
    ]


def _first(world, search):
    """Returns a search that ends with its first ticket."""

    def found(**arguments):
        return next(search(**arguments))

    return found


def _runs(world):
    config = kprune.experiment.default()
    experiment = kprune.experiment
    return [
        call(experiment.complete, config=config),
        call(experiment.name, config=config),
        call(experiment.settings, config=config),
        call(experiment.status, workdir="nothing", config=config),
        call(experiment.LocalExecutor, jobs=2, cpus_per_run=1, gpus_per_run=0),
        call(
            experiment.RayExecutor,
            cpus_per_run=1,
            gpus_per_run=0.5,
            address="localhost:6379",
            max_retries=2,
        ),
        call(
            experiment.SlurmExecutor,
            partition="gpu",
            minutes=30,
            memory_gb=4,
            cpus_per_run=2,
            gpus_per_run=1,
            jobs=8,
            max_retries=2,
            options={"account": "lab"},
        ),
        call(experiment.Range, low=0.1, high=0.5, log=True),
    ]
