"""The seeds of tests/fuzz/corpus, all made by this project's own code: python tests/fuzz/make_corpus.py

What the fuzzer found (found_*) and kept (kept_*) is left alone.
"""

import io
import pickle
import sys
import zipfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import test_legacy  # noqa: E402
import test_opensim as opensim  # noqa: E402
import test_qualisys as qualisys  # noqa: E402
import test_trc  # noqa: E402
import test_vicon_skeleton as vicon  # noqa: E402
import torch  # noqa: E402
from scipy.io import savemat  # noqa: E402

from automarkerlabel import io as trials  # noqa: E402
from automarkerlabel.assignment.confidence import N_SIGNS, Calibration, Scale  # noqa: E402
from automarkerlabel.core.marker_set import MarkerSet  # noqa: E402
from automarkerlabel.core.source import Source  # noqa: E402
from automarkerlabel.core.trial import Trial  # noqa: E402
from automarkerlabel.models import build, config_dict, make_config  # noqa: E402
from automarkerlabel.models.checkpoints import matcher, trajectory  # noqa: E402
from automarkerlabel.models.checkpoints.excerpts import excerpts, pack  # noqa: E402
from automarkerlabel.models.matcher import Matcher, MatcherConfig  # noqa: E402
from automarkerlabel.review.editing import corrections  # noqa: E402
from automarkerlabel.review.editing.opening import Asked, opened  # noqa: E402
from automarkerlabel.review.editing.save import Outputs  # noqa: E402
from tests.fixtures.c3d_bytes import example, make_c3d, texts  # noqa: E402
from tests.fixtures.motion_texts import amc_text, asf_text, bvh_text  # noqa: E402
from tests.io.test_motive_csv import text as motive  # noqa: E402
from tests.io.test_nexus_csv import DEVICES, OUTPUTS  # noqa: E402
from tests.io.test_nexus_csv import text as nexus  # noqa: E402

TABLE = "frame,time_s,A_x,A_y,A_z\n3,0.0,1,2,3\n4,0.01,1.5,,\n"
SMALL = Trial(example(6, 3).astype(np.float32), ["LASI", "RASI", "SACR"], 100.0)


def put(name: str, content: bytes | str) -> Path:
    path = Path(__file__).parent / "corpus" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def c3d_files() -> None:
    labels = ["N:A", "N:B", "C", ""]
    for processor in ("Intel", "DEC", "MIPS"):
        for kind, scale in (("floats", -0.5), ("integers", 0.5)):
            put(f"c3d/{processor.lower()}_{kind}.c3d", make_c3d(example(), labels, None, processor, scale))
    halves = {x: bytes([2, 1, 2, n, 0, 0, 0, 0]) for x, n in (("ACTUAL_START_FIELD", 1), ("ACTUAL_END_FIELD", 6))}
    events = {"TIMES": bytes([4, 2, 2, 1]) + np.float32([0, 0.5]).tobytes() + b"\0", "LABELS": texts(["Heel"], 8)}
    put(
        "c3d/analog.c3d", make_c3d(example(), labels, analog=np.ones((6, 8)), groups={"TRIAL": halves, "EVENT": events})
    )
    lists = {"ANGLES": texts(["LHipAngles"], 12), "TYPE_GROUPS": texts(["ANGLES"], 8), "Y_SCREEN": texts(["+Z"], 2)}
    named = ["LHipAngles", "A", "B", "A"]
    put("c3d/lists.c3d", make_c3d(example(), named, width=12, point=lists | {"LABELS2": texts(["Z"], 4)}))
    long = {"LONG_FRAMES": bytes([4, 0]) + np.float32(6).tobytes() + b"\0"}
    put("c3d/long_frames.c3d", make_c3d(example(), labels, point=long, header={5: 65535}, tail=bytes(512)))
    put("c3d/no_point_group.c3d", make_c3d(example(2, 2), with_point=False))
    put("c3d/no_points.c3d", make_c3d(np.zeros((5, 0, 3)), analog=np.ones((5, 3))))


