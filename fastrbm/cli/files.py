"""The files that commands write: tried before any work, and never given up while there is another place."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._core import output
from . import together
from .words import CommandError, fail, reason

OUTPUTS = (".npy", ".npz", ".csv", ".tsv")  # of states


@dataclass(frozen=True)
class Output:
    """A file to write at the end: the option that asked for it, its name as given, and where that is, whatever folder
    becomes the current one."""

    option: str
    name: str
    path: Path

    def keep(self, write: Callable[[Path], object]) -> str | None:
        """Let write(path) write it. Where that fails it goes beside, into the current or the temporary folder.

        Returns what to call the file that was written, None if none was."""
        if not together.speaks():
            return self.name
        try:
            write(self.path)
            return self.name
        except OSError as error:
            said = f"{self.option} {self.name} cannot be written: {reason(error)}"
        for folder in (self.path.parent, Path("."), _temporary_folder()):
            other = folder / f"{self.path.stem[:100]}-{secrets.token_hex(4)}{self.path.suffix}"
            with suppress(OSError):
                write(other)
                fail(f"{said}; it is in {other} instead")
                return str(other)
        fail(f"{said}; nor could another place be found for it")
        return None


def check_output(
    option: str, name: str, kinds: tuple[str, ...], *others: str | Path | None, shown_kinds: tuple[str, ...] = ()
) -> Output:
    """Refuse, before any work, a file that could not be written at the end, or that is one of the others, which are
    read or written too."""
    path = Path(name)
    if not together.speaks():
        return Output(option, name, path.absolute())
    for other in others:
        if other is not None and _same(path, Path(other)):
            raise CommandError(f"{option} {name} is also a file to read from, or to write something else to")
    if path.suffix not in kinds and "".join(path.suffixes[-2:]) not in kinds:
        raise CommandError(f"{option} {name}: its name must end in {' or '.join(shown_kinds or kinds)}")
    if path.is_dir():
        raise CommandError(f"{option} {name} is a folder")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"{option} {name}: there is no folder {path.absolute().parent}")
    try:
        output.check(path)
    except PermissionError:
        raise CommandError(f"{option} {name}: no permission to write there") from None
    except OSError as error:
        raise CommandError(f"{option} {name} cannot be written: {reason(error)}") from None
    return Output(option, name, path.absolute())


def _same(path: Path, other: Path) -> bool:
    """Whether two names are of one file, through links of either kind."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return False


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path("/tmp")
