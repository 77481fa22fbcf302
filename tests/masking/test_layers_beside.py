"""What a graph of an own class holds beside its layers is copied whole."""

import pathlib

import keras
import pytest
from lifecycle import saved_and_loaded

import kprune

serializable = keras.saving.register_keras_serializable("layers_beside")


@serializable
class Words(keras.layers.Layer):
    """A vocabulary, which no config has."""

    known = None

    def save_assets(self, directory):
        pathlib.Path(directory, "words.txt").write_text(" ".join(self.known))

    def load_assets(self, directory):
        text = pathlib.Path(directory, "words.txt").read_text()
        self.known = text.split()


@serializable
class Preparing(keras.layers.Layer):
    """Holds a vocabulary, as KerasHub's preprocessors do."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = Words(name="words")


@serializable
class Task(keras.Model):
    """A graph of two dense layers, with what prepares its inputs beside it."""

    def __init__(self, preparing=None, **kwargs):
        given = keras.Input((4,))
        x = keras.layers.Dense(5, name="hidden")(given)
        outputs = keras.layers.Dense(3, name="scores")(x)
        super().__init__(given, outputs, **kwargs)
        self.preparing = preparing

    def get_config(self):
        preparing = keras.layers.serialize(self.preparing)
        return {"preparing": preparing, "name": self.name}

    @classmethod
    def from_config(cls, config):
        preparing = keras.layers.deserialize(config["preparing"])
        return cls(preparing, name=config["name"])


@pytest.mark.parametrize("times", [1, 2])
def test_vocabularies_beside_a_graph_stay(times, tmp_path):
    model = Task(Preparing())
    model.preparing.words.known = ["a", "dog"]
    masked = model
    for _ in range(times):
        masked = kprune.prune(masked, "magnitude", 0.5)
    for one in (masked, kprune.strip(masked)):
        for found in (one, saved_and_loaded(one, tmp_path)):
            assert found.preparing.words.known == ["a", "dog"]
            assert found.preparing.words is not model.preparing.words
