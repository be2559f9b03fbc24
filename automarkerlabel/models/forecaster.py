"""`forecaster`: an LSTM that rolls. It reads what is known before a gap, then goes on by its own last answer.

It sees how long vectors are and how they lie to each other, and answers with shares of them: turned inputs give the
same answer, turned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automarkerlabel.errors import ModelError

_STEP = 0.2  # of an output: how far it moves the answer in a step
_UNIT = 0.1  # lengths far below it count alike
_N_VECTORS = 5


@dataclass(frozen=True)
class ForecasterConfig:
    """Numbers a step has beside vectors, cells of the LSTM, and dropout before the output.

    Raises `ModelError` for sizes that make no network.
    """

    n_facts: int
    cells: int = 48
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not (self.n_facts > 0 and self.cells > 0 and 0 <= self.dropout < 1):
            raise ModelError(f"forecaster: expected positive sizes and a dropout below 1, found {self}")


class ForecasterModel(nn.Module):
    """Answers with a share of a guess, and what it adds up itself; fresh weights take little of the guess."""

    def __init__(self, config: ForecasterConfig) -> None:
        super().__init__()
        self.config = config
        n_inputs = config.n_facts + _N_VECTORS * (_N_VECTORS + 1) // 2
        self.project = nn.Linear(n_inputs, config.cells)
        self.cell = nn.LSTMCell(config.cells, config.cells)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.cells, 4)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[3] = -2.0

    def forward(self, facts: Tensor, known: Tensor, motion: Tensor, guess: Tensor) -> Tensor:
        """What it will be, `(batch, n_steps, 3)`.

        facts   `(batch, n_known + n_steps, n_facts)`.
        known   `(batch, n_known, 3)`: what it was before the gap.
        motion  `(batch, n_known + n_steps, 3)`: of what it hangs on.
        guess   `(batch, n_steps, 3)`.
        """
        n_known = known.shape[1]
        state = (facts.new_zeros(len(facts), self.config.cells),) * 2
        answer, change, added, answers = known[:, 0], 0 * known[:, 0], 0 * known[:, 0], []
        for step in range(facts.shape[1]):
            if step < n_known:
                answer, change, guessed = known[:, step], known[:, step] - known[:, max(0, step - 1)], 0 * change
            else:
                guessed = guess[:, step - n_known]
            moved = motion[:, step] - motion[:, max(0, step - 1)]
            vectors = torch.stack([answer, change, motion[:, step], moved, guessed], 1)  # (batch, n_vectors, 3)
            inputs = torch.cat([_lengths_and_angles(vectors), facts[:, step]], 1)
            state = self.cell(torch.tanh(self.project(inputs)), state)
            if step >= n_known:
                out = self.out(self.dropout(state[0]))  # (batch, 4)
                added = added + _STEP * (out[:, :1] * change + out[:, 1:2] * moved + out[:, 2:3] * answer)
                answer = added + torch.sigmoid(out[:, 3:]) * guessed
                answers.append(answer)
        return torch.stack(answers, 1)


def _lengths_and_angles(vectors: Tensor) -> Tensor:
    """`(batch, n (n + 1) / 2)`: logarithms of the lengths of `(batch, n, 3)`, and the cosine between each two."""
    squares = vectors @ vectors.mT  # (batch, n, n)
    length = torch.sqrt(squares.diagonal(dim1=1, dim2=2) + 1e-8)  # (batch, n)
    cosines = squares / (length[:, :, None] * length[:, None] + 1e-4)
    row, column = torch.triu_indices(vectors.shape[1], vectors.shape[1], 1)
    return torch.cat([torch.log(length + _UNIT), cosines[:, row, column]], 1)
