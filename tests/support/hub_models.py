"""Small models of KerasHub, by name: functions to (model, x, y).

`y` is `None` for backbones, which give features. KerasHub is imported as a
model is built.
"""

import io

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


def _roberta(hub):
    return hub.RobertaBackbone(num_heads=4, max_sequence_length=12, **_TEXT)


def _gpt2(hub):
    return hub.GPT2Backbone(num_heads=4, max_sequence_length=12, **_TEXT)


def _gemma(hub):
    heads = {"num_query_heads": 4, "num_key_value_heads": 2, "head_dim": 4}
    return hub.GemmaBackbone(**heads, **_TEXT)


def _llama(hub):
    heads = {"num_query_heads": 4, "num_key_value_heads": 2}
    return hub.LlamaBackbone(**heads, **_TEXT)


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
    "roberta": (_roberta, _text),
    "gpt2": (_gpt2, _text),
    "gemma": (_gemma, _text),
    "llama": (_llama, _text),
    "vit": (_vit, _images),
    "resnet": (_resnet, _images),
}
_TASKS = {
    "bert": lambda hub, net, words: hub.BertTextClassifier(net, 3, words),
    "roberta": lambda hub, net, words: hub.RobertaTextClassifier(net, 3, words),
    "gpt2": lambda hub, net, words: hub.GPT2CausalLM(net, words),
    "gemma": lambda hub, net, words: hub.GemmaCausalLM(net, words),
    "llama": lambda hub, net, words: hub.LlamaCausalLM(net, words),
    "vit": lambda hub, net, words: hub.ViTImageClassifier(net, 3, words),
    "resnet": lambda hub, net, words: hub.ResNetImageClassifier(net, 10, words),
}
TASKS = list(_TASKS)
LANGUAGE = ["gpt2", "gemma", "llama"]
IMAGES = ["vit", "resnet"]
NAMES = [*TASKS, *(f"{name} backbone" for name in _BACKBONES)]


def build(name, preprocess=False):
    """Returns a model with all its biases and statistics drawn, x and y.

    A task that preprocesses takes x of `raw` instead.
    """
    import keras_hub

    keras.utils.set_random_seed(0)
    name, _, only_backbone = name.partition(" ")
    make, inputs = _BACKBONES[name]
    model, y = make(keras_hub.models), None
    if not only_backbone:
        words = _PREPROCESSORS[name](keras_hub) if preprocess else None
        model = _TASKS[name](keras_hub.models, model, words)
        y = _ids() if name in LANGUAGE else np.array([0, 1, 2, 1])
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(1, 1.2, variable.shape))
    return model, inputs(), y


def generated(model, x):
    """Returns what a language model makes of the first half of prompts."""
    model.compile(sampler="greedy")
    prompt = {key: np.where(np.arange(8) < 4, v, 0) for key, v in x.items()}
    words = model.generate(prompt, stop_token_ids=None)["token_ids"]
    return keras.ops.convert_to_numpy(words)


def raw(name):
    """Returns what a task that preprocesses takes: sentences or images."""
    if name in IMAGES:
        return np.random.default_rng(0).integers(0, 255, (4, 40, 40, 3))
    return ["a cat sat", "a dog ran far", "the cat ran", "a dog sat"]


def _filled(pieces):
    """Returns a vocabulary of as many pieces as the models know."""
    known = _TOKENS["vocabulary_size"]
    return [*pieces, *(f"w{i}" for i in range(len(pieces), known))]


def _pieces(special):
    words = ["the", "a", "cat", "dog", "sat", "ran", "far"]
    return _filled([*special, *words])


def _bert_words(hub):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = hub.models.BertTokenizer(_pieces(special), lowercase=True)
    return hub.models.BertTextClassifierPreprocessor(words, sequence_length=8)


def _pairs(special):
    """Returns letters and a blank as a vocabulary of pairs of bytes."""
    letters = _filled([*special, *"abcdefghijklmnopqrstuvwxyz", "\u0120", "at"])
    known = {x: i for i, x in enumerate(letters)}
    return {"vocabulary": known, "merges": ["a t"]}


def _roberta_words(hub):
    special = _pairs(["<s>", "<pad>", "</s>", "<mask>"])
    words = hub.models.RobertaTokenizer(**special)
    options = {"sequence_length": 8}
    return hub.models.RobertaTextClassifierPreprocessor(words, **options)


def _gpt2_words(hub):
    words = hub.models.GPT2Tokenizer(**_pairs(["<|endoftext|>"]))
    return hub.models.GPT2CausalLMPreprocessor(words, sequence_length=8)


def _sentence_pieces(special):
    """Returns the bytes of a model of SentencePiece that knows some words."""
    import sentencepiece

    kinds = ("pad", "bos", "eos", "unk")
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(_pieces(special)[len(special) :])]),
        model_writer=file,
        model_type="word",
        vocab_size=len(_pieces(special)),
        minloglevel=2,
        **{f"{kind}_id": i for i, kind in enumerate(kinds)},
        **dict(zip((f"{kind}_piece" for kind in kinds), special, strict=True)),
    )
    return file.getvalue()


def _gemma_words(hub):
    pieces = _sentence_pieces(["<pad>", "<bos>", "<eos>", "<unk>"])
    words = hub.models.GemmaTokenizer(proto=pieces)
    return hub.models.GemmaCausalLMPreprocessor(words, sequence_length=8)


def _llama_words(hub):
    pieces = _sentence_pieces(["<pad>", "<s>", "</s>", "<unk>"])
    words = hub.models.LlamaTokenizer(proto=pieces)
    return hub.models.LlamaCausalLMPreprocessor(words, sequence_length=8)


def _converter(preprocessor, converter):
    def words(hub):
        sizes = {"image_size": (32, 32), "scale": 1 / 255}
        images = getattr(hub.layers, converter)(**sizes)
        return getattr(hub.models, preprocessor)(images)

    return words


_PREPROCESSORS = {
    "bert": _bert_words,
    "roberta": _roberta_words,
    "gpt2": _gpt2_words,
    "gemma": _gemma_words,
    "llama": _llama_words,
    "vit": _converter("ViTImageClassifierPreprocessor", "ViTImageConverter"),
    "resnet": _converter(
        "ResNetImageClassifierPreprocessor", "ResNetImageConverter"
    ),
}
