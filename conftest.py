"""What pytest does not collect: the example of to_onnx, where the packages of the onnx extra are not installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("onnx") and find_spec("onnxruntime") else ["gluon_subgraph/onnx_export.py"]
