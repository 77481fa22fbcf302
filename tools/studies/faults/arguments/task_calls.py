"""Calls of networks that learn a mask for each of several tasks."""

import functools

import keras

import kprune
from faults.arguments.calls import Fresh, call, method


def calls(world):
    """Returns calls of SupSup, by names of tasks and without, and HopSupSup."""

    def made():
        return world.once("stack", trained)

    def trained():
        stack = kprune.learned.SupermaskStack(world.model)
        stack.train("one", world.batches())
        return stack

    use = functools.partial(method, heavy=True)
    return [
        call(
            kprune.learned.SupermaskStack,
            model=world.model,
            sparsity=0.5,
            weights="signed_constant",
            scale_fan=False,
            biases="keep",
            exclude=(),
            seed=0,
        ),
        use(
            lambda: made().train,
            "SupermaskStack.train",
            task="two",
            data=Fresh(world.batches),
            epochs=1,
            loss=None,
            optimizer=None,
            verbose=0,
        ),
        use(lambda: made().use, "SupermaskStack.use", task="one"),
        use(lambda: made().masks, "SupermaskStack.masks", task="one"),
        use(
            lambda: made().infer,
            "SupermaskStack.infer",
            x=world.x,
            rule="one_shot",
            classes=None,
        ),
        use(
            lambda: made().predict,
            "SupermaskStack.predict",
            x=world.x,
            task="one",
            rule="one_shot",
            classes=None,
        ),
        use(lambda: made().save, "SupermaskStack.save", directory="stack"),
        use(
            lambda: functools.partial(kprune.learned.train_unnamed, made()),
            "train_unnamed",
            data=Fresh(world.batches),
            every=1,
            tolerance=0.125,
            candidates=2,
            loss=None,
            optimizer=None,
        ),
        *_hopfield(world, use),
    ]


def _hopfield(world, use):
    """Calls of HopSupSup, on a network with batch normalization."""
    layers = keras.layers

    def new():
        return keras.Sequential(
            [
                keras.Input(world.x.shape[1:]),
                layers.Dense(4, name="a"),
                layers.BatchNormalization(name="norm"),
                layers.Dense(3, name="b"),
            ]
        )

    def made():
        return world.once("hopfield", trained)

    def trained():
        stack = kprune.learned.HopfieldStack(new())
        stack.train(world.batches())
        return stack

    return [
        call(
            kprune.learned.HopfieldStack,
            heavy=True,
            model=Fresh(new),
            weights="signed_constant",
            exclude="b",
            seed=0,
        ),
        use(
            lambda: made().train,
            "HopfieldStack.train",
            data=Fresh(world.batches),
            epochs=1,
            loss=None,
            optimizer=None,
        ),
        use(
            lambda: made().recover,
            "HopfieldStack.recover",
            data=Fresh(lambda: world.batches().map(lambda x, *_: x)),
            strength=1e-3,
            learning_rate=1.0,
        ),
        use(lambda: made().predict, "HopfieldStack.predict", x=world.x),
    ]
