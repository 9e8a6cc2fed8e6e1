"""`python -m mertool`: the same commands as `mertool`."""

from .cli import main

main(prog_name="mertool")
