"""Files of forecasters, told from others."""

from pathlib import Path

from automarkerlabel.io.safetensors import has_facts

FACTS = "automarkerlabel_forecaster"  # not the key of other models


def is_forecaster(path: Path) -> bool:
    """Whether a file is a forecaster, whatever its suffix."""
    return has_facts(path, FACTS)
