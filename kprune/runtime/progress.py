"""Shows one progress bar over all batches of all rounds."""

import collections

import keras


def shows(verbose):
    """Returns `verbose`, with `"auto"` resolved to 0 or 1 by whether Keras'
    interactive logging is enabled."""
    if verbose == "auto":
        return int(keras.config.is_interactive_logging_enabled())
    return verbose


class Progress:
    """A progress bar of scoring, in batches, or in rounds if it reads no data.

    The number of batches becomes known when passes over them begin, and is
    assumed to be equal in all rounds. A `verbose` of 0 shows nothing.
    """

    def __init__(self, rounds=1, verbose=0):
        self._rounds = rounds
        self._verbose = verbose
        self._bar = None
        self._rounds_done = self._batches_done = 0
        self._expected = self._reserved = self._most = 0
        self._kinds = collections.Counter()

    def expected(self, kind):
        """Returns how many batches of one kind of pass all rounds will compute,
        as far as known. Batches without a kind count for any kind."""
        others = sum(n for k, n in self._kinds.items() if k != kind)
        return self._rounds * (max(self._most, self._expected) - others)

    def expect(self, batches, kind=None):
        """Announces that this round will compute `batches` more batches, in
        passes of a kind."""
        if not self._expected:  # A new round begins.
            self._kinds.clear()
        self._expected += batches
        self._reserved += batches
        if kind is not None:
            self._kinds[kind] += batches

    def begin_pass(self, batches):
        """Announces that a pass over `batches` batches begins."""
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
