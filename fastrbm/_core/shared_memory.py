"""Memory that processes of one machine share."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

_FOLDER = Path("/dev/shm")  # of Linux: files that are never on a disk


def create(n_bytes: int) -> tuple[str, np.ndarray]:
    """Zeros, uint8 (n_bytes,), and what open_by takes to find them, until it is removed. OSError where there is no such
    memory, or not so much."""
    file, path = tempfile.mkstemp(prefix="fastrbm-", dir=_FOLDER)
    try:
        os.posix_fallocate(file, 0, n_bytes)  # now, and not as a bus error at the first use
        return path, _mapped(file, n_bytes)
    except BaseException:
        remove(path)
        raise
    finally:
        os.close(file)


def open_by(path: str, n_bytes: int) -> np.ndarray:
    """Memory that another process created; OSError where this one cannot reach it."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return _mapped(file, n_bytes)
    finally:
        os.close(file)


def remove(path: str) -> None:
    """Let nobody else find it. It lasts as long as the arrays."""
    with suppress(OSError):
        os.unlink(path)


def _mapped(file: int, n_bytes: int) -> np.ndarray:
    try:
        return np.frombuffer(mmap.mmap(file, n_bytes), np.uint8)
    except ValueError as error:  # shorter than that: not what was created
        raise OSError(str(error)) from None
