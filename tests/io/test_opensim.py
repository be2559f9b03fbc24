"""Marker sets of OpenSim: what is read, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from automarkerlabel.errors import AutoMarkerLabelError, FileFormatError, InputError, MarkerSetError
from automarkerlabel.io.marker_sets.opensim import read_marker_set
from tests.fixtures.places import DATA

LEGACY = DATA / "clouthier2021"

NEW = """<Marker name="LASI"><socket_parent_frame>/bodyset/pelvis</socket_parent_frame>
<location>0.1 -0.02 3e-3</location><fixed>false</fixed></Marker>"""
OLD = """<Marker name="R.Heel"><location> 0 0.25 0 </location><fixed>true</fixed><body> calcn_r </body></Marker>"""


def marker_set(*markers: str) -> str:
    return f"<MarkerSet name='m'><objects>{''.join(markers)}</objects><groups/></MarkerSet>"


def document(content: str, head: str = "<?xml version='1.0' encoding='UTF-8'?>") -> str:
    return f"{head}<OpenSimDocument Version='40000'>{content}</OpenSimDocument>"


def put(tmp_path: Path, content: str | bytes, name: str = "set.xml") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_old_and_new_markers(tmp_path: Path) -> None:
    found = read_marker_set(put(tmp_path, document(marker_set(NEW, OLD))))
    assert found.labels == ("LASI", "R.Heel")
    assert found.segments == ("pelvis", "calcn_r")
    assert found.name == "set"
    np.testing.assert_array_equal(found.local_mm, np.float32([[100, -20, 3], [0, 250, 0]]))


def test_reads_a_model_and_only_its_marker_set(tmp_path: Path) -> None:
    defaults = f"<defaults>{marker_set(NEW.replace('LASI', 'default'))}<Marker name='d'/></defaults>"
    other = "<BodySet><objects><Marker name='x'><location>0 0 0</location></Marker></objects></BodySet>"
    found = read_marker_set(put(tmp_path, document(f"{defaults}<Model>{other}{marker_set(OLD)}</Model>"), "m.osim"))
    assert found.labels == ("R.Heel",)


def test_a_marker_without_location_or_body(tmp_path: Path) -> None:
    found = read_marker_set(put(tmp_path, document(marker_set(NEW, "<Marker name='X'/>"))))
    assert found.local_mm is None
    assert found.segments == ("pelvis", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    head = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>"
    content = document(marker_set(OLD.replace("Heel", "Fuß")), head).encode(encoding)
    assert read_marker_set(put(tmp_path, content)).labels == ("R.Fuß",)


BOMB = (
    "<?xml version='1.0' encoding='{}'?><!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>"
    "<OpenSimDocument><MarkerSet><objects><Marker name='&b;'/></objects></MarkerSet></OpenSimDocument>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_document_types_and_entities_are_refused(tmp_path: Path, encoding: str) -> None:
    begin = b"" if encoding != "utf-16-be" else b"\xfe\xff"
    with pytest.raises(FileFormatError, match="document type or entities"):
        read_marker_set(put(tmp_path, begin + BOMB.format("utf-16" if begin else encoding).encode(encoding)))


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", FileFormatError, "well-formed"),
        ("hello", FileFormatError, "well-formed"),
        (bytes(range(256)), FileFormatError, "well-formed"),
        (document(marker_set(NEW))[:-9], FileFormatError, "well-formed"),
        ("<?xml version='1.0' encoding='no-such'?><a/>", FileFormatError, "well-formed"),
        ("<?xml version='1.0' encoding='shift-jis'?><a/>", FileFormatError, "well-formed"),
        ("<a>" * 200 + "</a>" * 200, FileFormatError, "at most 100 levels"),
        (document(marker_set(OLD.replace("0.25", "up"))), FileFormatError, "three numbers as location of R.Heel"),
        (document(marker_set(OLD.replace("0.25", "nan"))), FileFormatError, "three numbers as location of R.Heel"),
        (document(marker_set(OLD.replace("0.25 0", "0.25"))), FileFormatError, "found '0 0.25'"),
        ("<html/>", MarkerSetError, "found <html>"),
        (document(marker_set()), MarkerSetError, "without any"),
        (document(marker_set(NEW, NEW)), MarkerSetError, "LASI"),
        (document(marker_set("<Marker/>")), MarkerSetError, "empty"),
    ],
)
def test_other_files_get_one_clear_line(
    tmp_path: Path, content: str | bytes, error: type[AutoMarkerLabelError], message: str
) -> None:
    with pytest.raises(error) as caught:
        read_marker_set(put(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.xml", tmp_path):
        with pytest.raises(InputError, match="expected a file"):
            read_marker_set(path)


@pytest.mark.skipif(not LEGACY.is_dir(), reason="shared data not there")
def test_a_real_marker_set() -> None:
    found = read_marker_set(LEGACY / "MarkerSet.xml")
    assert len(found) == 62
    assert found.labels[:2] == ("FHD", "RHD")
    assert found.segments[0] == "head"
    assert found.local_mm is not None
    np.testing.assert_allclose(found.local_mm[0], [130, 238.5, 0])
    with pytest.raises(FileFormatError, match="well-formed"):  # this copy of the model is cut before its end
        read_marker_set(LEGACY / "Rajagopal2015_mod.osim")
