"""What an operator computes, as the matcher sees it: one kind per family of operators, and what changes the function.

MXNet has several operators for one function (``relu``, ``Activation``; ``elemwise_add``, ``broadcast_add``, ``_plus``),
and attributes that only tune or name. Two operators with equal `Kind` compute the same function of their inputs and
parameters, up to the sizes that the shapes of the parameters tell.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Mapping, NamedTuple, Tuple

__all__ = ["ACTIVATIONS", "Kind", "kind_of_node", "is_normalisation"]

Settings = Tuple[Tuple[str, str], ...]


class Kind(NamedTuple):
    """The family of an operator, and the settings that change what it computes."""

    family: str
    settings: Settings
    is_transparent: bool  # the same values, maybe in another shape: the matcher looks through it
    is_commutative: bool


_FAMILIES = {
    "add": (
        "elemwise_add",
        "broadcast_add",
        "broadcast_plus",
        "_plus",
        "_Plus",
        "_add",
        "_grad_add",
        "add_n",
        "ElementWiseSum",
        "_npi_add",
        "_sum",
    ),
    "multiply": ("elemwise_mul", "broadcast_mul", "_mul", "_Mul", "_npi_multiply"),
    "subtract": ("elemwise_sub", "broadcast_sub", "broadcast_minus", "_minus", "_Minus", "_sub", "_npi_subtract"),
    "divide": ("elemwise_div", "broadcast_div", "_div", "_Div", "_npi_true_divide"),
    "concat": ("Concat", "concat", "_npi_concatenate"),
    "BatchNorm": ("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "CuDNNBatchNorm"),
    "Convolution": ("Convolution", "Convolution_v1"),
    "Pooling": ("Pooling", "Pooling_v1"),
    "FullyConnected": ("FullyConnected",),
    "split": ("SliceChannel", "split", "_split_v2"),
    "crop": ("slice", "crop"),
    "transpose": ("transpose", "_npi_transpose"),
    "dot": ("batch_dot", "dot", "_npi_matmul", "_linalg_gemm2", "linalg_gemm2"),
    "relu": ("relu", "_npx_relu"),
    "sigmoid": ("sigmoid", "_npx_sigmoid"),
    "tanh": ("tanh", "_npi_tanh"),
    "softmax": ("softmax", "SoftmaxActivation", "_npx_softmax"),
}
_FAMILY_OF_OP = {op: family for family, ops in _FAMILIES.items() for op in ops}
_COMMUTATIVE = frozenset({"add", "multiply"})

_TRANSPARENT = frozenset(
    ["Dropout", "_copy", "identity", "_np_copy", "BlockGrad", "stop_gradient", "make_loss", "MakeLoss", "Cast", "cast"]
    + ["amp_cast", "Flatten", "flatten", "Reshape", "reshape", "_np_reshape", "_npx_reshape", "expand_dims", "squeeze"]
    + ["reshape_like", "slice_like", "broadcast_like", "_identity_with_attr_like_rhs", "_contrib_div_sqrt_dim"]
    + ["SoftmaxOutput", "Softmax", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"]
    + ["SVMOutput"]
)

_SPATIAL = {"stride": "1", "dilate": "1", "pad": "0"}
_SETTINGS: dict[str, dict[str, str]] = {
    "Convolution": {**_SPATIAL, "num_group": "1"},
    "Deconvolution": {**_SPATIAL, "num_group": "1", "adj": "0"},
    "BatchNorm": {"eps": "0.001", "fix_gamma": "True", "axis": "1"},
    "_contrib_BatchNormWithReLU": {"eps": "0.001", "fix_gamma": "True", "axis": "1"},
    "Pooling": {"pool_type": "max", "kernel": "", "stride": "1", "pad": "0"},
    "FullyConnected": {},
    "Embedding": {},
    "Activation": {"act_type": "relu"},
    "split": {"axis": "1"},
    "concat": {"dim": "1"},
}  # the settings that change the function, and what they are when left out
_NEVER_MATTER = frozenset({"workspace", "cudnn_tune", "cudnn_off", "cudnn_algo_verbose", "dtype", "name", "num_args"})
_CHANNELS_FIRST = frozenset({"None", "", "NCW", "NCHW", "NCDHW"})
_ONLY_IN_TRAINING = {"RNN": "p"}
_NORMALISATION = frozenset({"BatchNorm", "LayerNorm", "InstanceNorm", "GroupNorm", "_contrib_BatchNormWithReLU"})
ACTIVATIONS = frozenset(["relu", "sigmoid", "tanh", "softrelu", "softsign", "LeakyReLU", "softmax", "exp", "sin"])


def is_normalisation(family: str) -> bool:
    """Return whether layers of a family rescale the values of the layer before them."""
    return family in _NORMALISATION


def kind_of_node(op: str, attrs: Mapping[str, str]) -> Kind:
    """Return the kind of an operator with its attributes."""
    return _kind(op, tuple(attrs.items()))


@lru_cache(maxsize=10_000)
def _kind(op: str, items: Settings) -> Kind:
    attrs = dict(items)
    family = _FAMILY_OF_OP.get(op, op)
    if family == "Activation":
        family = attrs.get("act_type", "relu")
    elif op == "_npi_concatenate":
        attrs = {"dim": attrs.get("axis", "0")}
    elif family == "Pooling" and attrs.get("global_pool") in ("True", "1", "true"):
        return Kind("global " + attrs.get("pool_type", "max"), (), False, False)
    return Kind(family, _settings(family, attrs), op in _TRANSPARENT, family in _COMMUTATIVE)


def _settings(family: str, attrs: Mapping[str, str]) -> Settings:
    """Return what changes the function, in one spelling."""
    if family in ("relu", "sigmoid", "tanh", "add", "multiply", "subtract", "divide"):
        return ()
    usual = _SETTINGS.get(family)
    if usual is None:
        without = {*_NEVER_MATTER, _ONLY_IN_TRAINING.get(family)}
        usual = {key: "" for key in attrs if not (key.startswith("__") or key in without)}
    found = {key: _spelled(attrs.get(key, default)) for key, default in usual.items()}
    if attrs.get("layout", "None") not in _CHANNELS_FIRST:
        found["layout"] = attrs["layout"]
    return tuple(sorted(found.items()))


def _spelled(value: str) -> str:
    """Return a value in one spelling: no blanks, ``(1,1)`` as ``1``, numbers and truth values as Python writes them."""
    text = value.replace(" ", "").replace("L", "") if value[:1] in "([" else value.strip()
    parts = text.strip("()[]").strip(",").split(",")
    if len(set(parts)) == 1:
        text = parts[0]
    try:
        return repr(float(_TRUTH.get(text.lower(), text)))
    except ValueError:
        return text


_TRUTH = {"true": "1", "false": "0"}  # some writers spell them as numbers
