"""What the commands do with each file. Everything heavy is imported in the process that does it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from automarkerlabel.io.files import read_bytes
from automarkerlabel.workflows.batch.task import Ready, Task

if TYPE_CHECKING:
    from automarkerlabel.audit.audit import Audit
    from automarkerlabel.filling.fill import FillOptions
    from automarkerlabel.io import Reading
    from automarkerlabel.labellers.request import LabelRequest
    from automarkerlabel.workflows.audit import AuditOptions
    from automarkerlabel.workflows.fill import FillSummary
    from automarkerlabel.workflows.label import LabelOptions, LabelSummary

_NO_MATTER = ("overwrite", "dry_run", "verify")  # options that change nothing in what is written
_FILES = ("model", "reference", "marker_set", "training_values")  # of what is wanted: may be files


@dataclass(frozen=True)
class LabelWork:
    """Label a trial. Outputs of a task: the labelled copy, what windows looked at, the report."""

    wanted: "LabelRequest"
    options: "LabelOptions"
    device: str = "auto"
    attention: bool = False  # whether any task asks for it

    def prepare(self) -> Ready:
        from automarkerlabel.labellers.request import labeller_for, notes_about
        from automarkerlabel.models.device import as_device
        from automarkerlabel.workflows.label import label_with

        method = labeller_for(self.wanted, as_device(self.device))
        if self.attention:
            method.require_inside()

        def do(task: Task) -> "LabelSummary":
            output, attention, report = task.outputs
            assert output is not None
            options = replace(self.options, overwrite=task.overwrite)
            return label_with(method, task.source, output, options, attention, report)

        return Ready(do, notes_about(method))

    def digest(self) -> str:
        """What stands for all that labels depend on beside the trial: the options, and what is in the files they name.
        Neither the device nor the version of this package is part of it.

        Raises `InputError` for a file that cannot be read, `ModelError` for an unknown model.
        """
        options = {k: v for k, v in asdict(self.options).items() if k not in _NO_MATTER}
        asked = {k: v for k, v in asdict(self.wanted).items() if k not in _FILES}
        total = hashlib.sha256(json.dumps([options, asked], sort_keys=True, default=str).encode())
        for name, path in self._files():
            total.update(name.encode() + b"\0" + hashlib.sha256(read_bytes(path)).digest())
        return total.hexdigest()

    def _files(self) -> Iterator[tuple[str, Path]]:
        """The files that labels depend on."""
        from automarkerlabel.labellers import load
        from automarkerlabel.labellers.subjects.options import entry_parts
        from automarkerlabel.marker_sets.catalogue import BUILT_IN, own_folder
        from automarkerlabel.models.checkpoints import find_model

        wanted = self.wanted
        matcher = load.find_matcher(wanted.model)
        yield "model", matcher or find_model(str(wanted.model))
        for name, path in (("reference", wanted.reference), ("values", wanted.training_values)):
            if path is not None:
                yield name, path
        worn = [x for x in (wanted.marker_set, *(entry_parts(x)[1] for x in wanted.subjects)) if x is not None]
        for name in worn:  # a known set, or a file
            named = [Path(name), *(folder / f"{name}.toml" for folder in (own_folder(), BUILT_IN))]
            yield from ((name, path) for path in named if path.is_file())
        if not worn and matcher is not None and wanted.reference is None:  # then the likeliest known set is taken
            yield from ((f"own set {path.name}", path) for path in sorted(own_folder().glob("*.toml")))

    def anywhere(self) -> "LabelWork":
        """The same with full paths, for processes in other folders."""
        paths = {k: v for k, v in asdict(self.wanted).items() if k in _FILES and v is not None and Path(v).exists()}
        return replace(self, wanted=replace(self.wanted, **{k: type(v)(Path(v).absolute()) for k, v in paths.items()}))


@dataclass(frozen=True)
class FillWork:
    """Fill the gaps of a trial. Output of a task: the filled copy."""

    options: "FillOptions"
    reading: "Reading"
    dry_run: bool = False
    verify: bool = True
    model: Path | None = None  # a forecaster

    def prepare(self) -> Ready:
        from automarkerlabel.workflows.fill import fill_file

        model = None
        if self.model is not None:
            from automarkerlabel.filling.forecaster import load

            model = load(self.model)

        def do(task: Task) -> "FillSummary":
            (output,) = task.outputs
            assert output is not None
            return fill_file(
                task.source, output, self.options, self.reading, task.overwrite, self.dry_run, self.verify, model
            )

        return Ready(do)


@dataclass(frozen=True)
class AuditWork:
    """Audit a trial; nothing is written."""

    options: "AuditOptions"
    device: str = "auto"

    def prepare(self) -> Ready:
        from automarkerlabel.workflows.audit import against, audit_file

        to = against(self.options, self.device)

        def do(task: Task) -> "Audit":
            return audit_file(task.source, to, self.options)

        return Ready(do)
