"""What is written of an operator on a box of a picture: its family, and the settings that matter."""

from __future__ import annotations

from typing import Mapping

from .batch_norm import SETTING, is_on
from .graph import Node
from .operators import kind_of_node

__all__ = ["operator_text"]

_MODES = {"lstm": "LSTM", "gru": "GRU", "rnn_relu": "RNN, relu", "rnn_tanh": "RNN, tanh"}
_CONTROL_FLOW = {"_foreach": "foreach", "_while_loop": "while_loop", "_cond": "cond"}
_USUAL_SLOPE = "0.25"


def operator_text(node: Node) -> str:
    """Return an operator with what a reader wants to know of its settings.

    Examples
    --------
    >>> operator_text(Node("Convolution", "c", (), {"kernel": "(3, 3)", "stride": "(2, 2)", "num_filter": "64"}))
    'Convolution 3×3, 64, stride 2'
    >>> operator_text(Node("LeakyReLU", "a", (), {"slope": "0.01"}))
    'leaky, slope 0.01'
    >>> operator_text(Node("_plus_scalar", "b", (), {"scalar": "2"}))
    'plus_scalar 2'
    >>> operator_text(Node("Pooling", "p", (), {"global_pool": "True", "pool_type": "avg"}))
    'global avg pooling'
    """
    attrs = node.attrs
    family = kind_of_node(node.op, attrs).family
    if family in ("Convolution", "Deconvolution"):
        words = [f"{family} {_sizes(attrs.get('kernel', ''))}", attrs.get("num_filter", ""), *_spatial(attrs)]
    elif node.op.startswith("Pooling") and family == "Pooling":
        words = [f"{attrs.get('pool_type', 'max')} pooling {_sizes(attrs.get('kernel', ''))}", *_spatial(attrs)]
    elif family.startswith("global "):
        words = [f"{family} pooling"]
    elif family == "FullyConnected":
        words = [family, attrs.get("num_hidden", "")]
    elif family == "Embedding":
        words = [f"Embedding {attrs.get('input_dim', '?')} → {attrs.get('output_dim', '?')}"]
    elif family == "BatchNorm":
        words = [family, "running statistics" if is_on(attrs.get(SETTING)) else ""]
    elif family == "RNN":
        words = [_MODES.get(attrs.get("mode", ""), "RNN"), attrs.get("state_size", ""), _layers(attrs)]
    elif family == "LeakyReLU":
        words = [attrs.get("act_type", "leaky"), _slope(attrs)]
    elif family == "Dropout":
        words = [f"Dropout {attrs.get('p', '0.5')}"]
    elif node.op in _CONTROL_FLOW:
        words = [_CONTROL_FLOW[node.op], f"{len(node.bodies)} bodies" if len(node.bodies) > 1 else "1 body"]
    else:
        words = [f"{family.lstrip('_')} {attrs.get('scalar', '')}"]
    return ", ".join(word.strip() for word in words if word.strip())


def _spatial(attrs: Mapping[str, str]) -> list[str]:
    named = [("stride", "stride", "1"), ("pad", "pad", "0"), ("dilate", "dilated", "1"), ("num_group", "groups", "1")]
    sizes = [(word, _sizes(attrs.get(key, "")), usual) for key, word, usual in named]
    return [
        f"{word} {size if len(set(size.split('×'))) > 1 else size.split('×')[0]}"
        for word, size, usual in sizes
        if set(size.split("×")) - {"", usual}
    ]


def _slope(attrs: Mapping[str, str]) -> str:
    """Return the slope of an activation that has one, where it is not the usual one."""
    slope = attrs.get("slope", _USUAL_SLOPE)
    has_slope = attrs.get("act_type", "leaky") in ("leaky", "elu")
    return f"slope {slope}" if has_slope and slope != _USUAL_SLOPE else ""


def _layers(attrs: Mapping[str, str]) -> str:
    count = attrs.get("num_layers", "1")
    words = ["" if count == "1" else f"{count} layers", "bidirectional" if is_on(attrs.get("bidirectional")) else ""]
    return ", ".join(word for word in words if word)


def _sizes(text: str) -> str:
    """Return sizes in MXNet's spelling as a reader's: ``(3, 3)`` as ``3×3``."""
    return "×".join(part.strip() for part in text.strip("()[] ").split(",") if part.strip())
