"""The search behind `imp`: the loop over levels, and what it remembers."""

import dataclasses
from fractions import Fraction

import numpy as np

from kprune import masking, notices, schedules, weights
from kprune.masks import Budget
from kprune.objective import Objective
from kprune.tickets import fractions, request, rewinding
from kprune.tickets.store import Store
from kprune.tickets.ticket import Start, Ticket, sparsity


class Search:
    """A search for tickets, made ready; the arguments are those of `imp`."""

    def __init__(self, *, model, train, directory, data, **asked):
        masking.check_model(model)
        self._template = request.template(model)
        self._data = data
        self._levels = asked["levels"]
        self._asked = asked
        self._pruner, self._notes = request.pruner(self._template, asked)
        self._counted = sorted(
            set(weights.prunable(self._template)) - set(self._notes)
        )
        self._course = request.course(self._template, train, asked)
        self._k = request.rewinding_step(
            self._template, self._course, asked["rewind_to"]
        )
        request.check_levels(asked, self._sizes())
        self._store = None
        if directory is not None:
            settings = request.settings(
                self._template, self._course, self._k, asked, self._sizes()
            )
            self._store = Store(directory, settings)

    def tickets(self):
        """Yields the tickets, level 0 first."""
        points = {0: self._initial()}
        masks = masking.get_masks(self._template)
        start = Start(self._template, points[0], 0, 0)
        for level in range(self._levels + 1):
            ticket, trained = self._ticket(level, start, masks, points)
            if level < self._levels:
                # Before the user has the model, who may change it.
                masks = self._next_masks(level + 1, ticket.model)
                start = self._start(points, trained)
            yield ticket

    def _ticket(self, level, start, masks, points):
        """Returns the ticket of a level, and the point it was trained to."""
        start.values.check()
        if self._store is not None and self._store.holds(level):
            return self._loaded(level, start, points)
        model = start.model(masks)
        masking.set_notes(model, self._notes)
        history = self._train(model, level, start.step, points)
        trained = rewinding.point(model, self._course.steps)
        ticket = Ticket(
            level=level,
            sparsity=sparsity(masks, self._counted),
            model=model,
            masks=masks,
            history=history,
            start=start,
        )
        if self._store is not None:
            result = {
                "level": level,
                "sparsity": ticket.sparsity,
                "history": history,
            }
            origins = self._origins(level, start, points)
            self._store.save(level, origins, trained, masks, result)
        return ticket, trained

    def _loaded(self, level, start, points):
        if level == 0:
            points[self._k] = self._store.point(self._k)
        origins = self._origins(level, start, points)
        trained, masks, history = self._store.load(level, origins)
        after = dataclasses.replace(start, values=trained)
        model = after.model(masks)
        masking.set_notes(model, self._notes)
        share = sparsity(masks, self._counted)
        return Ticket(level, share, model, masks, history, start), trained

    def _origins(self, level, start, points):
        """Returns the points that a level came from, to be recorded."""
        if level == 0:
            return {"start": start.values, "rewinding": points[self._k]}
        return {"start": start.values}

    def _train(self, model, level, first, points):
        """Trains a level; the dense network leaves the point to rewind to."""
        directory, stops = None, [self._course.steps]
        if self._store is not None:
            directory = self._store.checkpoints(level)
        if level == 0 and self._k > 0:
            stops = [self._k, *stops]
        history = {}
        for stop in stops:
            found = self._course.run(model, first, stop, directory)
            for name, values in found.items():
                history.setdefault(name, []).extend(values)
            if level == 0 and stop == self._k:
                points[stop] = rewinding.point(model, stop)
                if self._store is not None:
                    self._store.save_point(points[stop])
            first = stop
        return history

    def _initial(self):
        """Returns the weights that all begins with: those stored, if any."""
        stored = None if self._store is None else self._store.point(0)
        if stored is not None:
            return stored
        initial = rewinding.point(self._template, 0)
        if self._store is not None:
            self._store.save_point(initial)
        return initial

    def _start(self, points, trained):
        """Returns where the levels after the dense network begin."""
        values = {
            "rewind": points[self._k],
            "init": points[0],
            "trained": trained,
        }[self._asked["survivors"]]
        course = self._asked["learning_rate"]
        step = 0 if course == "restart" else self._k
        held = course == "last"
        rate = self._course.steps - 1 if held else step
        return Start(self._template, values, step, rate, held)

    def _next_masks(self, level, model):
        """Returns the masks of a level, from the one trained before it."""
        if self._store is not None and self._store.holds(level):
            return None  # They are read with it.
        share, allocation = fractions.axes(
            self._asked["fraction"], self._asked["allocation"], level
        )
        budget = Budget(share, schedules.get("one_shot"), Fraction(1))
        objective = Objective(
            model,
            self._data,
            seed=self._asked["seed"],
            exclude=self._notes,
        )
        pruner = self._pruner.with_axes(allocation=allocation)
        found = pruner.step(objective, objective.masks, budget, level)
        empty = [name for name, mask in found.items() if not mask.any()]
        if empty:
            notices.warn(
                f"From level {level} on these weights have no entries left, "
                f"and nothing can flow through them: {', '.join(empty)}."
            )
        return {**masking.get_masks(model), **found}

    def _sizes(self):
        masks = masking.get_masks(self._template)
        return {name: int(np.size(masks[name])) for name in self._counted}
