"""What each part of the matcher and of its training data is worth: short runs that differ in one thing.

    python docs/benchmarks/matcher_ablation.py OUT_FOLDER [--steps 800] [--motion CLIPS ...] [--only NAME]

Every variant is trained for the same number of steps on the same bodies, poses and marker sets (as far as the variant
does not change them), on one thread. Figures: loss, shares of right points before and after recycling, and of ghosts
told, over the last tenth of the steps, from the run's log; milliseconds a step. `matcher.py` beside this file labels
real cases with the states that are left in OUT_FOLDER.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from automarkerlabel.models.matcher import MatcherConfig
from automarkerlabel.simulate.clips import load_clips
from automarkerlabel.simulate.samples import ClipPoses, MatchSampler, SampleSettings
from automarkerlabel.training.matcher import MatchSettings, MatchTrainer

NETWORK, DATA, TRAINING = MatcherConfig(), SampleSettings(), MatchSettings(save_minutes=1e9)
VARIANTS = {
    "as shipped": (NETWORK, DATA, TRAINING),
    "recycled once": (NETWORK, DATA, replace(TRAINING, most_recycles=1)),
    "no recycling, six layers": (replace(NETWORK, first_layers=6, second_layers=0), DATA, TRAINING),
    "no rigidity output": (replace(NETWORK, rigidity=False), DATA, TRAINING),
    "heading unknown": (NETWORK, replace(DATA, heading_deg=100.0), TRAINING),
    "own subject's reference only": (NETWORK, replace(DATA, other_subject_share=0.0), TRAINING),
    "procedural poses only": (NETWORK, replace(DATA, clip_share=0.0), TRAINING),
    "width 64": (replace(NETWORK, width=64), DATA, TRAINING),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--motion", type=Path, nargs="*", default=[])
    parser.add_argument("--only", choices=list(VARIANTS), nargs="*", default=list(VARIANTS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    clips = ClipPoses.of(load_clips(given.motion)) if given.motion else None
    for name in given.only:
        network, data, training = VARIANTS[name]
        path = given.out / (name.replace(" ", "_").replace("'", "").replace(",", "") + ".ckpt")
        trainer = MatchTrainer(MatchSampler(data, clips).batch, path, network, training)
        before, started = trainer.step, time.perf_counter()
        trainer.train(until_step=given.steps)
        took = (time.perf_counter() - started) / max(1, trainer.step - before)
        print(f"{name:30s} {figures(path, given.steps)}  {1000 * took:.0f} ms a step", flush=True)


def figures(path: Path, steps: int) -> str:
    """Means of the log's lines over the last tenth of the steps."""
    lines = [json.loads(line) for line in path.with_name(path.name + ".log.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["step"] > 0.9 * steps]
    names = ("loss", "accuracy_first", "accuracy", "ghosts")
    return "  ".join(f"{n} {sum(line[n] for line in last) / len(last):.3f}" for n in names)


if __name__ == "__main__":
    main()
