"""Chains that ranks share from one call to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..ranks import sharing

if TYPE_CHECKING:
    from .._core.parameters import Parameters
    from ..rbm import RBM


_ALONE = nullcontext()


class Together:
    """What chains keep of a communicator. A copy, and what a pickle holds, belongs to one process."""

    _comm: Any = None
    _agreed: Parameters | None = None  # which all ranks are known to have

    def _sharing(self, rbm: RBM, n_sweeps: int, n_sweeps_done: int) -> AbstractContextManager[Any]:
        """A context in which the ranks share sweeps."""
        if self._comm is None:
            return _ALONE
        return self._shared(rbm, n_sweeps, n_sweeps_done)

    @contextmanager
    def _shared(self, rbm: RBM, n_sweeps: int, n_sweeps_done: int) -> Iterator[None]:
        parameters = rbm._parameters
        changed = None if parameters is self._agreed else rbm
        with sharing(self._comm, n_sweeps=n_sweeps, n_sweeps_done=n_sweeps_done, rbm=changed):
            self._agreed = parameters
            yield

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_comm", "_agreed")}
