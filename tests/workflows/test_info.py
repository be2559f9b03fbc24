"""The facts about a file, told from files made by hand."""

import json
import struct

import numpy as np
import pytest

from automarkerlabel import io
from automarkerlabel.core.trial import Trial
from automarkerlabel.errors import InputError
from automarkerlabel.workflows.info import trial_facts
from tests.fixtures.c3d_bytes import example, float_bytes, make_c3d, texts
from tests.fixtures.places import DATA

FILES = sorted([*DATA.glob("c3d_suite/*/*.c3d"), *DATA.glob("pairs/*/*")])


def integer(value):
    return bytes([2, 0]) + struct.pack("<H", value) + b"\0"


def test_facts_of_a_c3d(tmp_path):
    points = example(10, 4)
    points[2:4, 0] = 0  # a gap of 2 frames
    points[6:9, 0] = 0  # a gap of 3 frames
    points[:5, 1] = 0  # appears in the sixth frame: hidden, no gap
    groups = {
        "EVENT": {
            "USED": integer(2),
            "LABELS": texts(["Strike", "Off"], 8),
            "CONTEXTS": texts(["Left", "Right"], 8),
            "TIMES": bytes([4, 2, 2, 2]) + struct.pack("<4f", 0, 0.25, 1, 2.5) + b"\0",
        },
        "FORCE_PLATFORM": {"USED": integer(3)},
    }
    data = make_c3d(
        points, ["S:LASI", "S:RASI", "*7", "LHJC"], rate=50.0, first=101, analog=np.ones((10, 2)), groups=groups,
        point={"Y_SCREEN": texts(["+Z"], 2)},
    )  # fmt: skip
    path = tmp_path / "t.c3d"
    path.write_bytes(data)
    facts = trial_facts(path)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    expected = {
        "format": "c3d", "rate_hz": 50.0, "n_frames": 10, "first_frame": 101, "duration_s": 0.2, "n_columns": 4,
        "labelled": ["LASI", "RASI"], "unlabelled": ["*7"], "computed": ["LHJC"], "subjects": ["S"],
        "gaps": {"n": 2, "longest_frames": 3, "hidden_share": pytest.approx(1 / 3)},
        "axes": {"units": "mm", "units_found": "POINT:UNITS", "up": "z", "up_found": "POINT:Y_SCREEN"},
        "extent_mm": {"x": [1.0, 210.0], "y": [200.5, 200.5], "z": [980.0, 1000.0]},
        "storage": {"processor": "Intel", "type": "float", "scale": -1.0},
        "analogs": {"n_channels": 2, "rate_hz": 50.0}, "n_force_plates": 3,
        "events": [
            {"label": "Strike", "context": "Left", "time_s": 0.25},
            {"label": "Off", "context": "Right", "time_s": 62.5},
        ],
        "parameter_groups": ["POINT", "ANALOG", "EVENT", "FORCE_PLATFORM"],
    }  # fmt: skip
    assert {key: facts[key] for key in expected} == expected
    assert facts["columns"][0] == {
        "label": "LASI", "subject": "S", "kind": "labelled", "n_gaps": 2, "longest_gap_frames": 3,
        "hidden_share": 0.5, "first_seen_frame": 101, "last_seen_frame": 110,
    }  # fmt: skip
    assert facts["columns"][1]["n_gaps"] == 0 and facts["columns"][1]["first_seen_frame"] == 106


@pytest.mark.parametrize("processor", ["Intel", "DEC", "MIPS"])
def test_events_of_the_header(tmp_path, processor):
    data = bytearray(make_c3d(example(), processor=processor, header={150: 12345, 151: 2}))
    data[304:312] = float_bytes(0.5, processor) + float_bytes(1.25, processor)
    data[396:404] = b"RHS LTO "
    path = tmp_path / "t.c3d"
    path.write_bytes(bytes(data))
    events = [{"label": "RHS", "context": "", "time_s": 0.5}, {"label": "LTO", "context": "", "time_s": 1.25}]
    assert trial_facts(path)["events"] == events


def test_nothing_to_measure(tmp_path):
    for n_frames, n_points in ((0, 3), (5, 0)):
        path = tmp_path / "t.c3d"
        path.write_bytes(make_c3d(np.zeros((n_frames, n_points, 3)), analog=np.ones((n_frames, 2)), tail=bytes(512)))
        facts = trial_facts(path)
        json.dumps(facts, allow_nan=False)
        assert facts["extent_mm"] is None and facts["gaps"] == {"n": 0, "longest_frames": 0, "hidden_share": 0.0}
        assert any("holds no" in line for line in facts["oddities"])


@pytest.mark.parametrize("suffix", [".trc", ".csv"])
def test_facts_of_text_formats(tmp_path, suffix):
    io.write(tmp_path / f"t{suffix}", Trial(example(), list("ABCD"), 100.0))
    facts = trial_facts(tmp_path / f"t{suffix}")
    json.dumps(facts, allow_nan=False)
    assert (facts["format"], facts["n_columns"], facts["n_frames"]) == (suffix[1:], 4, 6)
    assert "analogs" not in facts


def test_options_and_errors_are_those_of_reading(tmp_path):
    path = tmp_path / "t.c3d"
    path.write_bytes(make_c3d(example(), list("ABCD")))
    facts = trial_facts(path, units="m", up="y", exclude="[AB]")
    assert facts["axes"] == {"units": "m", "units_found": "--units", "up": "y", "up_found": "--up"}
    assert facts["computed"] == ["A", "B"]
    with pytest.raises(InputError, match="expected a file"):
        trial_facts(tmp_path / "missing.c3d")


@pytest.mark.skipif(not FILES, reason="shared data not there")
@pytest.mark.parametrize("path", FILES or [None], ids=lambda p: p.name if p else "none")
def test_real_files(path):
    facts = trial_facts(path)
    json.dumps(facts, allow_nan=False)
    assert len(facts["columns"]) == facts["n_columns"]
    kinds = sum(len(facts[kind]) for kind in ("labelled", "unlabelled", "computed"))
    assert kinds == facts["n_columns"]