def tables() -> None:
    put("trc/plain.trc", test_trc.text(test_trc.ROWS))
    put("trc/up.trc", test_trc.text(test_trc.ROWS, name="walk.trc\tup=z"))
    put("motive_csv/plain.csv", motive())
    put("motive_csv/utf16.csv", motive().encode("utf-16"))
    put("nexus_csv/plain.csv", nexus())
    put("nexus_csv/sections.csv", DEVICES + "\n" + nexus() + OUTPUTS)
    put("nexus_csv/semicolons.csv", nexus().replace(",", ";").replace(".", ","))
    put("table_csv/plain.csv", TABLE)
    put("qualisys_tsv/columns.tsv", qualisys.HEADER + qualisys.COLUMNS + qualisys.ROWS)
    put("qualisys_tsv/bare.tsv", qualisys.HEADER + qualisys.BARE)
    put("list/plain.lst", '# trials\na.c3d\n"b c.c3d"\nd\\e.c3d\n')
    put("renaming_toml/plain.toml", 'LASI = "LFHD"\n"R.A" = "RASI"\n')
    put(
        "marker_set_toml/ways.toml",
        'title = "t"\nsource = "s"\n[markers]\nA = { at = "C7" }\n'
        'B = { segment = "thigh_l", along = 0.5, around = 90, out = 8, worn = "static" }\n'
        'C = { segment = "pelvis", mm = [1, 2.5, -3], worn = "optional" }\n',
    )
    put("marker_set_toml/pose.toml", "[markers]\nA = { pose = [1, 2, 3] }\n'B 1' = { pose = [4, 5.5, 6] }\n")


def containers() -> None:
    for kind in (False, True):
        file = io.BytesIO()
        savemat(file, {"walk": qualisys.take(2, 3)}, do_compression=kind)
        data = file.getvalue()
        head = b"MATLAB 5.0 MAT-file".ljust(116)  # scipy puts the date there
        put(f"qualisys_mat5/{'compressed' if kind else 'plain'}.mat", head + data[116:])
    qualisys.save73(put("qualisys_mat73/plain.mat", b""), "walk", qualisys.take())
    trials.write(put("trial_hdf5/plain.hdf5", b""), SMALL, overwrite=True)
    still = np.tile(np.eye(4)[:, :, None], 4)
    with h5py.File(put("kinematics_hdf5/plain.hdf5", b""), "w") as file5:
        for name, up in (("torso", 1200), ("tibia_l", 300)):
            file5[f"com/{name}"], file5[f"scale/{name}"] = np.zeros((1, 3)), np.ones((1, 3))
            place = still.copy()
            place[1, 3] = up
            file5[f"kin/S01/walk/{name}"] = place
    put("opensim/markers.osim", opensim.document(opensim.marker_set(opensim.NEW, opensim.OLD)))
    put("opensim/model.osim", opensim.document(f"<Model>{opensim.marker_set(opensim.OLD)}</Model>"))
    put("vicon_skeleton/plain.vsk", vicon.skeleton(vicon.MARKERS, vicon.SEGMENTS, vicon.PARAMETERS))
    put("vicon_skeleton/own.vsk", vicon.skeleton("<Marker NAME='A' SEGMENT='Head' POSITION='1 2 3'/>"))
    put("bvh/figure.bvh", bvh_text(n_frames=2))
    put("asf_amc/figure.asf", asf_text())
    put("asf_amc/figure.amc", amc_text())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as clips:
        for name, text in (("a/07.asf", asf_text()), ("a/07_01.amc", amc_text()), ("b.bvh", bvh_text())):
            clips.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    put("clips_zip/clips.zip", archive.getvalue())


