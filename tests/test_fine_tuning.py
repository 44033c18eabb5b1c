"""The fine-tuning demonstration holds what it says."""

from __future__ import annotations

from pathlib import Path

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import pytest
from samples import values

TUTORIALS = Path(__file__).resolve().parents[1] / "tutorials"


def test_frozen_trunk_with_new_head_is_ahead_of_training_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TUTORIALS))
    import fine_tuning
    import train_digits

    net = train_digits.load_network()
    before = values(net)
    found = fine_tuning.compare(net)
    assert len(found.tuned) == len(found.from_scratch) == 5
    assert found.lead >= 0.05
    assert values(net) == before
