"""One graph found in another by networkx, rustworkx or igraph, whose graphs are made before the time is taken.

Run by `limited.run_limited`; its job holds the side, both graphs as labels and edges, and which node is which.
"""

from __future__ import annotations

from typing import Any, Callable, Dict

from limited import answer, job_of_parent

Finder = Callable[[], Dict[int, int]]  # returns {node of the pattern: node of the host}, or nothing


def networkx_finder(pattern: Any, host: Any, is_whole: bool) -> Finder:
    """Return a call of the VF2 of networkx."""
    import networkx as nx
    from networkx.algorithms.isomorphism import DiGraphMatcher, categorical_node_match

    def graph(given: Any) -> nx.DiGraph:
        made = nx.DiGraph()
        made.add_nodes_from((i, {"label": label}) for i, label in enumerate(given["labels"]))
        made.add_edges_from(given["edges"])
        return made

    graphs = graph(host), graph(pattern)

    def find() -> dict[int, int]:
        matcher = DiGraphMatcher(*graphs, node_match=categorical_node_match("label", None))
        found = matcher.isomorphisms_iter() if is_whole else matcher.subgraph_isomorphisms_iter()
        return {small: large for large, small in next(found, {}).items()}

    return find


def rustworkx_finder(pattern: Any, host: Any, is_whole: bool) -> Finder:
    """Return a call of the VF2++ of rustworkx."""
    import rustworkx

    def graph(given: Any) -> Any:
        made = rustworkx.PyDiGraph()
        made.add_nodes_from(given["labels"])
        made.add_edges_from_no_data([tuple(edge) for edge in given["edges"]])
        return made

    graphs = graph(host), graph(pattern)

    def find() -> dict[int, int]:
        found = rustworkx.vf2_mapping(*graphs, node_matcher=lambda one, other: one == other, subgraph=not is_whole)
        return {small: large for large, small in dict(next(found, {})).items()}

    return find


def igraph_finder(pattern: Any, host: Any, is_whole: bool, *, is_lad: bool = False) -> Finder:
    """Return a call of the VF2 of igraph, or of its LAD."""
    import igraph

    graphs = [igraph.Graph(len(g["labels"]), [tuple(e) for e in g["edges"]], directed=True) for g in (host, pattern)]
    number_of_label = {label: i for i, label in enumerate(dict.fromkeys(host["labels"] + pattern["labels"]))}
    colors = [[number_of_label[label] for label in given["labels"]] for given in (host, pattern)]

    def find() -> dict[int, int]:
        if is_lad:
            nodes_of_color: dict[int, list[int]] = {}
            for node, color in enumerate(colors[0]):
                nodes_of_color.setdefault(color, []).append(node)
            domains = [nodes_of_color.get(color, []) for color in colors[1]]
            is_found, mapping = graphs[0].subisomorphic_lad(graphs[1], domains, induced=True, return_mapping=True)
        else:
            search = graphs[0].isomorphic_vf2 if is_whole else graphs[0].subisomorphic_vf2
            is_found, mapping = search(graphs[1], *colors, return_mapping_21=True)[::2]
        return dict(enumerate(mapping)) if is_found else {}

    return find


FINDERS: dict[str, Any] = {
    "networkx": networkx_finder,
    "rustworkx": rustworkx_finder,
    "igraph, VF2": igraph_finder,
    "igraph, LAD": lambda *given: igraph_finder(*given, is_lad=True),
}


def main() -> None:
    """Answer a job."""
    job = job_of_parent()
    truth = dict(job["truth"])

    def facts(found: dict[int, int]) -> dict[str, Any]:
        return {"right": sum(found.get(i) == j for i, j in truth.items()) / len(truth), "found": bool(found)}

    answer(FINDERS[job["side"]](job["pattern"], job["host"], job["is_whole"]), facts)


if __name__ == "__main__":
    main()
