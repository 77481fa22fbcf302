"""The search behind `prac`: each level chooses the next one's examples."""

import dataclasses
import functools

import numpy as np

from kprune.masking import wrapping
from kprune.runtime import checks, digests
from kprune.tickets import arguments, learning_rates
from kprune.tickets.classifier import Classifier
from kprune.tickets.examples import Examples
from kprune.tickets.forgetting import Forgetting, critical
from kprune.tickets.mask_convergence import Settling
from kprune.tickets.rewinding import TakePoint
from kprune.tickets.search import Search


class PracSearch(Search):
    """A search for PrAC tickets; the arguments are those of `prac`."""

    def __init__(self, model, training, plan, exclude, tolerance, window):
        if tolerance is not None:
            why = ", or None for levels that do not end early"
            checks.number("tolerance", tolerance, "(0, 1]", why)
        checks.integer("window", window, 1)
        at_once = getattr(model, "steps_per_execution", 1)
        why = "1: the steps of an epoch follow from the examples chosen"
        checks.require(at_once == 1, "steps_per_execution", at_once, why)
        self._tolerance, self._window = tolerance, window
        self._examples = Examples(
            training.data, training.batch_size, training.augment, training.seed
        )
        # The examples of the next level to train.
        self._places = np.arange(len(self._examples))
        on_batches = dataclasses.replace(
            training,
            data=self._examples.training(self._places, level=0),
            steps_per_epoch=self._examples.steps(self._places),
            augment=None,
            directory=None,
        )
        options = {"exclude": exclude}
        super().__init__(model, on_batches, "magnitude", plan, None, options)
        self._judge = Classifier(self._template, self._examples)
        self._own_settings = {
            "method": "prac",
            "batch_size": training.batch_size,
            "augment": arguments.named(training.augment),
            "tolerance": tolerance,
            "window": window,
        }
        self._open(training.directory)

    def _settings(self):
        labels = digests.of_arrays({"classes": self._judge.classes})
        data = {"labels": labels, "inputs": digests.of_data(self._examples.x)}
        return {**super()._settings(), **self._own_settings, **data}

    def _level(self, level, start, masks, points):
        model, found = super()._level(level, start, masks, points)
        arrays = found.arrays
        if not np.array_equal(arrays["examples"], self._places):
            raise ValueError(
                f"Level {level} was trained on other examples than those that "
                "the level before it leads to. Remove it to train it again."
            )
        if level == 0:
            self._dense = arrays["predictions"]
        both = self._dense, arrays["predictions"]
        self._places = critical(self._places, arrays["events"], *both)
        return model, found

    def _train(self, model, level, first, points):
        del first  # Each level goes through the whole schedule.
        course = self._course_of(level)
        schedule = learning_rates.schedule_of(self._template.optimizer)
        lengths = self._course.steps, course.steps
        learning_rates.stretch(model.optimizer, schedule, *lengths)
        forgetting = Forgetting(self._judge, self._places)
        callbacks = [forgetting]
        if level == 0 and self._k > 0:
            take = functools.partial(self._take_point, points=points)
            callbacks.append(TakePoint(self._k, take))
        if self._tolerance is not None:
            callbacks.append(self._settling(level, model))
        directory = self._checkpoints(level)
        history = course.run(model, 0, course.steps, directory, callbacks)
        if self._k not in points:
            points[self._k] = self._passed_point()
        epochs = max(map(len, history.values()))
        arrays = {
            "examples": self._places,
            "events": forgetting.events,
            "predictions": self._judge.predictions(model),
        }
        return history, epochs * course.steps_per_epoch, arrays

    def _course_of(self, level):
        """Returns the training of a level on its examples; raises `ValueError`
        if there are none."""
        places = self._places
        if not len(places):
            raise ValueError(
                f"Level {level} has no examples to train on: the level before "
                "it learned all and forgot none. Lower `levels`, or search "
                "with `kprune.tickets.imp`, which trains on all examples."
            )
        share = self._course.epochs * len(places), len(self._examples)
        return dataclasses.replace(
            self._course,
            train=self._examples.training(places, level),
            steps_per_epoch=self._examples.steps(places),
            epochs=-(-share[0] // share[1]),  # Rounded up.
        )

    def _settling(self, level, model):
        """Returns the callback that ends a level early, the dense one not
        before step k."""
        masks = wrapping.get_masks(model)
        kept = sum(int(np.count_nonzero(masks[n])) for n in self._counted)
        least = -(-self._k // self._course.steps_per_epoch) if level == 0 else 0
        draw = functools.partial(self._pruned, level + 1)
        return Settling(draw, kept, self._tolerance, self._window, least)

    def _passed_point(self):
        """Returns the point that the dense network stored before it was
        interrupted."""
        point = self._store.point(self._k)
        if point is None:
            raise ValueError(
                f"{self._store.directory} has lost the weights of step "
                f"{self._k}, which are to be rewound to. Remove level-00 to "
                "train the dense network again."
            )
        return point
