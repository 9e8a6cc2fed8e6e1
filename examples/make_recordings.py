"""Make up recordings of expressions, shaped like known data sets on disk, by moving the faces of still portraits.

Nobody in these recordings feels anything: smooth displacement fields, placed by landmarks, move the skin as action
units do, by 0.5 to 3 pixels at an inter-ocular distance of 100, on a head that is never quite still. They are good for
trying the commands, for tests, and for seeing that a method finds tiny movements at all. They do not show how accurate
it is on real recordings.
"""

from __future__ import annotations

import importlib.util
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import click
from recordings import DEFAULT_LENGTHS, LAYOUTS, Conditions, plan_layout, write_rendered
from recordings.subjects import load_portraits, make_subjects

from mertool.errors import FileError, MertoolError
from mertool.extraction.faces import FaceFinder, find_landmark_model
from mertool.workers import available_cores

USUAL = Conditions()

EPILOG = """\b
Example, 26 real subjects instead of twelve variants of one:
    python examples/make_recordings.py --portraits portraits recordings

\b
Another data set's folders:
    python examples/make_recordings.py --layout casme2 --subjects 4 CASME2

\b
Hard recordings: weak movements, a restless head, changing light, blinks, noise:
    python examples/make_recordings.py --strength 0.7 --sway 4 --roll 1.5 --light 6 --blinks 0.5 --noise 2.5 hard
"""


@click.command(epilog=EPILOG, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--portraits",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of portraits, one per subject: SUBJECT/neutral.jpg, or any pictures.  [default: the astronaut]",
)
@click.option("--layout", type=click.Choice(list(LAYOUTS)), default="samm", help="Whose folders and table to imitate.")
@click.option(
    "--subjects",
    "n_subjects",
    type=click.IntRange(1, 900),
    help="Subjects; more than portraits: variants of them.  [default: one per portrait, 12 if there is one portrait]",
)
@click.option("--clips-per-subject", type=click.IntRange(1, 100), default=6, help="Clips; oddities come on top.")
@click.option(
    "--length",
    type=(click.IntRange(8), click.IntRange(8, 400)),
    show_default="24 40, for smic 8 12",
    help="Frames from onset to offset.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 10),
    default=USUAL.strength,
    help="Usual peak displacement in pixels; all pixels hold at an inter-ocular distance of 100.",
)
@click.option("--sway", type=click.FloatRange(0, 50), default=USUAL.sway, help="Largest drift of the head in pixels.")
@click.option(
    "--roll", type=click.FloatRange(0, 20), default=USUAL.roll, help="Its largest turn in the picture plane in degrees."
)
@click.option("--yaw", type=click.FloatRange(0, 20), default=USUAL.yaw, help="Its largest turn in depth in degrees.")
@click.option("--light", type=click.FloatRange(0, 50), default=USUAL.light, help="Change of brightness in percent.")
@click.option("--blinks", type=click.FloatRange(0, 1), default=USUAL.blinks, help="Share of recordings with a blink.")
@click.option("--noise", type=click.FloatRange(0, 50), default=USUAL.noise, help="Camera noise in grey levels.")
@click.option("--seed", type=click.IntRange(0), default=0, help="The same seed gives the same bytes.")
@click.option("--jobs", type=click.IntRange(1), default=available_cores, help="Processes.", show_default="all cores")
def main(
    out: Path,
    portraits: Path | None,
    layout: str,
    n_subjects: int | None,
    clips_per_subject: int,
    length: tuple[int, int] | None,
    seed: int,
    jobs: int,
    **conditions: float,
) -> None:
    """Make up recordings of micro-expressions in the new folder OUT.

    Folders, frames and tables are named as in the data set that --layout says, with what is odd about it;
    OUT/README.txt lists the oddities. Layout samm: grey jpgs of 960x650 at 200 a second in
    OUT/006/006_1_2/006_05562.jpg and so on, from onset to offset; OUT/SAMM_Micro_FACS_Codes_v2.xlsx annotates them as
    SAMM's table does.
    """
    length = length or DEFAULT_LENGTHS[layout]
    if length[0] > length[1]:
        raise click.BadParameter(f"expected MIN <= MAX, got {length[0]} {length[1]}", param_hint="--length")
    for package in ("openpyxl", "skimage", "xlwt"):
        if importlib.util.find_spec(package) is None:
            raise click.ClickException(f"{package} is not installed; get it with `pip install mertool[demo]`")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileError(f"{out}: already there and not an empty folder; remove it or choose another")
        found = load_portraits(portraits, FaceFinder(find_landmark_model()))
        subjects = make_subjects(found, n_subjects or (len(found) if len(found) > 1 else 12), seed)
        plan = plan_layout(layout, len(subjects), clips_per_subject, length, seed)
        out.mkdir(parents=True, exist_ok=True)
        write_rendered(plan, out, subjects, jobs, Conditions(**conditions))
    except MertoolError as error:
        raise click.ClickException(str(error)) from error
    except BrokenProcessPool as error:
        raise click.ClickException(
            "a worker process was killed, perhaps for lack of memory; try fewer --jobs"
        ) from error
    except OSError as error:
        raise click.ClickException(f"{out}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    click.echo(out)


if __name__ == "__main__":
    main()
