"""The command: fastrbm, or python -m fastrbm."""

from __future__ import annotations

import sys
from contextlib import suppress


def main() -> int:
    """Run the command line. What keeps the package from being loaded is reported in one line, too."""
    try:
        from .cli.commands import main as run
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except ImportError as error:
        return _end(str(error), 2)
    return run()


def _end(line: str, code: int) -> int:
    with suppress(Exception):  # a standard error that is closed (None) or full
        sys.stderr.write(f"fastrbm: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
