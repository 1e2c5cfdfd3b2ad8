"""What conftest.py has run in other processes, which find it under this name wherever pytest was started."""

import os
import warnings


def begin():
    """Such a process leaves the cores to the tests where these need both."""
    if hasattr(os, "nice"):
        os.nice(5)
    os.environ["MPLBACKEND"] = "agg"
    warnings.simplefilter("ignore")  # short trainings say that they are


def run_in(folder, run, arguments):
    os.chdir(folder)
    run(**arguments)
