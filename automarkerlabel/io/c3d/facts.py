"""What a C3D file holds beside its points: analog channels, events, force plates, parameter groups."""

import math

import numpy as np

from automarkerlabel.io.c3d.layout import Layout
from automarkerlabel.io.c3d.parameters import decoded, floats_of

_EVENT_KEY = 12345  # in header word 150: events have names of four characters
_MAX_HEADER_EVENTS = 18


def facts(layout: Layout) -> dict[str, object]:
    """The facts as values that JSON can hold."""
    channels = layout.numbers("ANALOG", "USED")[:1] or [float(layout.analog_words // max(1, layout.samples_per_frame))]
    plates = layout.numbers("FORCE_PLATFORM", "USED")[:1] or [0.0]
    return {
        "storage": {
            "processor": layout.processor,
            "type": "float" if layout.is_float else "integer",
            "scale": layout.scale,
        },
        "analogs": {
            "n_channels": _count(channels[0]) if layout.analog_words else 0,
            "rate_hz": layout.rate_hz * layout.samples_per_frame if layout.analog_words else 0.0,
        },
        "events": [*_events(layout), *_header_events(layout)],
        "n_force_plates": _count(plates[0]),
        "parameter_groups": [record.name for record in layout.records if not record.kind],
    }


def _count(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


def _events(layout: Layout) -> list[dict[str, object]]:
    """Events of the EVENT group; a time is stored as minutes and seconds."""
    labels, contexts = layout.texts("EVENT", "LABELS"), layout.texts("EVENT", "CONTEXTS")
    times = layout.numbers("EVENT", "TIMES")
    used = layout.numbers("EVENT", "USED")[:1]
    n = len(times) // 2
    if used and math.isfinite(used[0]):
        n = min(n, int(used[0]))
    found: list[dict[str, object]] = []
    for k in range(n):
        seconds = 60 * times[2 * k] + times[2 * k + 1]
        found.append(
            {
                "label": labels[k] if k < len(labels) else "",
                "context": contexts[k] if k < len(contexts) else "",
                "time_s": seconds if math.isfinite(seconds) else None,
            }
        )
    return found


def _header_events(layout: Layout) -> list[dict[str, object]]:
    """Events of the header: words 151, 153 to 188 and 199 to 234."""
    words = np.frombuffer(layout.data, f"{layout.order}u2", 256)
    if words[149] != _EVENT_KEY:
        return []
    times = floats_of(np.frombuffer(layout.data, np.uint32, 128), layout.processor)[76 : 76 + _MAX_HEADER_EVENTS]
    found: list[dict[str, object]] = []
    for k in range(min(int(words[150]), _MAX_HEADER_EVENTS)):
        label = decoded(layout.data[396 + 4 * k : 400 + 4 * k])
        seconds = float(times[k]) if np.isfinite(times[k]) else None
        found.append({"label": label, "context": "", "time_s": seconds})
    return found
