"""Model files: written, read, and found by path or name."""

from pathlib import Path

from torch import nn

from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import ModelError
from automarkerlabel.models import architecture, build, config_dict, require_sizes
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.inputs import n_inputs

PRETRAINED = Path(__file__).parent / "pretrained"


def load_model(checkpoint: store.Checkpoint) -> nn.Module:
    """The network of a checkpoint with its weights. Raises `ModelError` where they do not fit each other."""
    kind = architecture(checkpoint.model_type)
    try:
        config = kind.config(**checkpoint.config)
        windows = WindowConfig(**checkpoint.windows)
    except TypeError as error:
        raise ModelError(f"expected the settings of a {checkpoint.model_type} model, found others: {error}") from error
    sizes = n_inputs(windows), windows.n_samples, len(checkpoint.marker_set) + 1
    try:
        settings = {**config_dict(config), **checkpoint.windows}
        require_sizes(settings, lambda: build(checkpoint.model_type, config, *sizes), checkpoint.tensors)
        model = build(checkpoint.model_type, config, *sizes)
        model.load_state_dict(checkpoint.tensors)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"expected weights of a {checkpoint.model_type} model for {len(checkpoint.marker_set)} labels,"
            f" found others: {error}"
        ) from error
    return model


def find_model(model: str | Path) -> Path:
    """The file of a model given by path, or by the name of one that comes with the package."""
    path = Path(model)
    if path.exists():
        return path
    named = PRETRAINED / f"{model}.ckpt"
    if len(path.parts) == 1 and not path.suffix and named.is_file():
        return named
    raise ModelError(
        f"{model}: expected a model file or one of {', '.join(pretrained_names()) or 'none'}, found neither"
    )


def pretrained_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(p.stem for p in PRETRAINED.glob("*.ckpt"))
