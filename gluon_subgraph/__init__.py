"""Take a trained MXNet network apart and put its weights to work again.

>>> import gluon_subgraph as gs, mxnet as mx
>>> net = mx.gluon.model_zoo.vision.resnet18_v1(prefix="net_")
>>> piece = gs.extract(net, inputs="pool0_fwd", outputs="stage2_activation1")
>>> piece.input_names
('net_pool0_fwd_output',)
"""

from . import compat

compat.prepare()

from . import trees  # noqa: E402 - everything below imports mxnet, which needs what compat prepares
from .binding import bind_params, match_params  # noqa: E402
from .binding_report import Binding  # noqa: E402
from .block import SubgraphBlock  # noqa: E402
from .checkpoints import load  # noqa: E402
from .errors import BindingError, NameConflictError, OpenCutError, SubgraphError, UnknownNodeError  # noqa: E402
from .extraction import extract, extract_symbol  # noqa: E402
from .freezing import freeze, unfreeze  # noqa: E402
from .heads import replace_head  # noqa: E402
from .listing import NodeInfo, NodeList, list_nodes  # noqa: E402
from .onnx_export import OnnxFile, to_onnx  # noqa: E402
from .picture import Picture  # noqa: E402
from .plot import plot  # noqa: E402
from .renaming import Renamed, rename  # noqa: E402
from .trainable_table import trainable  # noqa: E402
from .tying import tie_towers  # noqa: E402

__all__ = [
    "Binding",
    "BindingError",
    "NameConflictError",
    "NodeInfo",
    "NodeList",
    "OnnxFile",
    "OpenCutError",
    "Picture",
    "Renamed",
    "SubgraphBlock",
    "SubgraphError",
    "UnknownNodeError",
    "bind_params",
    "extract",
    "extract_symbol",
    "freeze",
    "list_nodes",
    "load",
    "match_params",
    "plot",
    "rename",
    "replace_head",
    "tie_towers",
    "to_onnx",
    "trainable",
    "trees",
    "unfreeze",
]

__version__ = "0.1.0"