def models() -> None:
    torch.manual_seed(0)
    marker_set = MarkerSet(["LA", "RA", "C"], ["a", "a", "b"], local_mm=np.eye(3, dtype=np.float32))
    knots = ((-2.0, -1.0), (2.0, 1.5))
    scale = Scale((1.0,) * (N_SIGNS + 1), knots)
    calibration = Calibration(scale, scale, knots)
    kept = excerpts([Source(Path("walk.c3d"), SMALL, "S1")])
    for name in ("hybrid", "lstm", "transformer"):
        sizes = {"width": 8, "heads": 2, "layers": 1, "feed_forward": 8} if name == "transformer" else {"cells": 4}
        sizes |= {"projection": 4} if name == "lstm" else {}
        config = make_config(name, head_width=4, **sizes)
        facts = trajectory.Checkpoint(
            name, config_dict(config), {"rate_hz": 15.0, "n_samples": 3, "n_neighbours": 2}, marker_set, [1.0] * 7,
            build(name, config, 2 * 13, 3, 4).state_dict(), 1.5, 0.0, {"seconds": 3.5},
            confidence=calibration.plain(), kept=kept,
        )  # fmt: skip
        trajectory.save(facts, put(f"model/{name}.ckpt", b""))
    tensors, about = pack(kept)
    reference = {
        "labels": ["LA", "RA", "C"], "segments": ["", "", ""], "pairs": [["LA", "RA"]], "name": "own", "source": "x",
        "heading_rad": 0.0, "positions": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, -7.0, 8.0]],
    }  # fmt: skip
    config = MatcherConfig(width=4, heads=2, first_layers=1, second_layers=1, n_recycles=1)
    weights = {matcher.WEIGHTS + k: v for k, v in Matcher(config).state_dict().items()}
    training = {"step": 1, "note": {"reference": reference, "kept": about}}
    matcher.write(put("matcher/small.safetensors", b""), config, weights | tensors, training)
    for name, content in (("weights", None), ("training", _training())):
        buffer = io.BytesIO()
        torch.save(test_legacy.small_network().state_dict() if content is None else content, buffer)
        put(f"legacy_checkpoint/{name}.ckpt", buffer.getvalue())
    values = test_legacy.as_the_predecessor(test_legacy.plain_values())
    put("legacy_values/plain.pickle", values)
    put(
        "legacy_values/tensors.pickle",
        pickle.dumps({"scaleVals": torch.ones(3), "max_len": 140, "segdists": {"mean": [], "std": []}}, 3),
    )


def _training() -> dict[str, object]:
    network = test_legacy.small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.5)
    return {
        "epoch": 1, "model_state_dict": network.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
        "running_loss": [1.0], "loss": torch.tensor(1.0), "rng_state": torch.zeros(5056, dtype=torch.uint8),
    }  # fmt: skip


def reviews() -> None:
    walk = put("journal/walk.c3d", b"")
    trials.write(walk, SMALL, overwrite=True)
    journal = walk.with_name("plain.jsonl")
    journal.unlink(missing_ok=True)
    asked = Asked(walk, Outputs(walk.with_name("out.c3d"), walk.with_name("out.json"), journal, (walk,)))
    session = opened(asked, lambda line: None)
    session.edit({"op": "rename", "column": 0, "frame": 2, "label": "LFHD"})
    session.edit({"op": "split", "column": 1, "frame": 3})
    session.undo()
    session.close()
    reviewed = put("corrections_json/walk.c3d", walk.read_bytes())
    found = corrections.Corrections(
        "t.c3d", "0" * 64, reviewed.name, corrections.digest(reviewed), "hand",
        (corrections.Named("LASI", 1, 3, "LASI", ("RASI", None)),), (corrections.Unsure("RASI", 2, 4, 0.5),),
        {"units": None, "up": None, "exclude": None},
    )  # fmt: skip
    corrections.write(put("corrections_json/plain.json", b""), found)


if __name__ == "__main__":
    c3d_files()
    tables()
    containers()
    models()
    reviews()
