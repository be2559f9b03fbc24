"""Time of the predecessor's network on one trial, beside the least its arithmetic could take on this machine.

    OMP_NUM_THREADS=2 python docs/benchmarks/legacy_speed.py MODEL.ckpt TRAININGVALS.pickle MARKERSET.xml TRIAL.c3d

Floor: the floating-point operations of the network's matrix products over the fastest rate of single-precision products
measured in the same run (the best of torch's product and of its convolution, over several sizes).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from automarkerlabel import io
from automarkerlabel.io.marker_sets.opensim import read_marker_set
from automarkerlabel.labellers.legacy.inputs import cut, long_enough, smooth, trajectories
from automarkerlabel.labellers.legacy.model import LegacyModel, convert
from automarkerlabel.models.legacy_lstm import LegacyLstmConfig

SIZES = ((2048, 2048, 2048), (1477, 512, 1024), (768, 561, 1024))  # rows, inputs, outputs


def seconds(function: Callable[[], object], tries: int) -> float:
    """The shortest of several tries: what other programs on the machine take away shows in the others."""
    times = []
    for _ in range(tries):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def product_rate() -> float:
    """Floating-point operations a second of the fastest single-precision matrix product."""
    rates = []
    for n_rows, n_in, n_out in SIZES:
        rows, weight = torch.randn(n_rows, n_in), torch.randn(n_out, n_in)
        picture = rows.t()[None, :, :, None]
        ways: tuple[Callable[[], object], ...] = (
            lambda rows=rows, weight=weight: rows @ weight.t(),
            lambda picture=picture, weight=weight: F.conv2d(picture, weight[:, :, None, None]),
        )
        rates += [2 * n_rows * n_in * n_out / seconds(way, 20) for way in ways]
    return max(rates)


def operations(config: LegacyLstmConfig, n_windows: int, n_frames: int) -> float:
    """Of the matrix products, each multiplication and each addition counted, for windows of n_frames in total."""
    gates = 4 * config.n_cells
    a_frame = gates * (config.n_features + config.n_cells) + gates * 2 * config.n_cells * (config.n_layers - 1)
    a_frame += config.n_cells * config.n_hidden  # frames beyond a window's end are zero and cost nothing
    return 2.0 * (a_frame * n_frames + config.n_hidden * config.n_labels * n_windows)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "training_values", "marker_set", "trial"):
        parser.add_argument(name, type=Path)
    paths = parser.parse_args()
    parts = convert(paths.checkpoint, paths.training_values, read_marker_set(paths.marker_set))
    model = LegacyModel(parts.config, parts.tensors, parts.marker_set)
    trial = io.read(paths.trial)

    begin = time.perf_counter()
    pieces = [piece for piece in cut(trial) if long_enough(piece)]
    filtered = smooth(trajectories(trial, pieces), trial.rate_hz)
    prepared = time.perf_counter() - begin
    begin = time.perf_counter()
    windows, _ = model.score_windows(filtered)
    first = time.perf_counter() - begin
    best = seconds(lambda: model.score_windows(filtered), 3)

    n_frames = int((windows[:, 2] - windows[:, 1]).sum())
    work = operations(model.network.config, len(windows), n_frames)
    rate = product_rate()
    print(f"{paths.trial.name}: {trial.n_frames} frames, {trial.n_columns} columns, {len(pieces)} trajectories")
    print(f"windows                     {len(windows)}, {n_frames} frames in all")
    print(f"threads                     {torch.get_num_threads()}")
    print(f"cutting, filling, filtering {prepared:.2f} s")
    print(f"score_windows               {first:.2f} s the first time, {best:.2f} s at best")
    print(f"operations                  {work / 1e9:.1f} GFLOP")
    print(f"measured rate               {rate / 1e9:.1f} GFLOP/s")
    print(f"floor                       {work / rate:.2f} s, {work / rate / best:.0%} of the time at best")


if __name__ == "__main__":
    main()
