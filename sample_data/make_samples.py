"""Writes the sample trials beside this file; the same seeds give the same trials."""

from pathlib import Path

from automarkerlabel import io
from automarkerlabel.simulate.corrupt import Corruption, labelled, make_case
from automarkerlabel.simulate.trials import make_trial
from automarkerlabel.simulation import worn_set

HERE = Path(__file__).resolve().parent
MARKER_SET = "plug-in-gait"
RATE_HZ = 60.0
SUBJECT = 1
TRAINING = {"walk1": 7.0, "walk2": 7.0, "turn": 7.0, "squat": 7.0, "reach": 7.0, "sit": 7.0}  # name: seconds
UNLABELLED = Corruption(cuts=10, occlude=0.02, ghosts=1, swaps=0, seed=1)


def main() -> None:
    (HERE / "train").mkdir(exist_ok=True)
    worn = worn_set(MARKER_SET).moving()
    for seed, (name, seconds) in enumerate(TRAINING.items()):
        trial = make_trial(name.rstrip("12"), worn, SUBJECT, seconds, RATE_HZ, seed)
        io.write(HERE / "train" / f"{name}.c3d", trial, overwrite=True)
    walk = make_trial("walk", worn, SUBJECT, 6.0, RATE_HZ, seed=100)
    case = make_case(walk, UNLABELLED)
    io.write(HERE / "walk_unlabelled.c3d", case.trial, overwrite=True)
    io.write(HERE / "walk_truth.c3d", labelled(case), overwrite=True)


if __name__ == "__main__":
    main()
