"""How near our probabilities are to those of the predecessor's own code, for windows that it was run on.

    python docs/benchmarks/legacy_probabilities.py MODEL.ckpt TRAININGVALS.pickle MARKERSET.xml EXPECTED.npz RATE_HZ

EXPECTED.npz holds what its code gave: `trajectories` as imported and `filtered` `(n_frames, n_trajectories, 3)` mm,
`windows` `(n, 3)` trajectory, start, stop, and their `probabilities` `(n, n_labels)`.
"""

import argparse
from pathlib import Path

import numpy as np

from automarkerlabel.io.marker_sets.opensim import read_marker_set
from automarkerlabel.labellers.legacy.inputs import smooth
from automarkerlabel.labellers.legacy.model import LegacyModel, convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "training_values", "marker_set", "expected"):
        parser.add_argument(name, type=Path)
    parser.add_argument("rate_hz", type=float)
    args = parser.parse_args()
    parts = convert(args.checkpoint, args.training_values, read_marker_set(args.marker_set))
    model = LegacyModel(parts.config, parts.tensors, parts.marker_set)
    expected = np.load(args.expected)
    for name, filtered in (
        ("its filtered trajectories", expected["filtered"]),
        ("its trajectories through our preparation", smooth(expected["trajectories"], args.rate_hz)),
    ):
        windows, log_probs = model.score_windows(filtered)
        ours = {tuple(w): np.exp(p) for w, p in zip(windows.tolist(), log_probs, strict=True)}
        sampled = zip(expected["windows"].tolist(), expected["probabilities"], strict=True)
        off = [np.abs(ours[tuple(window)] - its).max() for window, its in sampled]
        print(f"{name}: {len(off)} windows, probabilities at most {max(off):.1e} apart", flush=True)


if __name__ == "__main__":
    main()
