"""How long the matcher takes for made trials of several lengths, and the memory it needs.

    python docs/benchmarks/matcher_speed.py [--seconds 15 30 60 120] [--threads 1] [--model FILE]

Trials of the simulator's runner at 240 Hz with the 62-marker set, broken as `aml eval` does by default without swaps
(50 cuts, occlusions, ghosts), and packed into 76 columns: a piece goes on in the first column that is free, as capture
systems do. The reference is a standing pose of the same subject. Times are of `label`, after start-up and one trial to
warm up; memory is the whole process's at its highest. Trials are made in another process.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

from automarkerlabel.core import tracklets as pieces
from automarkerlabel.core.trial import Trial
from automarkerlabel.labellers.load import find_matcher
from automarkerlabel.labellers.matcher.labeller import PoseMatcher
from automarkerlabel.marker_sets.pose_from_trial import reference_from_trial
from automarkerlabel.workflows.bench import made

N_COLUMNS = 76


def packed(trial: Trial) -> Trial:
    """The same pieces in `N_COLUMNS` columns; what finds none free is left out."""
    positions = np.full((trial.n_frames, N_COLUMNS, 3), np.nan, np.float32)
    free_from = np.zeros(N_COLUMNS, np.int64)
    for piece in sorted(pieces.split(trial), key=lambda p: p.start):
        column = int(free_from.argmin())
        if free_from[column] <= piece.start:
            positions[piece.start : piece.stop, column] = trial.positions[piece.start : piece.stop, piece.column]
            free_from[column] = piece.stop + 2
    return Trial(positions, [f"*{n}" for n in range(N_COLUMNS)], trial.rate_hz)


def broken(motion: str, seconds: float) -> Trial:
    """A trial without names."""
    return packed(made.unlabelled(made.labelled(seconds, motion, 2)))


def standing() -> Trial:
    return made.labelled(2.0, "stand")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[15, 30, 60, 120])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    labeller = PoseMatcher.load(find_matcher(given.model))
    with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        reference = reference_from_trial(elsewhere.submit(standing).result())
        trials = [elsewhere.submit(broken, "run", seconds).result() for seconds in (5.0, *given.seconds)]
    labeller.label(trials[0], reference)
    for seconds, trial in zip(given.seconds, trials[1:], strict=True):
        started = time.perf_counter()
        labelling, facts = labeller.label(trial, reference)
        took = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(
            f"{seconds:g} s: {took:.2f} s, {len(labelling.tracklets)} tracklets, {facts.n_windows} windows,"
            f" {facts.n_found} of {facts.n_labels} labels found, {memory:.2f} GB"
        )


if __name__ == "__main__":
    main()
