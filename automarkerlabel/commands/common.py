"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

_SUFFIXES = ".c3d, .trc, .csv, .tsv, .mat, .hdf5"
Trial = Annotated[Path, typer.Argument(help=f"trial: {_SUFFIXES}", show_default=False)]
Trials = Annotated[
    list[Path],
    typer.Argument(help=f"trials: {_SUFFIXES}; or patterns in quotes: 'archive/**/*.c3d'", show_default=False),
]
Data = Annotated[
    list[Path],
    typer.Argument(help="labelled trials, folders of them, or lists (.txt, a path a line)", show_default=False),
]
Units = Annotated[str | None, typer.Option(help="units of the trial's points: mm, cm, m, ...; overrules the file")]
Up = Annotated[str | None, typer.Option(help="the trial's upward axis: x, y, z, -x, -y or -z; overrules the file")]
Exclude = Annotated[
    str | None, typer.Option(help="regular expression: columns that hold computed points beside those recognised")
]
Rename = Annotated[Path | None, typer.Option(help='TOML file of lines old = "new" that renames labels')]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a script instead of text")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")]
Jobs = Annotated[
    int | None, typer.Option(help="worker processes, of one thread each; default: none, one trial after the other")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace an output that exists")]
Seed = Annotated[int, typer.Option(help="of the corruption")]
Reference = Annotated[Path | None, typer.Option(help="labelled trial of the same marker set, such as a static one")]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference", help="labelled trial of the same marker set, such as a static one; one for each person"
    ),
]
NamedSubjects = Annotated[
    list[str] | None,
    typer.Option("--subject", help="NAME=FILE or NAME=MARKER_SET: somebody in the trial and his reference; repeatable"),
]
Subjects = Annotated[
    int | None, typer.Option(help="number of people in the trial, who share a reference or marker set")
]
ReferenceFrame = Annotated[int | None, typer.Option(help="its frame to match to, counted as the file does")]
WornSet = Annotated[
    str | None,
    typer.Option(help="worn set: a name (`aml marker-sets list`) or file (.toml, .xml, .osim, .vst, .vsk)"),
]
Model = Annotated[
    str | None, typer.Option(help="model file, or name of a model that comes along; default: the matcher")
]
TrainingValues = Annotated[Path | None, typer.Option(help="of a checkpoint of the predecessor")]
Heading = Annotated[
    float, typer.Option(help="degrees that turn the person to face +x; only the predecessor's models need it")
]
MinConfidence = Annotated[float, typer.Option(help="leave labels below this confidence away")]
KeepLabels = Annotated[bool, typer.Option("--keep-labels", help="hold names fixed that are there, also unknown ones")]
