"""What a program may import from the package: a promise."""

import subprocess
import sys

import pytest

import automarkerlabel


def test_the_public_names():
    assert automarkerlabel.__all__ == [
        "AutoMarkerLabelError", "FileAxes", "LabelResult", "LabelScores", "Labeller", "Labelling", "MarkerSet",
        "OutputColumn", "Tracklet", "Trial", "label", "label_file", "load_labeller", "output_columns", "read", "write",
        "write_labelled",
    ]  # fmt: skip
    for name in automarkerlabel.__all__:
        assert getattr(automarkerlabel, name) is not None
    assert set(automarkerlabel._HOMES) == set(automarkerlabel.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nosuch"):
        automarkerlabel.nosuch  # noqa: B018


def test_help_and_the_package_itself_do_without_torch():
    code = "import sys, automarkerlabel, automarkerlabel.cli; print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
