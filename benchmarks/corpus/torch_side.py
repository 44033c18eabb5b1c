"""Run the torch networks of the corpus in their own environment: `python torch_side.py FOLDER` (see README.md).

Writes for each network the names and shapes of its state dict, and what went in and out of every layer when it held
the random values `values.random_value` gives by name. No MXNet, and no trained weights, are needed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from values import fingerprint, random_input, random_value

warnings.filterwarnings("ignore")

import torch_zoos  # noqa: E402

NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "PReLU", "FrozenBatchNorm")


def role_of(module: torch.nn.Module, key: str) -> str:
    """Return what parameter `key` of a module is for, in the words the MXNet side uses."""
    is_scale = key == "weight" and any(norm in kind.__name__ for kind in type(module).__mro__ for norm in NORMS)
    return "scale" if is_scale else key


def own_tensors(module: torch.nn.Module) -> list[str]:
    named = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return [key for key, tensor in named if tensor.is_floating_point()]


def fill(net: torch.nn.Module) -> dict[str, str]:
    """Give every floating point tensor of the state dict its random value; return their roles by name."""
    state = net.state_dict(keep_vars=True)
    roles = {}
    for path, module in net.named_modules():
        for key in own_tensors(module):
            name = f"{path}.{key}" if path else key
            if name in state:
                roles[name] = role_of(module, key)
                value = random_value(name, tuple(state[name].shape), roles[name])
                with torch.no_grad():
                    state[name].copy_(torch.from_numpy(np.asarray(value)))
    return roles


class Recorder:
    """Hooks on every module that has tensors of its own."""

    def __init__(self, net: torch.nn.Module, roles: dict[str, str]) -> None:
        self.slots: list[list[tuple[str, str]]] = []
        self.entering: list[np.ndarray] = []
        self.leaving: list[np.ndarray] = []
        for path, module in net.named_modules():
            names = {key: f"{path}.{key}" if path else key for key in own_tensors(module)}
            slots = [(roles[name], name) for name in names.values() if name in roles]
            if slots:
                module.register_forward_hook(self._hook(slots), with_kwargs=True)

    def _hook(self, slots: list[tuple[str, str]]) -> Any:
        def hook(module: Any, positional: tuple, named: dict, output: Any) -> None:
            given = [t for t in (*positional, *named.values()) if isinstance(t, torch.Tensor)][:1]
            if given and isinstance(output, torch.Tensor):
                self.slots.append(slots)
                self.entering.append(np.stack([fingerprint(t.detach().numpy()) for t in given]))
                self.leaving.append(fingerprint(output.detach().numpy()))

        return hook


def outputs_of(output: Any) -> list[np.ndarray]:
    if isinstance(output, torch.Tensor):
        return [output.numpy()]
    values = output.values() if isinstance(output, dict) else output
    return [t.numpy() for t in values if isinstance(t, torch.Tensor)]


def record(net: torch.nn.Module, shape: tuple[int, ...], vocabulary: int, path: Path) -> None:
    """Run one network and write what was seen."""
    net = net.float().eval()
    roles = fill(net)
    recorder = Recorder(net, roles)
    with torch.no_grad():
        outputs = outputs_of(net(torch.from_numpy(np.asarray(random_input(shape, vocabulary)))))
    arrays = {f"output{k}": array for k, array in enumerate(outputs)}
    for k, (entering, leaving) in enumerate(zip(recorder.entering, recorder.leaving)):
        arrays[f"in{k}"], arrays[f"out{k}"] = entering, leaving
    state = net.state_dict()
    content = {
        "params": [[name, list(tensor.shape)] for name, tensor in state.items()],
        "roles": roles,
        "layers": recorder.slots,
        "inputs": {"data": list(shape)},
        "outputs": len(outputs),
        "vocabulary": vocabulary,
    }
    np.savez_compressed(path.with_suffix(path.suffix + ".npz"), **arrays)
    path.with_suffix(path.suffix + ".json").write_text(json.dumps(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(main)))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="part of a name of the networks to run")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in tqdm([name for name in torch_zoos.names() if arguments.only in name]):
        if (arguments.folder / f"{name}.json").exists():
            continue
        try:
            net, shape, vocabulary = torch_zoos.network(name)
            record(net, shape, vocabulary, arguments.folder / name)
        except Exception as error:  # one network that cannot be built must not end the run
            failed.append(f"{name}: {type(error).__name__} {str(error)[:150]!r}")
    (arguments.folder / "failed.txt").write_text("\n".join(failed) + "\n")


if __name__ == "__main__":
    main()
