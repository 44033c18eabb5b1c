"""Take a trained MXNet network apart and put its weights to work again."""

from . import compat

compat.prepare()

from . import trees  # noqa: E402 - everything below imports mxnet, which needs what compat prepares
from .errors import BindingError, NameConflictError, OpenCutError, SubgraphError, UnknownNodeError  # noqa: E402

__all__ = [
    "BindingError",
    "NameConflictError",
    "OpenCutError",
    "SubgraphError",
    "UnknownNodeError",
    "trees",
]

__version__ = "0.1.0"
