"""Files that are written whole or not at all: tried beforehand, replaced, and held against other writers."""

from __future__ import annotations

import errno
import fcntl
import glob
import io
import os
import secrets
import stat
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import validate

# With these a file may still be written where it is, though no other can take its place: it is a mount (Docker mounts
# single files), its folder may not be written in, or the disk or a quota has no room for the old and the new one.
_IN_PLACE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG,
}  # fmt: skip
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY}
_TAKEN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}  # by which a lock that somebody else holds is recognized
_KEPT_OF_NAME = 40  # characters of a file's name in that of its temporary file: together at most 255 bytes
_TRIED = 4096  # bytes that are written to see whether there is room


def archive(**arrays: Any) -> memoryview:
    """The content of an .npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getbuffer()


def replace_file(path: str | PathLike[str], content: bytes | memoryview) -> None:
    """Let a file have this content: readers see the old one or the new one, whenever the program or the machine stops.

    A temporary file beside it is renamed. Where that cannot be, a file that is there is written in place. Symbolic
    links stay, and what they lead to is written; mode and, where the system allows it, owner stay, too.

    Raises
    ------
    OSError
        When the file cannot be written, or is something else than a regular file, such as a folder or a device.
    """
    with _naming(path):
        target, before = _target(path)
        try:
            _replace(target, before, content)
        except OSError as error:
            if before is None or error.errno not in _IN_PLACE:
                raise
            _overwrite(target, content)


def check(path: str | PathLike[str]) -> None:
    """Raise what replace_file would, by trying to write there; leaves all as it was."""
    with _naming(path):
        target, before = _target(path)
        if before is not None:  # not even a file that could be replaced, if it is protected
            os.close(os.open(target, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            with _temporary(target, None) as (file, _):
                file.write(bytes(_TRIED))
        except OSError as error:
            if before is None or error.errno not in _IN_PLACE:
                raise


def clean_up(path: str | PathLike[str]) -> None:
    """Remove what processes that were killed while they wrote left beside a file; those that live hold locks."""
    target, _ = _target(path)
    for left in target.parent.glob(f".{glob.escape(target.name[:_KEPT_OF_NAME])}.*.part"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _lock(descriptor):
                    left.unlink()
            finally:
                os.close(descriptor)


class Lock:
    """A file held by one writer, which every other one is refused: another process, thread, or call of this thread.

    The lock is on a hidden file beside it, or on the file itself where none can be made; it ends with the process,
    however that ends, and a forked child does not have it. On file systems without locks there is none.

    Raises
    ------
    BlockingIOError
        When another writer holds the file.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._descriptor: int | None = None
        self._file: Path | None = None
        with _naming(path):
            target, _ = _target(path)
            while self._descriptor is None:
                descriptor, file = _lock_file(target)
                if descriptor is None:
                    return
                held = _lock(descriptor)
                if held is False:
                    os.close(descriptor)
                    raise BlockingIOError(
                        errno.EAGAIN, "another training that is still running keeps its checkpoints here"
                    )
                if file is None or _same(file, descriptor):  # its holder may have removed it in the meantime
                    self._descriptor, self._file = descriptor, file
                    _locks.add(self)
                else:
                    os.close(descriptor)

    def release(self) -> None:
        """Let others have the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if self._file is not None and _same(self._file, descriptor):
            with suppress(OSError):
                self._file.unlink()
        with suppress(OSError):
            os.close(descriptor)

    def _forget(self) -> None:
        """In a forked child: the lock is the parent's."""
        self._file = None
        self.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_locks):
        lock._forget()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def _naming(path: str | PathLike[str]) -> Iterator[None]:
    """Have errors name the file that was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _target(path: str | PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """The file that path leads to, through links, and what is known of it; None where there is none yet."""
    path = validate.path(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file, and left as it is")
    return Path(os.path.realpath(path)), found


@contextmanager
def _temporary(target: Path, before: os.stat_result | None) -> Iterator[tuple[IO[bytes], Path]]:
    """(file, path) of a new locked file beside target, which is gone afterwards unless it was renamed."""
    path = target.with_name(f".{target.name[:_KEPT_OF_NAME]}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    made = True
    try:
        try:
            descriptor = os.open(path, flags, 0o666 if before is None else 0o600)
        except FileExistsError:  # not ours
            made = False
            raise
        with open(descriptor, "wb") as file:
            _lock(descriptor)
            yield file, path
    finally:
        if made:
            with suppress(OSError):
                path.unlink()


def _replace(target: Path, before: os.stat_result | None, content: bytes | memoryview) -> None:
    with _temporary(target, before) as (file, temporary):
        file.write(content)
        file.flush()
        if before is not None:
            _give(file.fileno(), before)
        _sync(file.fileno())
        os.replace(temporary, target)
        with suppress(OSError):  # the new name on the disk, too, where the system can
            folder = os.open(target.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _give(descriptor: int, before: os.stat_result) -> None:
    """Owner and mode of the file before, as far as the system allows it."""
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        for owner in (before.st_uid, -1):  # a group may be given where an owner may not
            with suppress(OSError):
                os.fchown(descriptor, owner, before.st_gid)
                break
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o777)


def _overwrite(target: Path, content: bytes | memoryview) -> None:
    """Write a file where it is. Room for all of it is made first; Ctrl-C comes up once it is whole."""
    descriptor = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        try:
            if hasattr(os, "posix_fallocate") and len(content):
                os.posix_fallocate(descriptor, 0, len(content))
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.ftruncate(descriptor, size)
                raise
        try:
            _fill(descriptor, content)
        except (KeyboardInterrupt, SystemExit):
            _fill(descriptor, content)
            raise
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes | memoryview) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], done)
    os.ftruncate(descriptor, len(content))
    _sync(descriptor)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _lock_file(target: Path) -> tuple[int | None, Path | None]:
    """(descriptor, path) of the file to lock; without a path it is the target itself, without a descriptor none."""
    beside = target.with_name(f".{target.name}.lock")
    with suppress(OSError):
        return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666), beside
    with suppress(OSError):
        return os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), None
    return None, None


def _lock(descriptor: int) -> bool | None:
    """Whether an open file is locked now; False where somebody else holds it, None where files cannot be locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _TAKEN else None
    return True


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        return False
