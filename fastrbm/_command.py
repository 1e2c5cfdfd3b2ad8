"""Where this process is the command 'fastrbm', what goes wrong while the package is imported is reported in one line.

Imported before all else. Once the import is done, fastrbm.cli tells of mistakes itself.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def is_command(argv: list[str], orig_argv: list[str]) -> bool:
    """Whether these are the arguments of the script 'fastrbm' or of 'python -m fastrbm'."""
    name = os.path.basename(argv[0]) if argv else ""
    return name in ("fastrbm", "fastrbm.exe") or name == "-m" and "fastrbm" in orig_argv


def tell(kind, error, trace) -> None:
    """A sys.excepthook: ImportError and KeyboardInterrupt in one line, with the exit codes of fastrbm.cli.main."""
    if issubclass(kind, (KeyboardInterrupt, ImportError)):
        interrupted = issubclass(kind, KeyboardInterrupt)
        with suppress(Exception):  # a standard error that is closed (None) or full
            sys.stderr.write(f"fastrbm: {'interrupted' if interrupted else error}\n")
        raise SystemExit(130 if interrupted else 2)
    sys.__excepthook__(kind, error, trace)


if is_command(sys.argv, sys.orig_argv):
    sys.excepthook = tell
