"""Marker sets out of Vicon's labelling skeletons: what is read, what is refused, which known set it is."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.errors import FileFormatError, MarkerSetError
from automarkerlabel.io.marker_sets import is_marker_set, read_marker_set
from automarkerlabel.labellers.matcher.template_search import definition_named
from automarkerlabel.marker_sets import catalogue
from automarkerlabel.workflows.info import file_facts

PARAMETERS = "<Parameters><Parameter NAME='p_x' VALUE='12.5'/><Parameter NAME='p y' VALUE='-3'/></Parameters>"
SEGMENTS = """<Skeleton><Segment NAME='Pelvis'><Segment NAME='LeftFemur'/></Segment>
<TargetLocalPointToWorldPoint MARKER='LASI' SEGMENT='Pelvis' POSITION="'p_x' 'p y' 1e2" WEIGHT='1'/>
<TargetLocalPointToWorldPoint MARKER='LTHI' SEGMENT='Pelvis/LeftFemur' POSITION='0 1 2'/></Skeleton>"""
MARKERS = "<MarkerSet><Markers><Marker NAME='LASI'/><Marker NAME='LTHI'/></Markers><Sticks/></MarkerSet>"


def skeleton(*parts: str, head: str = "<?xml version='1.0' encoding='UTF-8'?>") -> str:
    return f"{head}<KinematicModel MODEL='walker' VERSION='1'>{''.join(parts)}</KinematicModel>"


def put(tmp_path: Path, content: str | bytes, name: str = "walker.vst") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", ["walker.vst", "walker.vsk", "WALKER.VSK"])
def test_labels_segments_and_positions(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, skeleton(MARKERS, SEGMENTS, PARAMETERS), name)
    assert is_marker_set(path)
    found = read_marker_set(path)
    assert (found.labels, found.segments) == (("LASI", "LTHI"), ("Pelvis", "LeftFemur"))
    np.testing.assert_array_equal(found.local_mm, np.float32([[12.5, -3, 100], [0, 1, 2]]))
    assert file_facts(path)["segments"] == {"Pelvis": ["LASI"], "LeftFemur": ["LTHI"]}


def test_markers_that_say_it_themselves(tmp_path: Path) -> None:
    own = "<Marker NAME='A' SEGMENT='Head' POSITION='1 2 3'/>"
    assert read_marker_set(put(tmp_path, skeleton(own))).segments == ("Head",)
    for odd in ("<Marker NAME='A'/>", "<Marker NAME='A' POSITION='1 2'/>", "<Marker NAME='A' POSITION=\"'no' 1 2\"/>"):
        assert read_marker_set(put(tmp_path, skeleton(odd, PARAMETERS))).local_mm is None


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", FileFormatError, "well-formed"),
        (skeleton(MARKERS)[:-4], FileFormatError, "well-formed"),
        (skeleton("<Marker NAME='&x;'/>", head="<!DOCTYPE k [<!ENTITY x 'a'>]>"), FileFormatError, "document type"),
        (skeleton(MARKERS, head="<!DOCTYPE k SYSTEM 'http://no/where.dtd'>"), FileFormatError, "document type"),
        (skeleton("<a>" * 200 + "</a>" * 200), FileFormatError, "at most 100 levels"),
        (skeleton(), MarkerSetError, "found no markers in it"),
        ("<html/>", MarkerSetError, "found <html>"),
        (skeleton(MARKERS, "<Marker NAME='LASI'/>"), MarkerSetError, "expected distinct names"),
    ],
)
def test_what_is_no_skeleton_gets_one_clear_line(
    tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        read_marker_set(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_its_labels_tell_a_known_set(tmp_path: Path) -> None:
    known = catalogue.find("plug-in-gait-lower")
    markers = "".join(f"<Marker NAME='{x}'/>" for x in known.labels if x not in known.optional)
    assert definition_named(str(put(tmp_path, skeleton(markers)))).name == "plug-in-gait-lower"
    with pytest.raises(MarkerSetError, match=r"names 2 labels .* the closest is .* with 2 of them"):
        definition_named(str(put(tmp_path, skeleton(MARKERS))))
