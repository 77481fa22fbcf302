"""Small models of KerasHub, by name: functions to (model, x, y).

`y` is `None` for backbones, which give features. KerasHub is imported as a
model is built.
"""

import keras
import numpy as np

_TOKENS = {"vocabulary_size": 50, "num_layers": 2, "hidden_dim": 16}
_TEXT = {**_TOKENS, "intermediate_dim": 32}


def _ids():
    return np.random.default_rng(0).integers(1, 50, (4, 8)).astype("int32")


def _text(**more):
    padding = np.ones((4, 8), "int32")
    padding[0, 5:] = 0
    return {"token_ids": _ids(), "padding_mask": padding, **more}


def _segments():
    return _text(segment_ids=np.zeros((4, 8), "int32"))


def _images():
    return np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("f4")


def _bert(hub):
    return hub.BertBackbone(num_heads=4, max_sequence_length=12, **_TEXT)


def _gpt2(hub):
    return hub.GPT2Backbone(num_heads=4, max_sequence_length=12, **_TEXT)


def _gemma(hub):
    heads = {"num_query_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
    return hub.GemmaBackbone(**heads, **_TEXT)


def _vit(hub):
    sizes = {"image_shape": (32, 32, 3), "patch_size": 8, "num_layers": 2}
    return hub.ViTBackbone(num_heads=4, hidden_dim=16, mlp_dim=32, **sizes)


def _resnet(hub):
    return hub.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 128],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(32, 32, 3),
    )


_BACKBONES = {
    "bert": (_bert, _segments),
    "gpt2": (_gpt2, _text),
    "gemma": (_gemma, _text),
    "vit": (_vit, _images),
    "resnet": (_resnet, _images),
}
_TASKS = {
    "bert": lambda hub, net: hub.BertTextClassifier(net, 3),
    "gpt2": lambda hub, net: hub.GPT2CausalLM(net),
    "gemma": lambda hub, net: hub.GemmaCausalLM(net),
    "vit": lambda hub, net: hub.ViTImageClassifier(net, 3),
    "resnet": lambda hub, net: hub.ResNetImageClassifier(net, 10),
}
TASKS = list(_TASKS)
LANGUAGE = ["gpt2", "gemma"]
NAMES = [*TASKS, *(f"{name} backbone" for name in _BACKBONES)]


def build(name):
    """Returns a model with all its biases and statistics drawn, x and y."""
    import keras_hub

    keras.utils.set_random_seed(0)
    name, _, only_backbone = name.partition(" ")
    make, inputs = _BACKBONES[name]
    model, y = make(keras_hub.models), None
    if not only_backbone:
        model = _TASKS[name](keras_hub.models, model)
        y = _ids() if name in LANGUAGE else np.array([0, 1, 2, 1])
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(1, 1.2, variable.shape))
    return model, inputs(), y
