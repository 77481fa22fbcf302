"""Collections keyed by identity instead of equality."""

import collections.abc


class ByIdentity(collections.abc.MutableMapping):
    """A dict that compares its keys by identity.

    It keeps references to the keys: otherwise the `id` of a deleted object
    could be reused by a new one.
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
