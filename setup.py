"""Metadata and the extensions; every other setting is in pyproject.toml."""

import os
from pathlib import Path

from setuptools import Extension, setup

# Without a compiler the package installs all the same and runs on the Python twin of the kernels.
REQUIRE_CYTHON = os.environ.get("GLUON_SUBGRAPH_REQUIRE_CYTHON") == "1"

# onnx 1.19 removed onnx.mapping, which mxnet 1.9.1 imports, and needs a NumPy that mxnet does not run with on 3.13.
ONNX = ["onnx>=1.14,<1.19", "onnxruntime>=1.16"]
SAFETENSORS = "safetensors>=0.4"  # what our own reader and writer are compared with
TEST = ["pytest>=7", "pytest-xdist>=3", "hypothesis>=6", "cython>=3", "setuptools>=61", "wheel", *ONNX]
TEST += [SAFETENSORS]
# Graphviz's own libraries, without its programs, where there is a wheel of them; `plot` also takes the program `dot`.
PLOT = ["pygraphviz>=2; python_version>='3.10' and platform_machine=='x86_64' and sys_platform=='linux'"]
TEST += PLOT
DEMO = ["scikit-learn>=1", *PLOT]
# What the tutorials use, and what runs them and writes their pages.
DOCS = ["matplotlib>=3.5", "mlxtend>=0.22", SAFETENSORS, *DEMO, *ONNX]
DOCS += ["jupytext>=1.14", "nbclient>=0.9", "nbconvert>=7", "ipykernel>=6.20"]
# What the tree kernels are compared with; it has wheels for these versions only.
RIVAL = ["networkx_algo_common_subtree==0.2.2; python_version<'3.13'"]
BENCH = ["pytest-benchmark>=4", "onnx-graphsurgeon>=0.5", SAFETENSORS, *ONNX, *RIVAL]
BENCH += ["rustworkx>=0.14", "igraph>=0.11"]  # subgraph isomorphism
# Benchmarked against where it is installed; torch is large, and of its builds one for CPUs will do.
PEERS = ["torch_liberator==0.2.1", "torch"]
LINT = ["ruff>=0.6", "mypy>=1.8", "cython-lint>=0.15; python_version>='3.9'", "build>=1"]

setup(
    name="gluon_subgraph",
    version="0.1.0",
    description="Cut pieces out of trained MXNet Gluon networks, still trained",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.8",
    install_requires=[
        "mxnet==1.9.1",
        # mxnet allows numpy<2 but reads np.bool, which 1.24 removed; gluon_subgraph.compat restores it.
        "numpy<1.24; python_version<'3.12'",
        "numpy>=1.26,<2; python_version>='3.12'",
        "networkx>=2.8",
        "click>=8.1",
        "tqdm>=4.58",  # the first with a delay
    ],
    entry_points={"console_scripts": ["gluon-subgraph = gluon_subgraph.command_line:main"]},
    extras_require={
        "onnx": ONNX,
        "plot": PLOT,
        "test": TEST,
        "demo": DEMO,
        "docs": DOCS,
        "bench": BENCH,
        "peers": PEERS,
        "dev": TEST + DOCS + LINT + RIVAL,
    },
    packages=["gluon_subgraph"],
    package_data={"gluon_subgraph": ["py.typed", "*.pyi", "*.pyx"]},
    ext_modules=[
        Extension(f"gluon_subgraph.{kernel}", [f"gluon_subgraph/{kernel}.pyx"], optional=not REQUIRE_CYTHON)
        for kernel in ("_alignment", "_forms", "_matcher", "_symbol_text", "_unordered")
    ],
    zip_safe=False,
)
