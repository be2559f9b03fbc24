"""Files of tensors with facts beside them: read, and written whole or not at all.

What is written is made in memory first: on a full disk the libraries' own writing fails with errors that are no
`OSError`.
"""

import json
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from automarkerlabel.io.files import atomic

UNREADABLE = (SafetensorError, OSError, ValueError)  # what reading a file raises that is none or damaged


def has_facts(path: Path, name: str) -> bool:
    """Whether a file, whatever its suffix, is safetensors with facts under a name."""
    try:
        with safe_open(path, "pt") as file:
            return name in (file.metadata() or {})
    except UNREADABLE:
        return False


def read_tensors(path: Path, name: str) -> tuple[dict[str, Tensor], str | None]:
    """The tensors of a file, and the JSON of the facts under a name, None where there are none. Raises `UNREADABLE`."""
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get(name)
        return {key: file.get_tensor(key) for key in file.keys()}, text  # noqa: SIM118 - not a dict


def write_tensors(path: Path, tensors: Mapping[str, Tensor], name: str, facts: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with facts of plain values as JSON under a name. Raises `OutputError`."""
    own = {key: tensor.detach().to("cpu").contiguous() for key, tensor in tensors.items()}
    content = save(own, {name: json.dumps(facts, allow_nan=False)})
    with atomic(path) as temporary:
        temporary.write_bytes(content)
        os.chmod(temporary, 0o644)


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training by torch's own pickle. Raises `OutputError`."""
    buffer = BytesIO()
    torch.save(state, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
