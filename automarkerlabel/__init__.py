"""Labels optical motion-capture markers in C3D files.

The public names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automarkerlabel.errors import AutoMarkerLabelError
    from automarkerlabel.io import read, write, write_labelled
    from automarkerlabel.labeller import Labeller
    from automarkerlabel.markerset import MarkerSet
    from automarkerlabel.scores import Labelling, LabelScores, OutputColumn, output_columns
    from automarkerlabel.tracklets import Tracklet
    from automarkerlabel.trial import FileAxes, Trial

__version__ = "0.1.0"

_HOMES = {
    "AutoMarkerLabelError": "errors",
    "FileAxes": "trial",
    "LabelScores": "scores",
    "Labeller": "labeller",
    "Labelling": "scores",
    "MarkerSet": "markerset",
    "OutputColumn": "scores",
    "Tracklet": "tracklets",
    "Trial": "trial",
    "output_columns": "scores",
    "read": "io",
    "write": "io",
    "write_labelled": "io",
}

__all__ = [
    "AutoMarkerLabelError",
    "FileAxes",
    "LabelScores",
    "Labeller",
    "Labelling",
    "MarkerSet",
    "OutputColumn",
    "Tracklet",
    "Trial",
    "output_columns",
    "read",
    "write",
    "write_labelled",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"automarkerlabel.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
