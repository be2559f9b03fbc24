"""`aml train --task forecast`."""

import datetime
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from automarkerlabel.cli import console
from automarkerlabel.errors import InputError

if TYPE_CHECKING:
    from automarkerlabel.cli.train import TrainOptions
    from automarkerlabel.training.forecaster import ForecastEpoch

# Settings as options, and what the forecaster calls them.
SETTINGS = {
    "epoch_windows": "windows", "epochs": "epochs", "batch_size": "batch_size", "learning_rate": "learning_rate",
    "cells": "cells", "seed": "seed",
}  # fmt: skip


def train_forecaster(options: "TrainOptions", rename: dict[str, str]) -> None:
    """Train a model that fills gaps of the labels of these trials; its file is written anew after each epoch.

    rename   new labels by old ones.
    """
    from automarkerlabel.io import collect
    from automarkerlabel.io.files import check_output
    from automarkerlabel.training.forecaster import ForecastSettings, train

    if not options.data:
        raise InputError("expected labelled trials to learn from, found none")
    as_json = options.as_json
    settings = ForecastSettings(**{SETTINGS[k]: v for k, v in options.settings.items() if v is not None})
    out = options.out or Path(f"forecaster_{datetime.date.today().isoformat()}.ckpt")
    paths = collect.find_trials(options.data)
    check_output(out, paths, options.overwrite)
    with console.progress("reading", len(paths), as_json) as bar:
        sources = collect.read_labelled(
            paths, options.units, options.up, options.exclude, lambda *_: console.advance(bar), rename
        )
    last: ForecastEpoch | None = None
    with console.progress("making gaps", settings.windows, as_json) as bar:
        for last, model in train(sources, settings, lambda n: bar.advance(bar.tasks[0].id, n)):
            bar.stop()
            model.save(out)
            if not as_json:
                console.say(_line(last))
    assert last is not None
    if as_json:
        console.print_json({"model": str(out), **asdict(last)})
    else:
        console.results.print(
            f"written: {out}  (fill with: aml fill TRIAL --model {out})", markup=False, soft_wrap=True
        )


def _line(epoch: "ForecastEpoch") -> str:
    return (
        f"epoch {epoch.epoch} of {epoch.epochs}  {epoch.error_mm:.2f} mm in training gaps"
        f" ({epoch.poses_mm:.2f} by the poses of the other trials alone)"
    )
