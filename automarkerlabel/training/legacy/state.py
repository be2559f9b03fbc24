"""The predecessor's training checkpoint: where it stands, read into a network and its optimiser, and written."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from automarkerlabel.errors import ModelError
from automarkerlabel.io.safetensors import write_state
from automarkerlabel.labellers.legacy.model import resume_parts

STATE = "training.ckpt"


@dataclass(frozen=True, eq=False)
class TrainingState:
    """What a training checkpoint holds beside weights and optimiser: finished epochs, torch's random state on the CPU
    after them, and the loss of every step so far."""

    epoch: int
    rng_state: Tensor
    running_loss: list[float]


def run_dir(out: Path) -> Path:
    """Where the state and the log of a model file's training stand."""
    return out.with_name(out.name + ".run")


def saved_state(out: Path) -> Path:
    """The training checkpoint of an earlier run. Raises `ModelError` where there is none."""
    path = run_dir(out) / STATE
    if not path.is_file():
        raise ModelError(f"{path}: expected the state of an earlier run, found none; train without --resume")
    return path


def restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
    """Put a training checkpoint's weights and SGD's state into `model` and `optimizer`, and return the rest.

    Raises `InputError` if the file cannot be read, `ModelError` if it is another file or of another network.
    """
    state = resume_parts(path)
    try:
        torch.Generator().set_state(state.rng_state)
    except (RuntimeError, TypeError) as error:
        raise ModelError(f"{path}: expected torch's random state, found another rng_state") from error
    try:
        model.load_state_dict(state.tensors)
        optimizer.load_state_dict(state.optimizer_state)
        (group,) = optimizer.param_groups
        fits = 0 < float(group["lr"]) < float("inf") and 0 <= float(group["momentum"]) < 1
        for weight in model.parameters():
            buffer = optimizer.state[weight].get("momentum_buffer")
            fits = fits and (buffer is None or buffer.shape == weight.shape)
    except Exception as error:  # what a damaged state makes torch raise has no end
        raise ModelError(f"{path}: expected the state of SGD for this network, found another one") from error
    if not fits:
        raise ModelError(f"{path}: expected the state of SGD for this network, found one of another size or rate")
    return TrainingState(state.epoch, state.rng_state, state.running_loss)


def write(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: TrainingState) -> None:
    """Write a training checkpoint as the predecessor does."""
    content = {
        "epoch": state.epoch,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "running_loss": state.running_loss,
        "loss": torch.tensor(state.running_loss[-1] if state.running_loss else float("nan")),
        "rng_state": state.rng_state,
    }
    write_state(path, content)
