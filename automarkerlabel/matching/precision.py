"""In which precision a device computes best."""

import torch


def has_bfloat16(device: str) -> bool:
    """Whether the device computes in bfloat16 faster than in float32, by what it says of itself: a measurement would
    depend on its load, and a resumed run might go on otherwise than it began."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    told = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name for it yet
    return bool(told and told())
