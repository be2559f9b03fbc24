"""Networks. They know tensors, never a trial. What makes them loads on first use, and with it torch; what they see
(`inputs`) does without."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automarkerlabel.models.registry import (
        MODELS as MODELS,
    )
    from automarkerlabel.models.registry import (
        Architecture as Architecture,
    )
    from automarkerlabel.models.registry import (
        Config as Config,
    )
    from automarkerlabel.models.registry import (
        architecture as architecture,
    )
    from automarkerlabel.models.registry import (
        build as build,
    )
    from automarkerlabel.models.registry import (
        config_dict as config_dict,
    )
    from automarkerlabel.models.registry import (
        make_config as make_config,
    )
    from automarkerlabel.models.registry import (
        require_sizes as require_sizes,
    )

_NAMES = {
    "MODELS", "Architecture", "Config", "architecture", "build", "config_dict", "make_config", "require_sizes",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module("automarkerlabel.models.registry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
