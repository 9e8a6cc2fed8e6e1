"""`python -m mertool`: the same commands as `mertool`."""

from .cli.main import main

if __name__ == "__main__":  # worker processes import this module too
    main(prog_name="mertool")
