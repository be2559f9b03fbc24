"""How many matcher samples the simulator makes in a second, on one thread.

python docs/benchmarks/simulator_speed.py [--batches 200] [--motion CLIPS ...]
"""

import argparse
import time
from pathlib import Path

import torch

from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.simulate.samples import ClipPoses, MatchSampler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--motion", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    clips = ClipPoses.of(load_clips(given.motion)) if given.motion else None
    sampler = MatchSampler(clips=clips)
    sampler.batch(0)  # what is done once
    samples, points, started = 0, 0, time.perf_counter()
    for number in range(given.batches):
        batch = sampler.batch(number)
        samples += len(batch)
        points += int(batch.query[:, 2, :, 0].isfinite().sum())
    took = time.perf_counter() - started
    print(f"{samples / took:.0f} samples a second of {points / samples:.0f} visible points each, one thread")


if __name__ == "__main__":
    main()
