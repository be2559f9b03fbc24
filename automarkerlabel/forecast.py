"""The loss of the second head of a `hybrid`, which forecasts where the marker goes next; see `features.next_step`."""

import torch.nn.functional as F
from torch import Tensor


def squared_error(forecast: Tensor, ahead: Tensor) -> Tensor:
    """Squared error, the mean of three coordinates, summed over windows whose next sample is seen.

    forecast, ahead  `(n, 3)` in one unit; ahead is NaN where the next sample is not seen.
    """
    seen = ahead.isfinite().all(1)
    return F.mse_loss(forecast.float()[seen], ahead[seen], reduction="sum") / 3
