"""Shows one progress bar over all batches of all rounds."""

import collections

import keras


def shows(verbose):
    """Returns whether to show progress, 0 or 1, of a `verbose` that may be
    `"auto"`: as Keras is set."""
    if verbose == "auto":
        return int(keras.config.is_interactive_logging_enabled())
    return verbose


class Progress:
    """Shows how far scoring is, in batches, or in rounds if it reads no data.

    How many batches there will be is known as passes over them begin, and
    taken to be the same in each round. A `verbose` of 0 shows nothing.
    """

    def __init__(self, rounds=1, verbose=0):
        self._rounds = rounds
        self._verbose = verbose
        self._bar = None
        self._rounds_done = self._batches_done = 0
        self._expected = self._reserved = self._most = 0
        self._kinds = collections.Counter()

    def expected(self, kind):
        """Returns how many batches all rounds will compute one kind of pass
        on, as far as is known. What was expected of no kind may be of any."""
        others = sum(n for k, n in self._kinds.items() if k != kind)
        return self._rounds * (max(self._most, self._expected) - others)

    def expect(self, batches, kind=None):
        """Says that this round will compute on so many batches, those of the
        passes to come included, and what."""
        if not self._expected:  # A round begins, as the last one did.
            self._kinds.clear()
        self._expected += batches
        self._reserved += batches
        if kind is not None:
            self._kinds[kind] += batches

    def begin_pass(self, batches):
        """Says that a pass over so many batches begins."""
        known = min(self._reserved, batches)
        self._reserved -= known
        self._expected += batches - known
        self._most = max(self._most, self._expected)
        self._show("batch", self._batches_done, self._rounds * self._most)

    def batch_done(self):
        """Counts one batch."""
        self._batches_done += 1
        self._show("batch", self._batches_done, self._rounds * self._most)

    def round_done(self):
        """Counts one round."""
        self._rounds_done += 1
        self._expected = self._reserved = 0
        last = self._rounds_done == self._rounds
        if self._batches_done == 0:
            self._show("round", self._rounds_done, self._rounds, last)
        elif last:
            done = self._batches_done
            self._show("batch", done, done, last)

    def _show(self, unit, done, target, last=False):
        if not self._verbose or target < 2:
            return
        if self._bar is None:
            self._bar = keras.utils.Progbar(target, unit_name=unit)
        self._bar.target = target
        self._bar.update(done, finalize=last)
