"""Models of own classes that are functional graphs, made by constructors.

As in KerasHub, a task calls its backbone, keeps it, and may use its layers.

| name | what it is |
|---|---|
| `TokenBackbone` | a backbone: embedding, position-wise layers, a norm |
| `LanguageModel` | scores by the table of its backbone; `generate` |
| `ImageBackbone` | a backbone: two convolutions and a batch norm |
| `Classifier` | a dense head over a backbone |
| `Extended` | a head on the tensors of a backbone, which it does not call |
"""

import keras
import numpy as np
from keras import layers, ops

serializable = keras.saving.register_keras_serializable("own_class_graphs")


class OfArguments:
    """The config is the constructor's arguments, as `arguments` names them."""

    arguments = ()

    def get_config(self):
        own = {name: getattr(self, name) for name in self.arguments}
        return {"name": self.name, **own}

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("backbone"), dict):
            backbone = keras.saving.deserialize_keras_object(config["backbone"])
            config = {**config, "backbone": backbone}
        return cls(**config)


@serializable
class TokenBackbone(OfArguments, keras.Model):
    """Whole numbers (batch, 5) to vectors, of which the width is `units`."""

    arguments = ("words", "units", "hidden")

    def __init__(self, words=20, units=4, hidden=6, **kwargs):
        self.embedding = layers.ReversibleEmbedding(words, units, name="table")
        self.blocks = [
            layers.Dense(hidden, "relu", name="up"),
            layers.Dropout(0.1, name="drop"),
            layers.Dense(units, name="down"),
        ]
        self.norm = layers.BatchNormalization(name="norm")
        inputs = keras.Input((5,), dtype="int32", name="tokens")
        outputs = self.norm(self.through(self.embedding(inputs)))
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.words, self.units, self.hidden = words, units, hidden

    def through(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Task(OfArguments, keras.Model):
    """A model over a backbone."""

    arguments = ("backbone",)

    def get_config(self):
        config = super().get_config()
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {**config, "backbone": backbone}


@serializable
class LanguageModel(Task):
    """Calls two layers that are inside of its backbone: table and norm."""

    def __init__(self, backbone, **kwargs):
        x = backbone.norm(backbone(backbone.input))
        outputs = backbone.embedding(x, reverse=True)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)
        self.backbone = backbone

    def generate(self, tokens, steps=4):
        """Appends words one by one, calling the layers and not the model."""
        tokens = np.array(tokens)
        for _ in range(steps):
            x = self.backbone.embedding(ops.convert_to_tensor(tokens))
            x = self.backbone.norm(self.backbone.through(x))
            x = self.backbone.norm(x)
            scores = self.backbone.embedding(x, reverse=True)
            best = np.argmax(scores[:, -1], -1)
            tokens = np.concatenate([tokens, best[:, np.newaxis]], 1)
        return tokens


@serializable
class ImageBackbone(OfArguments, keras.Model):
    """Images (8, 8, 3) to feature maps of `filters` channels."""

    arguments = ("filters",)

    def __init__(self, filters=8, **kwargs):
        inputs = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(filters, 3, use_bias=False, name="a")(inputs)
        x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
        outputs = layers.Conv2D(filters, 3, name="b")(x)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.filters = filters


@serializable
class Classifier(Task):
    """Classes from the mean of a backbone's maps, or of its vectors."""

    arguments = ("backbone", "classes")

    def __init__(self, backbone, classes=3, **kwargs):
        x = backbone(backbone.input)
        axes = list(range(1, len(x.shape) - 1))
        self.head = layers.Dense(classes, name="head")
        outputs = self.head(ops.mean(x, axis=axes))
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)
        self.backbone, self.classes = backbone, classes


@serializable
class Extended(Task):
    """A dense head on what a backbone computes, without a call of it."""

    def __init__(self, backbone, **kwargs):
        outputs = layers.Dense(3, name="head")(backbone.output)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)
        self.backbone = backbone


def tokens(batch=3, words=20):
    """A batch of whole numbers for a model over `TokenBackbone`."""
    return np.random.default_rng(1).integers(0, words, (batch, 5))
