"""Labels optical motion-capture markers in C3D files.

The public names load on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from automarkerlabel.version import __version__ as __version__

if TYPE_CHECKING:
    from automarkerlabel.core.labelling import Labelling, LabelScores, OutputColumn, output_columns
    from automarkerlabel.core.marker_set import MarkerSet
    from automarkerlabel.core.tracklets import Tracklet
    from automarkerlabel.core.trial import FileAxes, Trial
    from automarkerlabel.errors import AutoMarkerLabelError
    from automarkerlabel.io import read, write, write_labelled
    from automarkerlabel.labellers.trajectory import Labeller

_HOMES = {
    "AutoMarkerLabelError": "errors",
    "FileAxes": "core.trial",
    "LabelScores": "core.labelling",
    "Labeller": "labellers.trajectory",
    "Labelling": "core.labelling",
    "MarkerSet": "core.marker_set",
    "OutputColumn": "core.labelling",
    "Tracklet": "core.tracklets",
    "Trial": "core.trial",
    "output_columns": "core.labelling",
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
