"""Writes the sample trials beside this file; the same seeds give the same trials."""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from automarkerlabel import io
from automarkerlabel.marker_sets import catalogue
from automarkerlabel.marker_sets.body.segments import JOINTS_MM, PARENTS, SEGMENTS
from automarkerlabel.simulate.corrupt import Corruption, labelled, make_case
from automarkerlabel.simulate.dataset import worn_set
from automarkerlabel.simulate.trials import make_trial

HERE = Path(__file__).resolve().parent
MARKER_SET = "plug-in-gait"
RATE_HZ = 60.0
SUBJECT = 1
TRAINING = {"walk1": 7.0, "walk2": 7.0, "turn": 7.0, "squat": 7.0, "reach": 7.0, "sit": 7.0}  # name: seconds
UNLABELLED = Corruption(cuts=10, occlude=0.02, ghosts=1, swaps=0, seed=1)
# OpenSim's bodies that have the origin of a segment of the simulator, as the pelvis has; others belong to its torso.
BODIES = {"thigh": "femur", "shank": "tibia", "foot": "talus", "toes": "toes",
          "upper_arm": "humerus", "forearm": "ulna", "radius": "radius", "hand": "hand"}  # fmt: skip


def main() -> None:
    (HERE / "train").mkdir(exist_ok=True)
    worn = worn_set(MARKER_SET).moving()
    for seed, (name, seconds) in enumerate(TRAINING.items()):
        trial = make_trial(name.rstrip("12"), worn, SUBJECT, seconds, RATE_HZ, seed)
        io.write(HERE / "train" / f"{name}.c3d", trial, overwrite=True)
    static = make_trial("static", worn, SUBJECT, 2.0, RATE_HZ, seed=101)
    io.write(HERE / "static.c3d", static, overwrite=True)
    walk = make_trial("walk", worn, SUBJECT, 6.0, RATE_HZ, seed=100)
    case = make_case(walk, UNLABELLED)
    io.write(HERE / "walk_unlabelled.c3d", case.trial, overwrite=True)
    io.write(HERE / "walk_truth.c3d", labelled(case), overwrite=True)
    (HERE / "MarkerSet.xml").write_text(opensim_marker_set(), encoding="utf-8", newline="\n")


def above_lumbar(segment: int) -> list[float]:
    """Where a segment's origin is from that of the lumbar one, which is the torso's, standing upright, in mm."""
    offset = [0.0, 0.0, 0.0]
    while SEGMENTS[segment] != "lumbar":
        offset = [a + b for a, b in zip(offset, JOINTS_MM[segment], strict=True)]
        segment = PARENTS[segment]
    return offset


def opensim_marker_set() -> str:
    """The set's places on the standard body as an OpenSim 4 marker set: metres, x forward, y up, z to the right."""
    places = catalogue.places(MARKER_SET)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<OpenSimDocument Version="40000">', "<MarkerSet><objects>"]
    for label, segment, place in zip(catalogue.find(MARKER_SET).labels, places.segment, places.place, strict=True):
        kind, _, side = SEGMENTS[segment].rpartition("_")
        x, y, z = place.tolist()
        if SEGMENTS[segment] == "pelvis":
            body = "pelvis"
        elif kind in BODIES:
            body = f"{BODIES[kind]}_{side}"
        else:
            body = "torso"
            x, y, z = (a + b for a, b in zip((x, y, z), above_lumbar(segment), strict=True))
        frame = f"<socket_parent_frame>/bodyset/{body}</socket_parent_frame>"
        where = f"<location>{x / 1000:.4f} {z / 1000:.4f} {0 - y / 1000:.4f}</location>"
        lines.append(f"<Marker name={quoteattr(label)}>{frame}{where}</Marker>")
    return "\n".join([*lines, "</objects></MarkerSet>", "</OpenSimDocument>", ""])


if __name__ == "__main__":
    main()
