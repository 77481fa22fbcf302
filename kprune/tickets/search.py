"""The search behind `imp`: the loop over levels and its state."""

import dataclasses
from fractions import Fraction

import numpy as np

from kprune.masking import weights, wrapping
from kprune.masking.masks import Budget
from kprune.pruning import schedules, scope
from kprune.runtime import user_warnings
from kprune.runtime.progress import Progress
from kprune.scoring import batches
from kprune.scoring.objective import Objective
from kprune.tickets import arguments, fractions, rewinding
from kprune.tickets.store import Level, Store
from kprune.tickets.ticket import Start, Ticket, sparsity


class Search:
    """A prepared search for tickets; the arguments are those of `imp`.

    Subclasses override `_settings`, `_level` and `_train`.
    """

    def __init__(self, model, training, method, plan, data=None, options=None):
        wrapping.check_model(model)
        batches.refuse_what_is_read_once(data)
        self._template = template = arguments.template(model)
        self._data = data
        self._plan = plan
        self._seed = training.seed
        self._method, self._options = method, options or {}
        self._pruner = arguments.pruner(method, self._options, plan)
        self._notes = scope.left_out(template, self._pruner)
        prunable = weights.prunable(template)
        self._counted = sorted(set(prunable) - set(self._notes))
        self._course = course = training.segment()
        self._k = arguments.rewinding_step(template, course, plan.rewind_to)
        arguments.check_levels(plan, self._sizes(), self._groups())
        self._open(training.directory)

    def tickets(self):
        """Yields the tickets, level 0 first. The directory is locked against
        other processes until the generator ends."""
        if self._store is None:
            yield from self._tickets()
        else:
            with self._store.held():
                yield from self._tickets()

    def _tickets(self):
        points = {0: self._initial()}
        masks = wrapping.get_masks(self._template)
        start = Start(self._template, points[0], 0, 0)
        for level in range(self._plan.levels + 1):
            model, found = self._level(level, start, masks, points)
            ticket = Ticket(
                level=level,
                sparsity=sparsity(found.masks, self._counted),
                model=model,
                masks=found.masks,
                history=found.history,
                start=start,
                examples=found.arrays.get("examples"),
            )
            if level < self._plan.levels:
                # Prune before yielding: the user may change the model.
                masks = self._next_masks(level + 1, model)
                start = self._start(points, found)
            yield ticket

    def _open(self, directory):
        """Opens the directory to store the search in, unless `None`."""
        self._store = None
        if directory is not None:
            self._store = Store(directory, self._settings())

    def _settings(self):
        """Returns the settings that determine the search, for its directory."""
        how = (self._template, self._course, self._k, self._plan, self._seed)
        what = (self._method, self._options, self._pruner, self._sizes())
        return arguments.settings(*how) | arguments.pruner_settings(*what)

    def _level(self, level, start, masks, points):
        """Trains or loads a level; returns its model and its `Level`."""
        start.values.check()
        if self._store is not None and self._store.holds(level):
            return self._loaded(level, start, points)
        model = start.model(masks)
        wrapping.set_notes(model, self._notes)
        history, steps, arrays = self._train(model, level, start.step, points)
        trained = rewinding.point(model, steps)
        found = Level(trained, masks, history, arrays)
        if self._store is not None:
            origins = self._origins(level, start, points)
            share = sparsity(masks, self._counted)
            self._store.save(level, origins, found, share)
        return model, found

    def _loaded(self, level, start, points):
        if level == 0:
            points[self._k] = self._store.point(self._k)
        origins = self._origins(level, start, points)
        found = self._store.load(level, origins)
        after = dataclasses.replace(start, values=found.trained)
        model = after.model(found.masks)
        wrapping.set_notes(model, self._notes)
        return model, found

    def _origins(self, level, start, points):
        """Returns a dict of the points that a level started from."""
        if level == 0:
            return {"start": start.values, "rewinding": points[self._k]}
        return {"start": start.values}

    def _train(self, model, level, first, points):
        """Trains a level; level 0 also stores the point to rewind to.

        Returns:
            The history, the step that the training ended at, and a dict of
            further arrays to store with the level.
        """
        stops = [self._course.steps]
        if level == 0 and self._k > 0:
            stops = [self._k, *stops]
        history = {}
        for stop in stops:
            directory = self._checkpoints(level)
            found = self._course.run(model, first, stop, directory)
            for name, values in found.items():
                history.setdefault(name, []).extend(values)
            if level == 0 and stop == self._k:
                self._take_point(model, points)
            first = stop
        return history, first, {}

    def _checkpoints(self, level):
        return None if self._store is None else self._store.checkpoints(level)

    def _take_point(self, model, points):
        """Keeps the current values of a model as the point to rewind to."""
        points[self._k] = rewinding.point(model, self._k)
        if self._store is not None:
            self._store.save_point(points[self._k])

    def _initial(self):
        """Returns the initial weights: the stored ones, if any."""
        stored = None if self._store is None else self._store.point(0)
        if stored is not None:
            return stored
        initial = rewinding.point(self._template, 0)
        if self._store is not None:
            self._store.save_point(initial)
        return initial

    def _start(self, points, found):
        """Returns the `Start` of the level after the given one."""
        rewind_weights, kept = self._plan.rewind_weights, None
        if rewind_weights == "trained":
            values, kept = found.trained, found.masks
        else:
            values = points[self._k if rewind_weights == "rewind" else 0]
        course = self._plan.learning_rate
        step = 0 if course == "restart" else self._k
        held = course == "last"
        rate = self._course.steps - 1 if held else step
        return Start(self._template, values, step, rate, held, kept)

    def _next_masks(self, level, model):
        """Returns the masks of a level, from the one trained before it."""
        if self._store is not None and self._store.holds(level):
            return None  # Loading the level reads its masks.
        found = self._pruned(level, model)
        empty = [name for name, mask in found.items() if not mask.any()]
        if empty:
            user_warnings.warn(
                f"From level {level} on these weights have no entries left, "
                f"and nothing can flow through them: {', '.join(empty)}."
            )
        return {**wrapping.get_masks(model), **found}

    def _pruned(self, level, model):
        """Prunes a model down to a level; returns the masks of the counted
        weights."""
        pruner = self._pruner
        share, allocation = fractions.axes(
            self._plan.fraction, pruner.allocation_used, level
        )
        budget = Budget(
            share, schedules.one_shot, Fraction(1), rule=pruner.count
        )
        given = {"seed": self._seed, "exclude": tuple(self._notes)}
        scoring = pruner.scoring
        objective = Objective(model, self._data, scoring=scoring, **given)
        pruner = pruner.with_axes(allocation=allocation)
        once = objective.watched(Progress())
        return pruner.step(once, objective.masks, budget, level)

    def _groups(self):
        """Returns the number of groups that can be pruned."""
        template, grain = self._template, self._pruner.grain
        objective = Objective(template, exclude=tuple(self._notes))
        grouping = grain.grouping(template, objective.layouts)
        return sum(g.size for g in grouping.live(objective.masks).values())

    def _sizes(self):
        masks = wrapping.get_masks(self._template)
        return {name: int(np.size(masks[name])) for name in self._counted}
