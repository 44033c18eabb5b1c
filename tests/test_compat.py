"""What is put back before mxnet is imported, where it is missing and nowhere else."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

from gluon_subgraph import compat


def test_prepare_again_changes_nothing() -> None:
    before = {name: module for name, module in sys.modules.items() if "distutils" in name or name == "mxnet"}
    names = set(vars(np))

    compat.prepare()

    assert {name: module for name, module in sys.modules.items() if "distutils" in name or name == "mxnet"} == before
    assert set(vars(np)) == names


def test_prepare_in_a_new_process_gives_a_working_mxnet_and_no_false_distutils() -> None:
    program = (
        "import sys\nfrom gluon_subgraph import compat\nimport mxnet as mx\n"
        "mx.npx.set_np()\n"
        "x = mx.np.array([1.0, 2.0])\n"
        "print(x[x > 1.5].tolist())\n"
        "version = sys.modules.get('distutils.version')\n"
        "print(getattr(version, 'LooseVersion', None) is compat._Version)\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    assert finished.stdout.splitlines()[-2:] == ["[2.0]", "False"]


def test_restore_bool_missing_is_the_builtin() -> None:
    numpy = types.ModuleType("numpy")
    compat._restore_bool(numpy)
    assert numpy.bool is bool


def test_restore_bool_present_is_left_alone() -> None:
    numpy = types.ModuleType("numpy")
    numpy.bool = np.bool_
    compat._restore_bool(numpy)
    assert numpy.bool is np.bool_


def test_restore_bool_deprecated_is_left_alone_without_a_warning() -> None:
    numpy = types.ModuleType("numpy")
    numpy.__getattr__ = lambda name: warnings.warn(name, DeprecationWarning, stacklevel=2)
    compat._restore_bool(numpy)
    assert "bool" not in vars(numpy)


def test_distutils_stand_in_compares_versions_then_vanishes() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith("distutils")}

    with compat._distutils_stand_in():
        version = importlib.import_module("distutils.version")
        assert version.LooseVersion("1.26.4") >= version.LooseVersion("1.17")
        assert version.StrictVersion("1.10.0") > version.StrictVersion("1.9.9")
        assert version.StrictVersion("1.6.0") == version.StrictVersion("1.6.0")
        assert len({version.StrictVersion("1.6.0"), version.StrictVersion("1.6.0")}) == 1

    assert {name: module for name, module in sys.modules.items() if name.startswith("distutils")} == before


def test_distutils_stand_in_gives_back_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    real = types.ModuleType("distutils")
    monkeypatch.setitem(sys.modules, "distutils", real)
    with pytest.raises(ImportError, match="broken"), compat._distutils_stand_in():
        raise ImportError("broken")
    assert sys.modules["distutils"] is real
