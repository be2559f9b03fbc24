"""Marker sets as files: reading, refusing, keeping a laboratory's own, the command."""

import json
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automarkerlabel import io
from automarkerlabel.cli import run
from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import AutoMarkerLabelError, InputError, MarkerSetError, OutputError
from automarkerlabel.marker_sets import catalogue as catalogue
from automarkerlabel.marker_sets.definition import Definition, MarkerLine, as_toml, parse_definition, read_definition
from automarkerlabel.marker_sets.opensim_body import body_places
from tests.fixtures.places import TOP

DOCS = TOP / "docs" / "marker-sets.md"
NAMES = catalogue.built_in_names()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of own sets, which is not there yet."""
    own = tmp_path / "own" / "sets"
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(own))
    return own


def parse(text: str) -> Definition:
    return parse_definition(text.encode(), Path("lab.toml"))


def static_trial() -> Trial:
    """A body that faces +y: left is -x. Ten frames; the last one lacks LKNM."""
    pose = np.array([[-100, 0, 900], [100, 0, 900], [-150, 10, 450], [-60, 10, 450], [-300, 0, 1400], [300, 0, 1400]])
    positions = np.repeat(pose[None].astype(np.float32), 10, axis=0) + np.float32([500, 2000, 0])
    positions[9, 3] = np.nan
    return Trial(positions, ["LASI", "RASI", "LKNE", "LKNM", "LSHO", "RSHO"], 100.0)


@pytest.mark.parametrize("name", NAMES)
def test_every_set_that_comes_along_loads_and_says_where_it_is_from(name):
    definition = catalogue.find(name)
    assert definition.built_in and definition.on_body
    assert definition.title and len(definition.source) > 20
    assert len(set(definition.labels)) == len(definition.labels) >= 14
    assert definition.marker_set().segments[0] != ""


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("plug-in-gait", 39, {"LFHD", "RBAK", "LUPA", "LFIN", "RTOE"}),
        ("plug-in-gait-lower", 16, {"LASI", "RPSI", "LTHI", "RTIB", "LHEE"}),
        ("cmu-41", 43, {"LFWT", "RBWT", "LSHN", "RMT5", "RBAC"}),  # with the thumbs, which are optional
        ("clouthier2021", 62, {"FHD", "LBUL", "RUAPA", "PVLR", "LFTM"}),
        ("opencap", 51, {"r.ASIS", "L.PSIS", "r_knee", "L_ankle", "r_thigh5"}),
        ("motive-baseline-41", 41, {"HeadTop", "BackLeft", "LUArmHigh", "RToeIn"}),
        ("opensim-gait2392", 49, {"V.Sacral", "R.Thigh.Upper", "Top.Head"}),
        ("opensim-rajagopal", 47, {"S2", "R.TH1", "L.MElbow"}),
        ("bts-davis", 22, {"c7", "r should", "l bar 1", "r knee 2"}),
        ("helen-hayes", 29, {"V.Sacral", "R.Offset", "L.Knee.Medial"}),
    ],
)
def test_labels_are_spelt_as_their_users_spell_them(name, count, some):
    labels = catalogue.find(name).labels
    assert len(labels) == count
    assert some <= set(labels)


def test_medial_markers_are_worn_in_the_static_trial():
    worn = catalogue.find("helen-hayes").worn
    assert {x for x, w in worn.items() if w == "static"} == {
        "L.Knee.Medial", "R.Knee.Medial", "L.Ankle.Medial", "R.Ankle.Medial",
    }  # fmt: skip


def test_the_page_lists_every_set_and_no_other():
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \|", DOCS.read_text(encoding="utf-8"), re.M)
    assert rows == [(name, str(len(catalogue.find(name).labels))) for name in NAMES]


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(MarkerSetError, match=r"plug-in-gait.*found 'plugin'"):
        catalogue.find("plugin")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A = 3", r"lab\.toml: A: expected a table"),
        ('A = { at = "elbow" }', r"A: expected a landmark.*'elbow'"),
        ('A = { segment = "thigh", mm = [1, 2, 3] }', "A: expected a segment among .*thigh_l"),
        ('A = { segment = "foot_l", along = 0.5, around = 0 }', "A: expected a segment among"),
        (
            'A = { segment = "thigh_l", along = 1.5, around = 0 }',
            "A: expected along as a number from 0 to 1, found 1.5",
        ),
        ('A = { segment = "thigh_l", along = true, around = 0 }', "A: expected along as a number"),
        ('A = { segment = "thigh_l", mm = [1, 2] }', "A: expected mm as three numbers"),
        ('A = { segment = "thigh_l", mm = [1, nan, 2] }', "A: expected mm as a number"),
        ('A = { at = "C7", mm = [1, 2, 3] }', "A: expected at; segment, along and around"),
        ('A = { at = "C7", worn = "never" }', "A: expected worn as one of always, static, optional, found 'never'"),
        ('A = { at = "C7" }\nB = { pose = [1, 2, 3] }', "all on the body or all measured|all markers on the body"),
        ('A = { at = "C7" }\nA = { at = "T10" }', "expected a marker set in TOML"),
        ("", r"\[markers\]"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(line, words):
    with pytest.raises(MarkerSetError, match=words) as caught:
        parse(f'title = "x"\n[markers]\n{line}\n')
    assert "\n" not in str(caught.value) and "lab.toml" in str(caught.value)


@given(st.binary(max_size=60))
def test_only_our_errors_leave_the_reader(data):
    with suppress(AutoMarkerLabelError):
        parse_definition(b"[markers]\n" + data, Path("lab.toml"))


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True), st.text(max_size=20))
def test_whatever_the_labels_the_written_file_reads_as_it_was(labels, title):
    labels = [x.encode("utf-8", "replace").decode() for x in labels]
    labels = list(dict.fromkeys(labels))
    title = title.encode("utf-8", "replace").decode()
    kinds = [
        MarkerLine("", at="C7"), MarkerLine("", "static", segment="thigh_r", skin=(0.25, -30.0, 8.0)),
        MarkerLine("", "optional", segment="hand_l", mm=(1.0, -2.5, 0.125)),
    ]  # fmt: skip
    lines = tuple(MarkerLine(x, k.worn, k.at, k.segment, k.skin, k.mm) for x, k in zip(labels, kinds * 2, strict=False))
    definition = Definition("lab", lines, title, "here")
    assert parse(as_toml(definition)) == definition


def test_a_static_trial_is_kept_facing_x(tmp_path, folder):
    io.write(tmp_path / "static.c3d", static_trial())
    path = catalogue.add(tmp_path / "static.c3d", "ours", static_only="KNM$", optional="^.SHO")
    assert path == folder / "ours.toml"
    definition = catalogue.find("ours")
    assert not definition.on_body and not definition.built_in
    assert definition.worn == {
        "LASI": "always", "RASI": "always", "LKNE": "always", "LKNM": "static", "LSHO": "optional", "RSHO": "optional",
    }  # fmt: skip
    (reference,) = catalogue.references("ours")
    across = reference.positions[0] - reference.positions[1]
    np.testing.assert_allclose(across, [0, 200, 0], atol=5)  # right to left is +y
    assert reference.positions[0, 2] == pytest.approx(900, abs=0.1)
    assert reference.heading_rad == pytest.approx(0, abs=0.02)
    with pytest.raises(MarkerSetError, match="found one measured"):
        catalogue.places("ours")


def test_one_frame_of_it(tmp_path):
    io.write(tmp_path / "static.c3d", static_trial())
    catalogue.add(tmp_path / "static.c3d", "ours", frame=10)
    assert "LKNM" not in catalogue.find("ours").labels


def test_a_kept_set_is_not_lost(tmp_path, folder):
    io.write(tmp_path / "static.c3d", static_trial())
    path = catalogue.add(tmp_path / "static.c3d", "ours")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        catalogue.add(tmp_path / "static.c3d", "ours", static_only="KNM")
    assert path.read_bytes() == before
    catalogue.add(tmp_path / "static.c3d", "ours", static_only="KNM", overwrite=True)
    assert catalogue.find("ours").worn["LKNM"] == "static"
    assert [p.name for p in folder.iterdir()] == ["ours.toml"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("plug-in-gait", {}, "no set of the package"),
        ("../x", {}, "expected letters"),
        ("x.toml", {}, "expected letters"),
        ("x", {"static_only": "("}, "regular expression"),
        ("x", {"optional": "KNEE"}, "labels that match 'KNEE', found none among LASI"),
        ("x", {"frame": 99}, "reference frame"),
    ],
)
def test_what_cannot_be_kept(tmp_path, folder, name, options, words):
    io.write(tmp_path / "static.c3d", static_trial())
    with pytest.raises(InputError, match=words):
        catalogue.add(tmp_path / "static.c3d", name, **options)
    assert not folder.exists() or not list(folder.iterdir())


OPENSIM = """<OpenSimDocument Version="40000"><MarkerSet name="m"><objects>{}</objects></MarkerSet></OpenSimDocument>"""
MARKER = '<Marker name="{}"><socket_parent_frame>/bodyset/{}</socket_parent_frame><location>{}</location></Marker>'


def test_opensim_bodies_are_put_on_our_segments(tmp_path):
    rows = [("RKNE", "femur_r", "0 -0.4 0.05"), ("LHEE", "calcn_l", "-0.02 0.02 0"), ("L3", "torso", "-0.1 0.1 0")]
    rows += [("C7", "torso", "-0.08 0.42 0"), ("RSHO", "torso", "-0.03 0.42 0.16"), ("TOP", "torso", "0 0.65 0")]
    path = tmp_path / "lab.xml"
    path.write_text(OPENSIM.format("".join(MARKER.format(*row) for row in rows)))
    catalogue.add(path, "lab")
    found = {line.label: (line.segment, tuple(round(v, 2) for v in line.mm)) for line in catalogue.find("lab").lines}
    assert found["RKNE"] == ("thigh_r", (0, -50, -400))  # forward, left, up
    assert found["LHEE"] == ("foot_l", (-68.8, 7.9, -22))
    assert found["L3"] == ("lumbar", (-100, 0, 100))
    assert found["C7"] == ("thorax", (-70, 0, 250))  # the thorax is 170 mm above and 10 mm behind the torso's origin
    assert found["RSHO"] == ("clavicle_r", (-75, -138, 45))
    assert found["TOP"] == ("head", (20, 0, 250))
    assert len(catalogue.places("lab").segment) == 6


def test_an_unknown_body_is_named():
    marker_set = MarkerSet(["A"], ["tail"], local_mm=np.zeros((1, 3), np.float32), name="lab")
    with pytest.raises(MarkerSetError, match=r"A: expected a body such as torso.*found 'tail'"):
        body_places(marker_set)
    for body in ("femur", "pelvis_l", "_r", ""):
        with pytest.raises(MarkerSetError, match="expected a body"):
            body_places(MarkerSet(["A"], [body], local_mm=np.zeros((1, 3), np.float32), name="lab"))
    with pytest.raises(MarkerSetError, match="location"):
        body_places(MarkerSet(["A"], ["femur_r"], name="lab"))


def test_a_file_of_ones_own_is_checked_and_copied(tmp_path):
    source = tmp_path / "mine.toml"
    source.write_text('title = "Ours"\n[markers]\n"L.X" = { at = "asis_l" }\nB = { at = "C7" }\nC = { at = "T10" }\n')
    catalogue.add(source, "copy", optional="B")
    assert catalogue.find("copy").worn == {"L.X": "always", "B": "optional", "C": "always"}
    assert catalogue.find(source).title == "Ours"
    with pytest.raises(InputError, match="expected a trial beside it"):
        catalogue.add(source, "other", frame=3)


def test_where_own_sets_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv(catalogue.FOLDER_VARIABLE)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert catalogue.own_folder() == tmp_path / "automarkerlabel" / "marker_sets"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert catalogue.own_folder() == tmp_path / "roaming" / "automarkerlabel" / "marker_sets"


def test_the_command(tmp_path, capsys):
    io.write(tmp_path / "static.c3d", static_trial())
    assert run(["marker-sets", "add", str(tmp_path / "static.c3d"), "--name", "ours", "--static-only", "KNM"]) == 0
    assert "6 labels, as measured" in capsys.readouterr().out
    assert run(["marker-sets", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["marker_sets"]
    assert [s["name"] for s in listed] == ["ours", *NAMES]
    assert listed[0]["kind"] == "own" and listed[0]["n_static"] == 1
    assert run(["marker-sets", "list"]) == 0
    assert "own: ours" in capsys.readouterr().out
    assert run(["marker-sets", "show", "plug-in-gait", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["markers"][0] == {"label": "LFHD", "segment": "head", "place": "head_front_l", "worn": "always"}
    assert run(["marker-sets", "show", "ours"]) == 0
    assert "static" in capsys.readouterr().out
    assert run(["marker-sets", "landmarks"]) == 0
    assert "acromion_l" in capsys.readouterr().out
    assert run(["marker-sets", "show", "nothing"]) == 2


def test_a_damaged_own_set_is_named(folder, capsys):
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("nonsense")
    with pytest.raises(MarkerSetError, match=r"bad\.toml: expected a marker set in TOML"):
        read_definition(folder / "bad.toml")
    assert run(["marker-sets", "list"]) == 2
    assert "bad.toml" in capsys.readouterr().err
