"""The committed digits network: loads, is small, and scores what its script printed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import mxnet as mx
import numpy as np
import pytest

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"
SYMBOL_FILE = TUTORIALS / "digits" / "digits-symbol.json"
PARAMS_FILE = TUTORIALS / "digits" / "digits-0000.params"
PRINTED_CORRECT = 225
TEST_IMAGES = 226


@pytest.fixture
def train_digits(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the training script, imported as a tutorial beside it imports it."""
    monkeypatch.syspath_prepend(str(TUTORIALS))
    import train_digits

    return train_digits


@pytest.fixture
def rebuilt(train_digits: ModuleType) -> mx.gluon.HybridBlock:
    """Return DigitsNet with the committed parameters."""
    net = train_digits.DigitsNet()
    net.collect_params().load(str(PARAMS_FILE), ctx=mx.cpu())
    return net


@pytest.fixture
def imported() -> mx.gluon.SymbolBlock:
    """Return the committed symbol with the committed parameters."""
    return mx.gluon.SymbolBlock.imports(str(SYMBOL_FILE), ["data"], str(PARAMS_FILE))


def require_sklearn() -> None:
    """Skip the calling test where the digits cannot be read."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed, and it has the digits")


def test_committed_files_together_are_under_one_megabyte() -> None:
    assert SYMBOL_FILE.stat().st_size + PARAMS_FILE.stat().st_size < 1_000_000


def test_committed_checkpoint_holds_exactly_the_variables_of_its_symbol() -> None:
    symbol, arg_params, aux_params = mx.model.load_checkpoint(str(TUTORIALS / "digits/digits"), 0)

    assert set(symbol.list_arguments()) - {"data"} == set(arg_params)
    assert set(symbol.list_auxiliary_states()) == set(aux_params)


def test_committed_symbol_is_the_one_the_class_traces_to(train_digits: ModuleType) -> None:
    committed = mx.sym.load(str(SYMBOL_FILE)).get_internals().list_outputs()

    traced = train_digits.DigitsNet()(mx.sym.var("data")).get_internals().list_outputs()

    assert sorted(committed) == sorted(traced)


def test_rebuilt_network_and_imported_symbol_agree_bit_for_bit(
    rebuilt: mx.gluon.HybridBlock, imported: mx.gluon.SymbolBlock
) -> None:
    images = mx.nd.array(np.random.RandomState(0).uniform(size=(4, 1, 8, 8)))

    assert np.array_equal(rebuilt(images).asnumpy(), imported(images).asnumpy())


@pytest.mark.parametrize("fixture_name", ["rebuilt", "imported"])
def test_committed_network_scores_the_printed_accuracy(
    fixture_name: str, request: pytest.FixtureRequest, train_digits: ModuleType
) -> None:
    require_sklearn()
    net = request.getfixturevalue(fixture_name)
    _, _, images, labels = train_digits.load_digits_data()

    accuracy = train_digits.measure_accuracy(net, images, labels)

    assert len(labels) == TEST_IMAGES
    assert accuracy >= 0.98
    # Another processor may round the one close call the other way.
    assert accuracy == pytest.approx(PRINTED_CORRECT / TEST_IMAGES, abs=1.5 / TEST_IMAGES)


def test_load_digits_data_repeats_its_split(train_digits: ModuleType) -> None:
    require_sklearn()
    first = train_digits.load_digits_data()
    second = train_digits.load_digits_data()

    assert all(np.array_equal(one, other) for one, other in zip(first, second))
    # Which images are held out is part of the accuracy, so it is pinned.
    assert first[3][:12].tolist() == [1, 0, 4, 2, 0, 2, 0, 3, 3, 2, 1, 4]


def test_load_digits_data_renumbers_labels_and_scales_pixels(train_digits: ModuleType) -> None:
    require_sklearn()
    train_images, train_labels, test_images, test_labels = train_digits.load_digits_data(classes=range(5, 10))

    assert train_images.shape == (len(train_labels), 1, 8, 8)
    assert test_images.shape == (len(test_labels), 1, 8, 8)
    assert train_images.dtype == test_images.dtype == np.float32
    assert (train_images.min(), train_images.max()) == (0.0, 1.0)
    assert np.unique(train_labels).tolist() == np.unique(test_labels).tolist() == [0, 1, 2, 3, 4]


def test_export_replaces_both_files_and_leaves_nothing_else(
    rebuilt: mx.gluon.HybridBlock, train_digits: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "digits-symbol.json").write_text("old")
    rebuilt.hybridize()
    rebuilt(mx.nd.zeros((1, 1, 8, 8)))

    paths = train_digits.export(rebuilt, tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert mx.sym.load(str(paths[0])).list_inputs() == mx.sym.load(str(SYMBOL_FILE)).list_inputs()
    exported, committed = mx.nd.load(str(paths[1])), mx.nd.load(str(PARAMS_FILE))
    assert exported.keys() == committed.keys()
    for name, values in committed.items():
        assert np.array_equal(exported[name].asnumpy(), values.asnumpy()), name
