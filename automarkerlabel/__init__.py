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
    from automarkerlabel.io import read, write
    from automarkerlabel.labellers.labeller import Labeller, LabelResult
    from automarkerlabel.labellers.request import load_labeller
    from automarkerlabel.workflows.api import label, label_file, write_labelled

_HOMES = {
    "AutoMarkerLabelError": "errors",
    "FileAxes": "core.trial",
    "LabelResult": "labellers.labeller",
    "LabelScores": "core.labelling",
    "Labeller": "labellers.labeller",
    "Labelling": "core.labelling",
    "MarkerSet": "core.marker_set",
    "OutputColumn": "core.labelling",
    "Tracklet": "core.tracklets",
    "Trial": "core.trial",
    "label": "workflows.api",
    "label_file": "workflows.api",
    "load_labeller": "labellers.request",
    "output_columns": "core.labelling",
    "read": "io",
    "write": "io",
    "write_labelled": "workflows.api",
}

__all__ = [
    "AutoMarkerLabelError",
    "FileAxes",
    "LabelResult",
    "LabelScores",
    "Labeller",
    "Labelling",
    "MarkerSet",
    "OutputColumn",
    "Tracklet",
    "Trial",
    "label",
    "label_file",
    "load_labeller",
    "output_columns",
    "read",
    "write",
    "write_labelled",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"automarkerlabel.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
