"""Collections keyed by identity instead of equality."""

import collections.abc


class ByIdentity(collections.abc.MutableMapping):
    """A dict whose keys are objects themselves.

    It holds them: by `id` alone, an object that is gone would be taken for
    another that was made in its place.
    """

    def __init__(self, pairs=()):
        self._pairs = {}
        self.update(pairs)

    def __getitem__(self, key):
        return self._pairs[id(key)][1]

    def __setitem__(self, key, value):
        self._pairs[id(key)] = key, value

    def __delitem__(self, key):
        del self._pairs[id(key)]

    def __iter__(self):
        return (key for key, _ in self._pairs.values())

    def __len__(self):
        return len(self._pairs)
