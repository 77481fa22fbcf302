"""Calls of sensitivity, of what is made of it, and of the page of a report."""

import functools
import itertools

import kprune
from faults.arguments.calls import Fresh, call, method


def calls(world):
    """Returns calls of sensitivity, and of pages."""
    numbers = itertools.count()
    directory = Fresh(lambda: f"cells_{next(numbers)}")

    def measure():
        options = {"levels": [0.5], "verbose": 0}
        return kprune.sensitivity(world.model, world.data, **options)

    found = functools.partial(world.once, "sensitivity", measure)
    shown = functools.partial(
        world.once, "page", lambda: kprune.report(world.wrapped)
    )
    by = functools.partial(
        world.once, "by", lambda: kprune.allocation.sensitivity(found())
    )
    return [
        call(
            kprune.sensitivity,
            heavy=True,
            model=world.model,
            data=world.data,
            method="magnitude",
            levels=[0.5],
            metric="accuracy",
            unit="layer",
            mode="auto",
            loss=None,
            score_on=None,
            scoring=None,
            directory=directory,
            seed=0,
            verbose=0,
            granularity="weight",
            exclude=(),
        ),
        call(
            kprune.allocation.sensitivity,
            found=Fresh(found),
            per="parameters",
            metric="loss",
        ),
        call(
            kprune.prune,
            "prune by sensitivity",
            model=world.model,
            sparsity=0.5,
            allocation=Fresh(by),
        ),
        method(lambda: found().matrix, "Sensitivity.matrix", metric="loss"),
        method(lambda: found().drops, "Sensitivity.drops", metric="loss"),
        method(lambda: found().save, "Sensitivity.save", path="found.json"),
        method(
            lambda: shown().to_html,
            "Report.to_html",
            path="report.html",
            history={"loss": [2.0, 1.0]},
            candidates=[{"sparsity": 0.5, "metric": 0.9, "interval": [0, 1]}],
        ),
    ]
