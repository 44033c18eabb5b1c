"""What the floor of each kind of work is, and why a peer is ahead where one is."""

from __future__ import annotations

FLOORS = {
    "list nodes": "trace the network and infer its shapes",
    "extract": "let MXNet write the text of the source and load that of the piece; for `front` take the internal"
    " output and list the others",
    "load": "read the bytes of the arrays, their places known; for a piece also parse the text and load the piece's",
    "bind by structure": "parse both texts as JSON",
    "bind by structure, graphs in hand": "look once at each node and its edges",
    "bind by names": "split each name, look at each shape",
    "trees": "walk both trees once",
    "step, trunk frozen": "run the trunk for inference, take a step of the head alone",
}
_EXACT = """\
finds an exact copy in graphs of its own, made before the time is taken, takes the first place where it fits, and does
not tell whether there is another; one layer inserted, and it finds nothing. Ours starts from the Graphs of the package,
proves of each pair that no other is as good, and matches around insertions"""
# (kind, how the name of the peer begins, why it is ahead)
REASONS = (
    (
        "list nodes",
        "stock MXNet",
        "it does not tell the block, the path and the unmistakable name of each node; to learn them, ours notes what"
        " each block does while it is traced, and puts it together node by node, in Python",
    ),
    ("list nodes", "ONNX", "it reads what was traced and inferred when the file was written"),
    (
        "extract, trace included",
        "stock MXNet",
        "our trace notes in Python which block made which node, for which it takes about twice as long as a plain one;"
        " the cut that follows is the faster one",
    ),
    ("extract", "stock MXNet", "it checks neither the cut nor the parameters"),
    (
        "load",
        "safetensors",
        "its reader is compiled and maps the file into memory; ours checks the place of every array in Python before"
        " it reads one, and the file again with each",
    ),
    (
        "load",
        "stock MXNet",
        "reading the whole file out of the page cache costs it little; ours checks every node of the text and the"
        " header of every array in Python before it cuts, and then holds the arrays of the piece alone",
    ),
    ("bind by structure, graphs in hand", "", _EXACT.replace("\n", " ")),
    ("bind by names", "torch_liberator", "it looks at the names alone"),
    (
        "trees",
        "its ",
        "the embedding of ours is Zhang and Shasha's, whose time is worst where long paths go down by last children, as"
        " in this caterpillar; theirs takes time for each pair of parts of the two sequences that it meets",
    ),
    (
        "step, trunk frozen",
        "stock MXNet",
        "both leave out the same backward pass; what is left is noise, and BatchNorm, whose statistics stock MXNet goes"
        " on moving",
    ),
    (
        "towers",
        "joined batches",
        "one batch of both sides makes larger matrix products; in training it mixes their statistics, which towers keep"
        " apart",
    ),
    (
        "tie towers",
        "stock MXNet",
        "ours reads the whole Graph and copies it, so that names, what is frozen and the paths of blocks are kept; the"
        " stock way calls the network twice and keeps none of these",
    ),
)
UNKNOWN = "why is not known yet"


def reason_of(kind: str, peer: str) -> str:
    """Return why a peer is ahead at a kind of work."""
    return next((why for of, begin, why in REASONS if of == kind and peer.startswith(begin)), UNKNOWN)
