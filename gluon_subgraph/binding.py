"""match_params and bind_params: weights from one network, or file, into another by what the layers are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Collection, Mapping

from .binding_report import Binding
from .completeness import Allowed, refuse_incomplete
from .errors import BindingError, SubgraphError
from .loading import Move, ready_values
from .planning import plan_of
from .sides import may_be_same
from .sources import Weights, read_weights
from .writing import check_places, checked_contexts, separated_values, write_values

__all__ = ["match_params", "bind_params", "with_overlaps"]

_ON_MISMATCH = ("error", "skip", "overlap")


def match_params(
    target: Any, source: Any, *, pairs: Mapping[str, str] | None = None, skip: str | Collection[str] = ()
) -> Binding:
    """Return which parameter of `source` belongs to which of `target`; nothing is read but shapes and dtypes.

    Two parameters belong together because of what their layers compute, where these stand and which shapes they
    hold; names are evidence, and no proof. What cannot be decided is listed, never guessed. Nothing is changed.

    Parameters
    ----------
    target, source : Block, Symbol, (symbol, arg_params, aux_params), (symbol file, params file), mapping, or path
        Any Gluon block, initialised or not; one that cannot be traced is known by its names alone, and the
        binding's `notes` say why. A mapping is one of name to anything with ``.shape`` and ``.dtype`` (MXNet and
        NumPy arrays, torch tensors, the entries of a file's header); a path that of a ``.params``, ``.npz`` or
        ``.safetensors`` file or of a HuggingFace folder, of which only the headers are read, and later the values
        that are bound. ``arg:`` and ``aux:`` before a name are left out.
    pairs : mapping of str to str, optional
        {target: source}, decided by you. Structural names (``"features.0.weight"``) will do.
    skip : str or collection of str
        Target parameters to leave as they are: names or globs (``"*dense1*"``). What in the source corresponds to
        them is not counted as extra.

    Returns
    -------
    Binding
        Prints as a table; give it to `bind_params` as `source` to carry it out.

    Raises
    ------
    BindingError
        `pairs` is no mapping, or `skip` no list of names; either names what is not there, or both the same;
        `pairs` gives one target two sources, or pairs shapes that cannot fit; a name has two values.
    SubgraphError
        A side holds no parameters by name, or a file cannot be read.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=3, prefix="d_")
    >>> source = {"d_weight": mx.nd.ones((2, 3)), "d_bias": mx.nd.zeros(2)}
    >>> gs.match_params(net, source).mapping
    {'d_weight': 'd_weight', 'd_bias': 'd_bias'}
    """
    return plan_of(read_weights(target, "target"), read_weights(source, "source"), pairs, skip)


def bind_params(
    target: Any,
    source: Any,
    *,
    pairs: Mapping[str, str] | None = None,
    skip: str | Collection[str] = (),
    allow_missing: bool = False,
    ignore_extra: bool = False,
    on_shape_mismatch: str = "error",
    cast_dtype: bool = False,
    ctx: Any = None,
) -> Binding:
    """Load the values of `source` into the parameters of `target` that they belong to; return what was done.

    Everything is checked and read before the first value is set, so an error leaves all values as they were. Values are
    set in place: whatever shares a parameter or an array keeps sharing it, and ``grad_req``, multipliers and
    contexts stay. A parameter without a value, or of unknown shape, gets both.

    Parameters
    ----------
    target : Block, or (symbol, arg_params, aux_params) or mapping of NDArrays
        What to load into.
    source : Binding, or anything `match_params` takes, except a Symbol
        A Binding is carried out as it is, with the values that its source has now; `target` must be what it was
        planned for, or have the same parameters.
    pairs, skip
        As for `match_params`.
    allow_missing : bool, default False
        Load the others where a parameter is missing in the source, or is ambiguous.
    ignore_extra : bool, default False
        Do not mind parameters of the source that nothing in the target corresponds to.
    on_shape_mismatch : {"error", "skip", "overlap"}, default "error"
        What happens to parameters that correspond but do not fit. ``"overlap"`` copies the leading block that fits and
        leaves the rest as it is; the binding's `overlapped` lists them.
    cast_dtype : bool, default False
        Convert values to the target's dtype where they differ.
    ctx : Context or list of Context, optional
        Where parameters without a place yet are put; by default where deferred initialisation would, else the
        current context. Others must be there already.

    Returns
    -------
    Binding

    Raises
    ------
    BindingError
        A parameter is missing, ambiguous, mismatched or extra and that is not allowed; a dtype or context differs; a
        source parameter has no value; `pairs` and `skip` are not what `match_params` takes; a Binding is one of other
        parameters, or is given together with `pairs` or `skip`. Nothing has been loaded then.
    SubgraphError
        An option is none of those above, or a side cannot be read.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=3, prefix="d_")
    >>> gs.bind_params(net, {"d_weight": mx.nd.ones((2, 3)), "d_bias": mx.nd.zeros(2)}).is_complete
    True
    >>> net(mx.nd.ones((1, 3))).asnumpy().tolist()
    [[3.0, 3.0]]
    """
    if on_shape_mismatch not in _ON_MISMATCH:
        msg = f"on_shape_mismatch={on_shape_mismatch!r}.\n  It is 'error', 'skip' or 'overlap'; nothing was loaded."
        raise SubgraphError(msg)
    contexts = checked_contexts(ctx)
    weights = _writable(target)
    if isinstance(source, Binding):
        plan = _plan_for(weights, source, pairs, skip)
    else:
        is_strict = on_shape_mismatch == "error"
        plan = plan_of(weights, read_weights(source, "source"), pairs, skip, is_strict=is_strict)
    if plan._source.kind == "symbol":
        msg = "source is a Symbol, which holds no values.\n  Give (symbol, arg_params, aux_params); nothing was loaded."
        raise BindingError(msg)
    if on_shape_mismatch == "overlap":
        plan = with_overlaps(plan)
    refuse_incomplete(plan, Allowed(allow_missing, ignore_extra, on_shape_mismatch != "error", cast_dtype))
    moves = [Move(t, s, plan.transforms.get(t, "same")) for t, s in plan.mapping.items()]
    moves += [Move(t, plan.mismatched[t].source, "same", block) for t, block in plan.overlapped.items()]
    places = weights.open_values()
    check_places([m.target for m in moves], places, contexts)
    ready = ready_values(moves, places, plan._source.open_values(), cast_dtype=cast_dtype)
    ready = separated_values(ready, places)
    write_values(ready, places, contexts, is_np=weights.is_np)
    return plan


def _writable(target: Any) -> Weights:
    if isinstance(target, Binding):
        msg = "target is a Binding.\n  The plan goes second: bind_params(net, binding); nothing was loaded."
        raise SubgraphError(msg)
    weights = read_weights(target, "target")
    if weights.kind in ("file", "symbol"):
        kind = "a Symbol, which holds no values" if weights.kind == "symbol" else "read from a file"
        msg = (
            f"target {weights.title} is {kind}; values are set in memory.\n"
            "  Give a block, or (symbol, arg_params, aux_params) as load_checkpoint returns it, and save it afterwards;"
            " nothing was loaded."
        )
        raise BindingError(msg)
    return weights


def _plan_for(target: Weights, plan: Binding, pairs: Any, skip: Any) -> Binding:
    """Return a plan made before, now for `target`; refuse one that was made for other parameters."""
    if pairs or skip:
        msg = (
            f"{'pairs' if pairs else 'skip'} is given with a plan, which has them already.\n"
            "  Give it to match_params, or give bind_params the source itself; nothing was loaded."
        )
        raise BindingError(msg)
    if plan._target is None or plan._source is None:
        msg = "this Binding is not from match_params.\n  Plan with match_params(target, source); nothing was loaded."
        raise BindingError(msg)
    planned, given = plan._target.side.shapes, target.side.shapes
    differing = [n for n in planned if n not in given] + [n for n in given if n not in planned]
    if differing:
        msg = (
            f"the plan was made for {plan._target.title}, of {len(planned)} parameters, and target {target.title} has"
            f" {len(given)}: only one of them has {differing[0]!r}.\n"
            "  Give the target it was made for, or make a new plan with match_params; nothing was loaded."
        )
        raise BindingError(msg)
    reshaped = [n for n in planned if not may_be_same(planned[n], given[n])]
    if reshaped:
        name = reshaped[0]
        msg = (
            f"the plan was made for {plan._target.title}, where {name!r} is {planned[name]}; in target"
            f" {target.title} it is {given[name]}.\n"
            "  Give the target it was made for, or make a new plan with match_params; nothing was loaded."
        )
        raise BindingError(msg)
    strange = [(t, f"target {target.title}") for t in plan.mapping if t not in given]
    strange += [(s, f"source {plan._source.title}") for s in plan.mapping.values() if s not in plan._source.side.shapes]
    if strange:
        name, side = strange[0]
        msg = (
            f"the mapping of the plan names {name!r}, which is no parameter of {side}.\n"
            "  Change a plan through pairs and skip of match_params; nothing was loaded."
        )
        raise BindingError(msg)
    return replace(plan, _target=target, overlapped={})


def with_overlaps(plan: Binding) -> Binding:
    """Return `plan` with the leading block that each mismatched parameter has in common with its source."""
    targets, sources = plan._target.side.shapes, plan._source.side.shapes
    overlapped = {}
    for name, (source, _) in plan.mismatched.items():
        wanted, given = targets[name], sources[source]
        if wanted is None or given is None or len(wanted) != len(given) or 0 in wanted or 0 in given:
            msg = (
                f"target {name!r} {wanted} and source {source!r} {given} have no leading block in common.\n"
                f"  Leave it with skip=[{name!r}], or pass on_shape_mismatch='skip'; nothing was loaded."
            )
            raise BindingError(msg)
        overlapped[name] = tuple(min(pair) for pair in zip(wanted, given))
    return replace(plan, overlapped=overlapped)
