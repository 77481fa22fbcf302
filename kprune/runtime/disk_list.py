"""A list of arrays that spills to disk when it grows long."""

import itertools
import pickle

import keras

from kprune.runtime import examples, files

IN_MEMORY = 2**28  # Bytes. Later elements go to a temporary file.


class Spool:
    """An append-only list of structures of arrays.

    The first 256 MiB stay in memory, the rest is in a temporary file that is
    removed with the spool. Elements read back are bit-equal.
    """

    def __init__(self, in_memory=IN_MEMORY):
        self._room = in_memory
        self._places = []  # The element itself, or where it begins on disk.
        self._file = None

    def append(self, element):
        """Adds an element, a structure of arrays."""
        flat = map(examples.components, keras.tree.flatten(element))
        self._room -= sum(a.nbytes for a in itertools.chain(*flat))
        if self._room >= 0:
            self._places.append(element)
            return
        if self._file is None:
            self._file = files.scratch_file()
        self._file.seek(0, 2)
        self._places.append(self._file.tell())
        pickle.dump(element, self._file, protocol=pickle.HIGHEST_PROTOCOL)

    def __getitem__(self, place):
        found = self._places[place]
        if not isinstance(found, int):
            return found
        self._file.seek(found)
        return pickle.load(self._file)

    def __len__(self):
        return len(self._places)
