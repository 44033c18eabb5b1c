"""The main jobs on a real trained network: take its middle out, bind weights of other names, freeze and fine-tune.

Run by ``make demo``. It works offline: network and images come with the repository and scikit-learn.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from typing import Any, Iterator

import gluon_subgraph as gs

# isort: split
import mxnet as mx
import numpy as np
from fine_tuning import compare
from foreign_names import foreign_checkpoint
from train_digits import DigitsNet, load_digits_data, load_network

SPENT: dict[str, float] = {}


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Note how long a step takes, in milliseconds."""
    start = time.perf_counter()
    yield
    SPENT[step] = 1000 * (time.perf_counter() - start)


def draw_cut(net: Any, piece: gs.SubgraphBlock) -> None:
    """Print the network as a line of blocks, the piece between scissors."""
    nodes = gs.list_nodes(net)
    inside = {node.name for node in piece.graph.nodes}
    line: list[tuple[str, bool]] = []
    for node in nodes:
        block = (node.path.split(".")[0] or node.name, node.name in inside and node.op != "input")
        if not line or line[-1] != block:
            line.append(block)
    edges, middle = "", ""
    for i, (name, kept) in enumerate(line):
        was_kept = i > 0 and line[i - 1][1]
        arrow = "" if i == 0 else " --> " if kept == was_kept else " -8<- "
        box = f"[ {name} ]"
        edge = "=" if kept else " "
        middle += arrow + box
        edges += (edge if kept and was_kept else " ") * len(arrow) + edge * len(box)
    print("\n".join(row.rstrip() for row in (edges, middle, edges)))


def main() -> None:
    """Run the demonstration."""
    with timed("load the network"):
        net = load_network()
    _, _, images, labels = load_digits_data()
    x = mx.nd.array(images)
    print(f"A residual network trained on the digits 0 to 4. {len(images)} held-out images.\n")

    print(">>> gs.list_nodes(net, shapes={'data': (1, 1, 8, 8)})")
    with timed("list the nodes, shapes inferred"):
        nodes = gs.list_nodes(net, shapes={"data": (1, 1, 8, 8)})
    print(nodes)

    print("\n>>> piece = gs.extract(net, inputs='stem_relu0_fwd', outputs='stage2_relu')")
    with timed("extract the middle"):
        piece = gs.extract(net, inputs="stem_relu0_fwd", outputs="stage2_relu")
    draw_cut(net, piece)
    print()
    print(piece)

    prove_equal(net, piece, x, labels)

    print("\n>>> gs.extract(net, inputs='stage3_body_relu0_fwd', outputs='head_fwd')     # a skip connection")
    with timed("refuse an open cut, with its repair"):
        repair = refused_cut(net)
    closed = gs.extract(net, ["stage3_body_relu0_fwd", *repair], "head_fwd")
    print(f"\nWith {repair[0]!r} added it takes {len(closed.input_names)} inputs: {', '.join(closed.input_names)}")

    binding, fresh = bind_foreign_checkpoint(net, x, labels)
    with timed("draw the cut and the binding"):
        draw_pictures({"cut": gs.plot(net, cut=piece), "binding": gs.plot(fresh, binding=binding)})
    fine_tune(net)

    print("\ntime of each step")
    for step, milliseconds in SPENT.items():
        print(f"  {step:34} {milliseconds:8.1f} ms")


def prove_equal(net: Any, piece: Any, x: Any, labels: np.ndarray) -> None:
    """Run the whole network, and its three parts one after the other; the outputs are equal, bit for bit."""
    front = gs.extract(net, "data", "stem_relu0_fwd")
    tail = gs.extract(net, "stage2_relu", "head_fwd")
    with timed("run the whole network"):
        whole = net(x).asnumpy()
    with timed("run front, middle and tail"):
        parts = tail(piece(front(x))).asnumpy()
    equal = bool(np.array_equal(whole, parts))
    shared = all(piece.collect_params()[n] is p for n, p in net.collect_params().items() if n in piece.collect_params())
    print(f"\ntail(piece(front(x))) == net(x), bit for bit: {equal}")
    print(f"the piece holds the network's own Parameter objects: {shared}")
    print(f"accuracy of the network {accuracy(whole, labels):.2%}, of the three parts {accuracy(parts, labels):.2%}")
    if not (equal and shared):
        raise SystemExit("The parts do not equal the whole.")


def bind_foreign_checkpoint(net: Any, x: Any, labels: np.ndarray) -> tuple[gs.Binding, Any]:
    """Give a fresh network the weights of a checkpoint that somebody else named, and compare the accuracies."""
    fresh = DigitsNet()
    fresh.initialize(mx.init.Xavier())
    checkpoint = foreign_checkpoint(net)
    print(f"\nA checkpoint with other names: {', '.join(list(checkpoint)[:4])}, ...")
    before = accuracy(fresh(x).asnumpy(), labels)

    print("\n>>> print(gs.bind_params(fresh, checkpoint))")
    with timed("bind the checkpoint"):
        binding = gs.bind_params(fresh, checkpoint)
    print(binding)
    after = accuracy(fresh(x).asnumpy(), labels)
    print(f"\naccuracy of the fresh network {before:.2%} before, {after:.2%} after")
    if not (binding.is_complete and np.array_equal(fresh(x).asnumpy(), net(x).asnumpy())):
        raise SystemExit("The bound network does not equal the one it got its weights from.")
    return binding, fresh


def draw_pictures(pictures: dict[str, gs.Picture]) -> None:
    """Write pictures to a new folder and say where; without a program that draws, say what to install."""
    folder = tempfile.mkdtemp(prefix="gluon_subgraph_")
    print("\n>>> gs.plot(net, cut=piece).save('cut.svg'), gs.plot(fresh, binding=binding).save('binding.svg')")
    try:
        print(*[picture.save(os.path.join(folder, f"{name}.svg")) for name, picture in pictures.items()], sep="\n")
    except gs.SubgraphError as error:
        print(f"SubgraphError: {error}")


def fine_tune(net: Any) -> None:
    """Freeze the front, give it a new head for digits it has never seen, and compare with training from scratch."""
    print("\n>>> tuned = gs.replace_head(net, nn.Dense(5), at='stage2_relu')    # for the digits 5 to 9")
    print(">>> gs.freeze(tuned.trunk)")
    before = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    with timed("fine-tune and train, five seeds"):
        found = compare(net)
    print("ten images of each digit, the same wall time, median accuracy of five seeds on held-out images:")
    print(f"  frozen trunk, new head {statistics.median(found.tuned):8.2%}")
    print(f"  training from scratch  {statistics.median(found.from_scratch):8.2%}")
    still = all(np.array_equal(before[name], p.data().asnumpy()) for name, p in net.collect_params().items())
    print(f"every array of the network is what it was before: {still}")
    if found.lead < 0.05 or not still:
        raise SystemExit("Fine-tuning is not ahead by 5 points, or something frozen moved.")


def refused_cut(net: Any) -> tuple[str, ...]:
    """Cut inside a residual block, print the refusal, and return the inputs that would close the cut."""
    try:
        gs.extract(net, inputs="stage3_body_relu0_fwd", outputs="head_fwd")
    except gs.OpenCutError as error:
        print(f"OpenCutError: {error}")
        return error.repair
    raise SystemExit("An open cut was not refused.")


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows whose largest score is at the label."""
    return float((scores.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    main()
