"""Equal names prove something only where no counter can have shifted."""

from __future__ import annotations

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import time
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon

from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

LAYERS = st.lists(st.tuples(st.sampled_from(["conv", "dense"]), st.sampled_from([(2, 2), (3, 2), (5, 3)])), max_size=8)


def numbered(layers: list[tuple[str, tuple[int, ...]]], kept: list[bool]) -> dict[str, int]:
    """Return {name: layer} of the layers kept, counted as Gluon counts them."""
    count: Counter[str] = Counter()
    found = {}
    for i, ((stem, _), is_kept) in enumerate(zip(layers, kept)):
        if is_kept:
            found[f"net_{stem}{count[stem]}_weight"] = i
            count[stem] += 1
    return found


@settings(max_examples=300, deadline=None)
@given(LAYERS, st.data(), st.booleans())
def test_layers_left_out_never_bind_wrongly(layers: list, data: st.DataObject, is_source: bool) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(layers), max_size=len(layers)))
    ours, theirs = numbered(layers, kept), numbered(layers, [True] * len(layers))
    ours, theirs = (theirs, ours) if is_source else (ours, theirs)
    found = match(*(Side({name: layers[i][1] for name, i in names.items()}) for names in (ours, theirs)))
    named = [t for t, why in found.evidence.items() if why == "equal names"]  # not as one stretch, by shapes
    assert {t: theirs[found.mapping[t]] for t in named} == {t: ours[t] for t in named}


def test_a_network_in_a_larger_file_is_bound_by_its_names() -> None:
    net = {f"n_dense{i}_weight": (4, 4) for i in range(5)}
    others = {f"other{i}_weight": (4, 4) for i in range(40)}
    for target, source in ((net, {**others, **net}), ({**others, **net}, net)):
        found = match(Side(target), Side(source))
        assert found.mapping == {name: name for name in net}
        assert set(found.evidence.values()) == {"equal names"}


def test_a_stretch_of_a_longer_row_is_refused_with_the_reason() -> None:
    row = {f"n_dense{i}_weight": (4, 4) for i in range(9)}
    found = match(Side({name: row[name] for name in list(row)[:5]}), Side(row))
    assert found.mapping == {}
    assert all("others like it are left over" in reason for reason in found.missing.values())


def test_another_head_does_not_keep_the_rest_from_being_bound() -> None:
    body = {f"b{i}_weight": (4, 4) for i in range(6)}
    found = match(Side({**body, "head_weight": (3, 4)}), Side({**body, "classes_weight": (1000, 4), "x": (7,)}))
    assert found.mapping == {name: name for name in body}
    assert found.mismatched["head_weight"].source == "classes_weight"


def test_thousands_of_equal_names_and_shapes_are_bound_at_once() -> None:
    side = Side({f"layer{i}.{role}": (2, 2) for i in range(4000) for role in ("weight", "extra")})
    began = time.process_time()
    found = match(side, Side(dict(reversed(list(side.shapes.items())))))
    assert found.mapping == {name: name for name in side.shapes}
    assert time.process_time() - began < 2


class WithSpare(gluon.HybridBlock):
    """A block with a parameter that it does not use."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        with self.name_scope():
            self.dense = gluon.nn.Dense(3, in_units=3)
            self.spare = self.params.get("spare", shape=(size,), init="one")

    def hybrid_forward(self, F: Any, x: Any, spare: Any) -> Any:
        return self.dense(x)


def test_a_parameter_that_nothing_reads_is_bound_by_its_path_and_shape() -> None:
    a, b, c = WithSpare(5, prefix="a_"), WithSpare(5, prefix="b_"), WithSpare(6, prefix="c_")
    for net in (a, b, c):
        net.initialize()
    plan = gs.match_params(b, a)
    assert plan.is_complete
    assert (plan.mapping["b_spare"], plan.evidence["b_spare"]) == ("a_spare", "equal names, read by no operator")
    assert gs.match_params(b, c).missing.keys() == {"b_spare"}
