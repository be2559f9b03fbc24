"""Trials that the benchmark makes for itself: a runner in a set of 62 markers at 240 Hz, as the predecessor had it."""

from automarkerlabel.core.trial import Trial
from automarkerlabel.simulate.corrupt import Corruption, make_case
from automarkerlabel.simulate.dataset import worn_set
from automarkerlabel.simulate.trials import make_trial

SET, RATE_HZ = "clouthier2021", 240.0
_SUBJECT = 1


def labelled(seconds: float, motion: str = "run", seed: int = 0) -> Trial:
    """A labelled trial."""
    return make_trial(motion, worn_set(SET).moving(), _SUBJECT, seconds, RATE_HZ, seed)


def unlabelled(trial: Trial) -> Trial:
    """The trial without names, broken as `aml eval` does it by default, but without swaps."""
    return make_case(trial, Corruption(swaps=0)).trial
