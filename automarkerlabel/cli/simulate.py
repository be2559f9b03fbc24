"""`aml simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from automarkerlabel.cli import console
from automarkerlabel.cli.options import AsJson, Overwrite, refuse

_BROKEN = ("cuts", "occlude", "ghosts", "swaps", "hidden_markers", "rotate")


def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="folder for the trials; made if it is not there")],
    marker_set: Annotated[
        str, typer.Option(help="name of a marker set (aml marker-sets list), or an OpenSim .xml or .osim")
    ],
    motion: Annotated[
        list[str] | None,
        typer.Option(help="walk, squat, ...; or a .bvh, .amc, .zip or folder of clips, or .h5 kinematics; all if none"),
    ] = None,
    trials: Annotated[int, typer.Option(help="trials of each subject; 0: one of each motion")] = 0,
    subjects: Annotated[int, typer.Option(help="bodies, each in a folder of its own")] = 1,
    seconds: Annotated[float, typer.Option(help="length of a trial; a clip may be shorter")] = 10.0,
    rate: Annotated[float, typer.Option(help="frames a second")] = 100.0,
    seed: Annotated[int, typer.Option(help="of bodies, movements and corruption")] = 0,
    corrupt: Annotated[
        bool, typer.Option("--corrupt", help="write an unlabelled copy as a capture system would, and its truth")
    ] = False,
    cuts: Annotated[int, typer.Option(help="with --corrupt: cuts inside trajectories")] = 50,
    occlude: Annotated[
        float, typer.Option(help="with --corrupt: share of the points hidden, in stretches of 0.05-0.5 s")
    ] = 0.05,
    ghosts: Annotated[float, typer.Option(help="with --corrupt: ghosts a frame, about")] = 3.0,
    swaps: Annotated[int, typer.Option(help="with --corrupt: swaps without a gap")] = 4,
    hidden_markers: Annotated[int, typer.Option(help="with --corrupt: markers missing from the whole trial")] = 0,
    rotate: Annotated[bool, typer.Option(help="with --corrupt: turn each trial to a random heading")] = True,
    format: Annotated[str, typer.Option("--format", help="c3d, trc or hdf5 (for training)")] = "c3d",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make labelled trials of simulated people who wear a marker set."""
    from automarkerlabel.simulate import dataset
    from automarkerlabel.simulate.corrupt import Corruption

    if not corrupt:
        refuse(context, _BROKEN, "--corrupt beside it, found none")
    corruption = Corruption(cuts, occlude, ghosts, swaps, rotate, hidden_markers, seed) if corrupt else None
    worn = dataset.worn_set(marker_set)
    motions = dataset.find_motions(motion or [], lambda name, message: console.say(f"note: {name} left out: {message}"))
    order = dataset.Order(
        worn, motions, out, subjects, trials, seconds, rate, seed, format.lower(), corruption, overwrite
    )
    written = []
    with console.progress("simulating", subjects * order.per_subject, as_json) as bar:
        for made in dataset.write_trials(order):
            written.append(made)
            console.advance(bar)
    if as_json:
        console.print_json({"marker_set": worn.marker_set.name, "trials": written})
    else:
        what = "cases with their truth" if corrupt else "labelled trials"
        console.results.print(f"written: {len(written)} {what} in {out}", markup=False)
