"""Everything about training that can be set, with its help; the command line makes an option of each field."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from automarkerlabel.core.settings import check_settings
from automarkerlabel.errors import InputError

# What `aml train --model-type` takes: models of trajectories, and the matcher.
TRAJECTORY_TYPES = ("hybrid", "lstm", "transformer")
MODEL_TYPES = (*TRAJECTORY_TYPES, "matcher")
ATTENTION_TYPES = ("multihead", "luong", "bahdanau", "conv", "hierarchical", "sparse")  # of the hybrid


@dataclass(frozen=True)
class Augmentation:
    """How scenes are changed before they are learnt from."""

    scale: Annotated[float, "standard deviation of the logarithm of the body's size"] = 0.05
    mirror: Annotated[float, "share of scenes with left and right exchanged, where the marker set allows it"] = 0.5
    placement_mm: Annotated[float, "standard deviation of a marker's constant offset in a scene, an axis"] = 4.0
    noise_mm: Annotated[float, "standard deviation of measurement noise, an axis"] = 0.5
    hidden: Annotated[float, "greatest share of markers missing from a scene"] = 0.25
    occluded: Annotated[float, "share of markers hidden for a part of the window"] = 0.1
    cut: Annotated[float, "share of markers whose trajectory goes on in another column"] = 0.1
    ghosts: Annotated[int, "greatest number of points that are no marker"] = 6

    def __post_init__(self) -> None:
        check_settings(self, {f.name: 0 for f in fields(self)})
        for name in ("mirror", "hidden", "occluded", "cut"):
            if getattr(self, name) > 1:
                raise InputError(f"{name}: expected a share from 0 to 1, found {getattr(self, name)}")


NO_AUGMENTATION = Augmentation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)


@dataclass(frozen=True)
class TrainSettings:
    """How a trajectory model is trained."""

    epochs: Annotated[int, "at most this many"] = 150
    epoch_windows: Annotated[int, "windows in an epoch; 0: as many as the trials hold, from 20,000 to 60,000"] = 0
    batch_size: Annotated[int, "windows of one step, whatever part of them fits into memory at once"] = 256
    optimizer: Annotated[str, "adamw, or sgd with momentum as the predecessor had it"] = "adamw"
    learning_rate: Annotated[float, "greatest learning rate"] = 2e-3
    weight_decay: Annotated[float, "of adamw"] = 0.01
    momentum: Annotated[float, "of sgd"] = 0.65
    warmup_steps: Annotated[int, "steps over which the learning rate rises"] = 100
    schedule: Annotated[str, "cosine falls to nothing over the epochs; plateau falls when nothing gets better"] = (
        "cosine"
    )
    plateau_factor: Annotated[float, "what a plateau multiplies the learning rate by"] = 0.5
    plateau_patience: Annotated[int, "epochs without a lower validation loss that make a plateau"] = 4
    patience: Annotated[int, "stop after this many epochs without a lower validation loss; 0: never"] = 0
    clip: Annotated[float, "greatest norm of the gradient; 0: any"] = 1.0
    mixed_precision: Annotated[bool, "bfloat16 where the device computes it natively (GPUs only)"] = True
    forecast: Annotated[
        float, "hybrid: weight of a second head's loss, which forecasts the marker's next position; 0: no such head"
    ] = 0.0
    seed: Annotated[int, "of weights, scenes and dropout"] = 0

    def __post_init__(self) -> None:
        positive = {"epochs": 1, "batch_size": 1}
        check_settings(self, {f.name: 0 for f in fields(self) if type(f.default) is not str} | positive)
        for name, allowed in (("optimizer", ("adamw", "sgd")), ("schedule", ("cosine", "plateau"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}: expected {' or '.join(allowed)}, found {getattr(self, name)!r}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate: expected more than 0, found {self.learning_rate}")


# What a preset sets beside the network's own sizes. "paper": the defaults of the predecessor and of its attention
# extension; its windows are 120 frames at the file's rate, which was 240 Hz, and hold all other markers.
PRESETS: dict[str, dict[str, dict[str, float | int | str]]] = {
    "light": {"windows": {}, "training": {}},
    "full": {"windows": {"n_samples": 16, "rate_hz": 30.0, "n_neighbours": 48}, "training": {}},
    "paper": {
        "windows": {"n_samples": 120, "rate_hz": 240.0},
        "training": {
            "batch_size": 100, "optimizer": "sgd", "learning_rate": 0.078, "momentum": 0.65, "epochs": 10,
            "schedule": "plateau", "warmup_steps": 0,
        },
    },
}  # fmt: skip


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of a network; what is not given stays as the preset has it, what the type does not have is refused."""

    cells: Annotated[int | None, "lstm, hybrid: LSTM cells"] = None
    width: Annotated[int | None, "transformer: width of the encoder"] = None
    layers: Annotated[int | None, "LSTM or encoder layers"] = None
    heads: Annotated[int | None, "transformer, hybrid: attention heads"] = None
    feed_forward: Annotated[int | None, "transformer: feed-forward width"] = None
    dropout: Annotated[float | None, "lstm, hybrid: dropout between LSTM layers"] = None
    attention_dropout: Annotated[float | None, "transformer, hybrid: dropout of the attention"] = None
    projection: Annotated[int | None, "lstm: width of a projection before it; 0: none"] = None
    head_width: Annotated[int | None, "width of the classifying head"] = None
    head_dropout: Annotated[float | None, "dropout of the classifying head"] = None
    pooling: Annotated[str | None, "mean of the samples, or flatten as the predecessor did"] = None
    norm: Annotated[str | None, "layer or batch norm in the head"] = None
    attention: Annotated[str | None, f"hybrid: {', '.join(ATTENTION_TYPES)}"] = None


def settings_of(cls: type, *layers: Mapping[str, Any]) -> Any:
    """An instance of `cls` from the given values; later layers win, None says nothing."""
    names = {f.name for f in fields(cls)}
    values: dict[str, Any] = {}
    for layer in layers:
        values |= {k: v for k, v in layer.items() if k in names and v is not None}
    return cls(**values)
