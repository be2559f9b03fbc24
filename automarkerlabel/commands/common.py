"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Trials = Annotated[list[Path], typer.Argument(help="trials: .c3d, .trc or .csv", show_default=False)]
Data = Annotated[
    list[Path],
    typer.Argument(help="labelled trials, folders of them, or lists (.txt, a path a line)", show_default=False),
]
Units = Annotated[str | None, typer.Option(help="units of the trial's points: mm, cm, m, ...; overrules the file")]
Up = Annotated[str | None, typer.Option(help="the trial's upward axis: x, y, z, -x, -y or -z; overrules the file")]
Exclude = Annotated[
    str | None, typer.Option(help="regular expression: columns that hold computed points beside those recognised")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a script instead of text")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace an output that exists")]
Seed = Annotated[int, typer.Option(help="of the corruption")]
Reference = Annotated[Path | None, typer.Option(help="labelled trial of the same marker set, such as a static one")]
ReferenceFrame = Annotated[int | None, typer.Option(help="its frame to match to, counted as the file does")]
