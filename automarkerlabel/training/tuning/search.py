"""The search of `aml tune`: trials one after the other, in as many processes as asked for."""

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automarkerlabel.errors import AutoMarkerLabelError, ProcessingError, TrainingError
from automarkerlabel.training import trajectory_plan
from automarkerlabel.training.tuning.results import refuse_foreign, write_best
from automarkerlabel.training.tuning.space import DEFAULTS, Choice, Range, Search, searched
from automarkerlabel.training.tuning.study import Standing, finished_trials, open_study, quiet

if TYPE_CHECKING:
    import optuna

_FAILURES_IN_A_ROW = 5

Tell = Callable[[Standing], None]


def run(search: Search, tell: Tell | None = None) -> Standing:
    """Search until the time is up or the trials are done; write the best settings.

    `tell` hears after every epoch of this process. What is finished is in the study at once, so that after Ctrl-C, or
    when several processes of several computers share the file, nothing of it is lost. Raises `InputError` for a study
    of something else or if optuna is missing, `ProcessingError` if nothing finishes.
    """
    study = open_study(search)
    refuse_foreign(search.best)
    clock = _Clock(search, len(finished_trials(study)))
    others = [_start(search, n, clock.deadline) for n in range(1, search.jobs)] if clock.goes_on(study) else []
    try:
        _work(search, study, clock, 0, tell)
        for process in others:
            process.join()
    except BaseException:
        for process in others:
            process.terminate()  # which it takes as Ctrl-C
        raise
    finally:
        for process in others:
            process.join()
        standing = clock.standing(study)
        write_best(search.best, standing)
    if standing.best is None:
        raise ProcessingError(f"{search.study}: expected a trial that is complete, found none; give more --minutes")
    return standing


class _Clock:
    """When a search ends, and how it stands."""

    def __init__(self, search: Search, n_before: int, deadline: float | None = None) -> None:
        self.search, self.n_before, self.started = search, n_before, time.time()
        self.deadline = deadline
        if deadline is None and search.minutes is not None:
            self.deadline = self.started + 60 * search.minutes

    @property
    def late(self) -> bool:
        return self.deadline is not None and time.time() >= self.deadline

    def goes_on(self, study: "optuna.Study") -> bool:
        done = [t for t in finished_trials(study) if t.state != "failed"]
        if self.search.trials is not None and len(done) >= self.search.trials:
            return False
        return not self.late or not any(t.state == "complete" for t in done)

    def standing(self, study: "optuna.Study") -> Standing:
        trials, now = finished_trials(study), time.time()
        per_minute = 60 * (len(trials) - self.n_before) / max(1e-3, now - self.started)
        left = [] if self.deadline is None else [self.deadline - now]
        if self.search.trials is not None and per_minute:
            done = sum(t.state != "failed" for t in trials)
            left.append(60 * (self.search.trials - done) / per_minute)
        return Standing(trials, per_minute, max(0.0, min(left)) if left else None)


def _work(search: Search, study: "optuna.Study", clock: _Clock, worker: int, tell: Tell | None) -> None:
    """Trials one after the other until the search ends."""
    import torch

    torch.set_num_threads(1)
    failures = 0
    say = partial(_say, study, clock, tell)
    say()
    while clock.goes_on(study):
        reasons: list[TrainingError] = []
        trial = partial(_trial, search, study, clock, reasons, say)
        with quiet():
            study.optimize(trial, 1, catch=(TrainingError,))
        say()
        failures = failures + 1 if reasons else 0
        if failures >= _FAILURES_IN_A_ROW:
            raise ProcessingError(
                f"{search.study}: expected trials that finish, found {failures} in a row that fail: {reasons[0]}"
            )


def _say(study: "optuna.Study", clock: _Clock, tell: Tell | None) -> None:
    if tell:
        tell(clock.standing(study))


def _trial(
    search: Search, study: "optuna.Study", clock: _Clock, reasons: list[TrainingError], say: Callable[[], None],
    trial: "optuna.Trial",
) -> float:  # fmt: skip
    """Train with settings that the study suggests; the lowest validation loss."""
    import optuna

    kinds = search.model_types
    model_type = kinds[0] if len(kinds) == 1 else trial.suggest_categorical("model_type", kinds)
    chosen = {name: _suggested(trial, name, where) for name, where in searched(model_type, search.fixed).items()}
    same = {"model_type": model_type, "preset": search.preset, **DEFAULTS, **search.fixed, **chosen}
    trial.set_user_attr("settings", same)
    best = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        plan = search.plan(model_type, chosen, Path(folder) / "model.ckpt")
        trainer = trajectory_plan.prepare(
            plan, search.sources, search.validation, search.val_share, search.val_by, search.marker_set
        )
        trainer.threads = 1
        try:
            for epoch in trainer.epochs():
                loss = epoch.val_loss if epoch.val_loss is not None else float("nan")
                if loss < best:
                    best = loss
                    trial.set_user_attr("val_accuracy", epoch.val_accuracy)
                trial.report(loss, epoch.epoch)
                say()
                unfinished = epoch.epoch < epoch.epochs
                if unfinished and (trial.should_prune() or (clock.late and not clock.goes_on(study))):
                    raise optuna.TrialPruned
            if best == float("inf"):
                raise TrainingError("expected a finite validation loss, found none in any epoch")
        except TrainingError as error:
            reasons.append(error)
            raise
    return best


def _suggested(trial: "optuna.Trial", name: str, where: Range | Choice) -> Any:
    if isinstance(where, Choice):
        return trial.suggest_categorical(name, where.values)
    if where.step is not None:
        return trial.suggest_int(name, int(where.low), int(where.high), step=where.step)
    return trial.suggest_float(name, where.low, where.high, log=where.log)


def _start(search: Search, worker: int, deadline: float | None) -> BaseProcess:
    """A further process that works on the study."""
    process = multiprocessing.get_context("spawn").Process(target=_worker, args=(search, worker, deadline))
    process.start()
    return process


def _worker(search: Search, worker: int, deadline: float | None) -> None:
    """SIGTERM is taken as Ctrl-C, so that the trial under way does not stay "running" in the study."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        study = open_study(search, worker)
        _work(search, study, _Clock(search, 0, deadline), worker, None)
    except (KeyboardInterrupt, AutoMarkerLabelError) as error:
        raise SystemExit(1) from error  # the first process meets and tells the same
