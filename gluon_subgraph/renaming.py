"""rename: a network under other names, over the same parameters, and the map that undoes it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Mapping

import mxnet as mx
from mxnet import gluon

from .block import SubgraphBlock
from .block_tree import collected_parameters
from .codec import symbol_of_graph
from .cut import check_not_fused
from .errors import SubgraphError
from .graph import Graph
from .naming_rules import Names
from .network import Network
from .plain_blocks import renamed_plain_block
from .rename import inverse_names, names_of, new_keys, new_names, renamed_graph
from .renaming_checks import check_made_names, check_names_in_files
from .renaming_files import RenamedFiles
from .settings import note_name
from .state import keep_structural_names
from .storage import structural_names
from .tables import Table

__all__ = ["Renamed", "rename"]

_MOST_ROWS = 30


@dataclass(frozen=True)
class Renamed:
    """What `rename` returns; ``print(renamed)`` shows the names, its repr the first rows.

    Attributes
    ----------
    net : SubgraphBlock, Symbol, triple, pair of paths, or Block
        The renamed network; None of a dry run.
    mapping : dict of str to str
        {old name: new name} of what changes, in topological order.
    inverse : dict of str to str
        {new name: old name}: ``rename(renamed.net, renamed.inverse)`` has the old names again.
    """

    net: Any = field(repr=False, compare=False)
    mapping: dict[str, str]
    inverse: dict[str, str]

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return str(self.table(_MOST_ROWS))

    def _repr_html_(self) -> str:
        return self.table().html()

    def table(self, most: int | None = None) -> Table:
        """Return the names as a table, the first `most` of them, their number below."""
        count = len(self.mapping)
        rows = list(self.mapping.items())[:most]
        left = [f"... and {count - len(rows)} more; print(renamed) shows them"] if len(rows) < count else []
        return Table(["old name", "new name"], rows, below=[*left, f"{count} name{'s'[: count != 1]} changed."])


def rename(net: Any, names: Any, *, out: Any = None, dry_run: bool = False) -> Renamed:
    """Return a network under other names, over the same parameters, with the map that undoes it.

    All names count: operators, parameters, auxiliary states, data inputs, and what stands in the bodies of
    control-flow operators. `net` is not modified. Parameters are shared, not copied, and keep the names they were
    made with; the renamed network has its own variables, bound to them.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, Symbol, (symbol, arg_params, aux_params), (symbol file, params file), or Block
        The network. Of a plain Block, which has no graph, the names are those of its parameters.
    names : str, dict of str to str, or callable
        A string is the new prefix: it takes the place of the network's own, and is put before the names of
        operators and parameters that do not begin with that. Data inputs that do not begin with it stay as they are.
        A string with a wildcard is a glob for all names: ``"*_old"``. A dict holds exact names, which come first, and
        globs, of which the first that matches counts: ``{"conv*_w": "conv*_weight"}``, where each ``*`` or ``?``
        stands for what it matched, ``*`` for as little as possible. A key may leave out the network's prefix; the
        new name then gets it. A function is called with each name and returns the new one.
    out : str, path, or pair of these, optional
        For a pair of files: where the renamed pair goes. One path ``p`` means ``p-symbol.json`` and
        ``p-0000.params``, with the epoch of the given file if it has one.
    dry_run : bool, default False
        Only find and check the names; nothing is made or written, and `net` of the result is None.

    Returns
    -------
    Renamed
        ``.net`` is a SubgraphBlock for a block; for anything else of the kind that was given. Of a plain Block it is
        a copy, whose `collect_params` has the new names. ``.mapping`` holds what changed, ``.inverse`` undoes it.

    Raises
    ------
    UnknownNodeError
        A key matches nothing.
    NameConflictError
        Two names would become one; a variable of a block would get a name that another Parameter was made with;
        files of `save_parameters` could be read in two ways.
    BindingError
        A value of a triple stands under two names; none in a file belongs to the symbol.
    SubgraphError
        `names` is nothing of the above, or a new name is no name; `out` is missing, or not called for; `net` cannot
        be traced, read or written, or is fused by a backend.

    Notes
    -----
    Operators that share a name, as those of a block called twice, get one new name. The attributes of nodes are not
    names, and stay: what another process may know a layer by, such as the ``key`` of SyncBatchNorm, is the same.

    Files of `net` load into the renamed block, whatever they call a parameter: by its path in the blocks
    (``features.0.weight``), by its old name, or behind ``arg:`` and ``aux:``; those of the renamed block do too.
    Each Parameter remembers the names it has had. Where a name could mean two of them, the naming that covers the
    whole block decides, or the file is refused; of a file that holds all names of today, no others count.
    `save_parameters` of the renamed block writes the names that `net` writes.

    Exchanging names is for files, triples and Symbols. In a block stock Gluon still knows parameters by the names
    they were made with, and would exchange their values in a file.

    Inputs that `net` takes and does not use are no inputs of the renamed block; nested lists of inputs are flat.

    The block nests in others, and there stock Gluon still goes by the names that Parameters were made with. `export`
    of a hybridized parent leaves out what it does not find by them, and ``collect_params().save`` of a parent of two
    instances that were made under one prefix loses the values of one: use `save_parameters` of the parent, which goes
    by path, or ``rename(parent, {}).net`` for either. A hybridized parent cannot infer unknown shapes: run the block
    once before. A Trainer over several devices refuses two Parameters that were made with one name: save and load one
    of the networks, which makes new Parameters. A parent of the network and its renamed block collects each Parameter
    under two names, and a Trainer takes the second for one without a gradient: give it the Parameters of one of them.
    The states of a Trainer go by the order of the sorted names: load them under the names that they were saved under.

    The copy of a plain Block shares its HybridBlocks: `hybridize`, `cast` and a change of their layers reach `net`
    too. Its plain blocks are its own.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=3, prefix="n_")
    >>> net.initialize()
    >>> renamed = gs.rename(net, "left_")
    >>> renamed
    old name  new name
    n_weight  left_weight
    n_bias    left_bias
    n_fwd     left_fwd
    3 names changed.
    >>> renamed.net.params["left_weight"] is net.weight
    True
    >>> gs.rename(renamed.net, renamed.inverse).net.output_names
    ('n_fwd_output',)
    """
    if isinstance(net, gluon.Block) and not isinstance(net, gluon.HybridBlock):
        _refuse_out(out)
        return _renamed_plain(net, names, dry_run)
    files = RenamedFiles.of(net, out, dry_run)
    if files is None:
        _refuse_out(out)
    network = Network.of(net) if files is None else files.network
    known = _names_of_network(network)
    new_of = new_names(known, names)
    mapping = {old: new for old, new in new_of.items() if new != old}
    inverse = inverse_names(known, new_of)
    if files is not None:
        files.new_keys(new_of)
    structural = _checked_structural_names(net, network, new_of) if isinstance(net, gluon.Block) else {}
    values = _renamed_values(net, new_of) if isinstance(net, (tuple, list)) and files is None else ()
    if dry_run:
        return Renamed(None, mapping, inverse)
    graph = renamed_graph(network.graph, new_of)
    symbol = symbol_of_graph(graph, is_np=network.is_np)
    result: Any = symbol
    if files is not None:
        result = files.write(symbol, new_of)
    elif isinstance(net, gluon.Block):
        prefix = names if isinstance(names, str) else known.prefix
        result = _renamed_block(net, network, graph, symbol, new_of, prefix)
        keep_structural_names(result, structural)
    elif values:
        result = (symbol, *values)
    return Renamed(result, mapping, inverse)


def _refuse_out(out: Any) -> None:
    if out is not None:
        msg = (
            f"out={os.fsdecode(out) if isinstance(out, os.PathLike) else out!r} is for a pair of files.\n"
            "  Any other network is renamed in memory.\n"
            "  Leave out away, and save or export the result; nothing was changed."
        )
        raise SubgraphError(msg)


def _names_of_network(network: Network) -> Names:
    data = frozenset(network.graph.nodes[i].name for i in network.data)
    return Names(names_of(network.graph), network.names.prefix, data, network.title)


def _renamed_plain(net: gluon.Block, names: Any, dry_run: bool) -> Renamed:
    nothing: frozenset[str] = frozenset()
    params = dict(collected_parameters(net).items())
    known = Names(dict.fromkeys(params, nothing), net.prefix, title=net.prefix or net.name)
    new_of = new_names(known, names)
    check_made_names(new_of, params)
    mapping = {old: new for old, new in new_of.items() if new != old}
    prefix = names if isinstance(names, str) else net.prefix
    if not all(new.startswith(prefix) for new in new_of.values()):
        prefix = ""  # of all names, as Gluon's load_parameters wants it
    result = None if dry_run else renamed_plain_block(net, new_of, prefix)
    return Renamed(result, mapping, {new: old for old, new in mapping.items()})


def _parameters_by_variable(network: Network) -> dict[str, gluon.Parameter]:
    """Return the Parameters of a block, in topological order of their variables."""
    names = dict.fromkeys(node.name for _, node in network.graph.variables() if node.name in network.parameters)
    return {name: network.parameters.get(name) for name in names}


def _checked_structural_names(net: gluon.Block, network: Network, new_of: Mapping[str, str]) -> dict[str, str]:
    """Return {name in a file of save_parameters: new name of the variable}, where all files can be told apart."""
    old_params = _parameters_by_variable(network)
    check_made_names({node.name: new_of[node.name] for _, node in network.graph.variables()}, old_params)
    name_of = {id(p): new_of[name] for name, p in old_params.items()}
    written = net._collect_params_with_prefix()
    found = {key: name_of[id(p)] for key, p in written.items() if id(p) in name_of}
    if set(found.values()) != set(name_of.values()):  # such a file of `net` lacks a parameter
        found = {key: new_of[name] for key, name in zip(structural_names(old_params), old_params)}
    check_names_in_files(found, {new_of[name]: p for name, p in old_params.items()})
    return found


def _renamed_block(
    net: gluon.HybridBlock,
    network: Network,
    graph: Graph,
    symbol: mx.sym.Symbol,
    new_of: Mapping[str, str],
    prefix: str,
) -> SubgraphBlock:
    """Return the block of a renamed graph, over the Parameters of `net`, which note what they were called."""
    check_not_fused(graph)
    old_params = _parameters_by_variable(network)
    params = {new_of[name]: parameter for name, parameter in old_params.items()}
    data = dict.fromkeys(node.name for _, node in network.graph.variables() if node.name not in old_params)
    inputs = dict.fromkeys([*(name for name in network.argument_names if name in data), *data])
    if not any(node.name.startswith(prefix) for node in graph.nodes):
        prefix = ""
    out_format = net._out_format if isinstance(net, gluon.SymbolBlock) else network.out_format
    inputs_now = [new_of[name] for name in inputs]
    block = SubgraphBlock._of(symbol, inputs_now, params, _lists_of_one(out_format), graph, prefix)
    for name, parameter in old_params.items():
        if new_of[name] != name:
            note_name(parameter, name)
    return block


def _lists_of_one(out_format: Any) -> Any:
    """Return the structure of outputs with a list in place of each Symbol of several."""
    if isinstance(out_format, int):
        return [0] * out_format if out_format > 0 else out_format
    result: list[Any] = []
    waiting = [(out_format, result)]
    while waiting:
        given, made = waiting.pop()
        for part in given:
            made.append([] if isinstance(part, (list, tuple)) else [0] * part if part > 0 else part)
            if isinstance(part, (list, tuple)):
                waiting.append((part, made[-1]))
    return result


def _renamed_values(net: Any, new_of: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """Return the values of a triple under the new names of their variables; others keep theirs."""
    keys = new_keys([*net[1].keys(), *net[2].keys()], new_of)
    return tuple([{keys[key]: value for key, value in values.items()} for values in net[1:]])
