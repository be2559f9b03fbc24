"""What `aml tune` leaves: the best settings as TOML, and plots of the search."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automarkerlabel.errors import InputError, OutputError
from automarkerlabel.io.files import atomic, make_folder
from automarkerlabel.training.tuning.space import Search
from automarkerlabel.training.tuning.study import Standing, open_study, quiet

if TYPE_CHECKING:
    import optuna

_LOSS = "lowest validation loss"
_HEADER = "# The best settings of a study by `aml tune`."


def refuse_foreign(path: Path) -> None:
    """Raise `OutputError` if writing the best settings would replace a file that is not of `aml tune`."""
    if path.exists():
        with path.open("rb") as file:
            if not file.read(len(_HEADER)) == _HEADER.encode():
                raise OutputError(f"{path}: expected no file or one by aml tune, found another; name another --best")


def write_best(path: Path, standing: Standing) -> None:
    """The settings of the best trial, as `aml train --config` takes them; nothing while no trial is complete."""
    best = standing.best
    if best is None:
        return
    lines = [
        _HEADER,
        f"# Trial {best.number}: validation loss {best.loss:.4f}, accuracy of single windows {best.accuracy:.4f}.",
        *(f"{name} = {json.dumps(value)}" for name, value in best.settings.items()),
    ]
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def require_matplotlib(asked: str = "--plots", extra: str = "tune") -> None:
    """Raise `InputError`, which says what to install, where matplotlib is missing, which `asked` needs."""
    try:
        import matplotlib
    except ImportError as error:
        raise InputError(
            f"{asked}: expected the package matplotlib, found none; pip install 'automarkerlabel[{extra}]'"
        ) from error
    matplotlib.use("Agg")  # pictures go to files, whatever screen there is


def draw(search: Search, folder: Path) -> list[Path]:
    """PNG pictures of the study: `history`, `epochs` (the loss of each trial by epoch), and for each model type with
    two complete trials or more `importance` and `slice` of its settings. Earlier ones are replaced.

    Raises `InputError` if matplotlib is missing or no trial is complete.
    """
    require_matplotlib()
    study = open_study(search)
    if not any(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False)):
        raise InputError("plots: expected a trial that is complete, found none")
    make_folder(folder)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # such as of a setting that had one value only
        return _pictures(search, study, folder)


def _pictures(search: Search, study: "optuna.Study", folder: Path) -> list[Path]:
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import matplotlib as pictures

    paths = [
        _saved(pictures.plot_optimization_history(study, target_name=_LOSS), folder / "history.png"),
        _saved(pictures.plot_intermediate_values(study), folder / "epochs.png"),
    ]
    for kind in search.model_types:
        part = _of_type(study, kind)
        if len({t.value for t in part.get_trials(deepcopy=False)}) < 2:
            continue
        # By the distributions of good and bad trials (Watanabe et al. 2023): needs no random forest.
        importance = pictures.plot_param_importances(part, PedAnovaImportanceEvaluator(), target_name=_LOSS)
        paths += [
            _saved(importance, folder / f"importance_{kind}.png"),
            _saved(pictures.plot_slice(part, target_name=_LOSS), folder / f"slice_{kind}.png"),
        ]
    return paths


def _of_type(study: "optuna.Study", model_type: str) -> "optuna.Study":
    """The complete trials of one model type, which have the same settings; in memory."""
    import optuna

    part = optuna.create_study()
    for trial in study.get_trials():
        if trial.state.name == "COMPLETE" and trial.user_attrs["settings"]["model_type"] == model_type:
            for of in (trial.params, trial.distributions):
                of.pop("model_type", None)  # the same for all
            part.add_trial(trial)
    return part


def _saved(axes: Any, path: Path) -> Path:
    """Write the figure of some axes (one, or an array of them) and let go of it."""
    import matplotlib.pyplot as plt
    import numpy as np

    figure = np.ravel(axes)[0].figure
    figure.set_size_inches(max(8.0, 3.0 * np.size(axes)), 5.0)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return path


def plain(search: Search, standing: Standing, pictures: Sequence[Path] = ()) -> dict[str, Any]:
    """How a search ended, as plain values for JSON."""
    return {
        "study": str(search.study),
        "config": str(search.best),
        "best": None if standing.best is None else asdict(standing.best),
        "trials": [asdict(t) for t in standing.trials],
        "trials_per_minute": standing.per_minute,
        "plots": [str(p) for p in pictures],
    }
