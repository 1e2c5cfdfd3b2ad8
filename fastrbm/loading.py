"""Models, chains and paths, read from their files."""

from __future__ import annotations

from os import PathLike

from ._core import chains_file, model_file, path_file, validate
from .rbm import RBM
from .sampling.chains import Chains
from .sampling.path import Path
from .sampling.tempering import TemperedChains
from .units.layer import from_segments


def load(path: str | PathLike[str]) -> RBM:
    """Read a model that :meth:`RBM.save` wrote.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or not a model of this package.
    """
    return _read(model_file.load(validate.path(path)), path)


def _read(found: model_file.Read, path: str | PathLike[str]) -> RBM:
    """The model of a file."""
    try:
        visible, hidden = map(from_segments, found.segments, ("visible_units", "hidden_units"))
    except ValueError as error:
        raise ValueError(f"{path} is of a newer fastrbm, or damaged: {error}") from None
    try:
        rbm = RBM(*found.parameters, visible=visible, hidden=hidden)
    except ValueError as error:  # two layers of real units, say, whose weights are too large for both
        raise ValueError(f"{path} is damaged: {error}") from None
    rbm._visible_names, rbm._visible_categories = found.names, found.categories
    if found.record is not None:
        rbm._trained = rbm._parameters, found.record
    return rbm


def load_chains(path: str | PathLike[str]) -> Chains | TemperedChains:
    """Read chains that :meth:`Chains.save` or :meth:`TemperedChains.save` wrote; they go on to the same bits as if
    there were no file.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or not a file of chains.

    Examples
    --------
    >>> import tempfile
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> chains = fr.Chains(rbm, n_chains=100, seed=0)
    >>> chains.sweep(10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     chains.save(f"{folder}/chains.npz")
    ...     again = fr.load_chains(f"{folder}/chains.npz")
    >>> chains.sweep(10)
    >>> again.sweep(10)
    >>> bool((again.visible == chains.visible).all())
    True
    """
    found, state = chains_file.load(validate.path(path))
    rbm = _read(found, path)
    try:
        return (TemperedChains if "trip" in state else Chains)._of_state(rbm, state)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def load_path(file: str | PathLike[str]) -> Path:
    """Read a path that :meth:`Path.save` or ``fastrbm train --trajectory`` wrote.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or not a path of this package.

    Examples
    --------
    >>> import tempfile
    >>> import fastrbm as fr
    >>> rbm = fr.RBM.from_data(fr.datasets.load_digits(), n_hidden=16, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fr.sampling.Path(rbm, n_steps=10).save(f"{folder}/path.npz")
    ...     fr.load_path(f"{folder}/path.npz")
    Path(RBM(n_visible=64, n_hidden=16), n_steps=10)
    """
    found = path_file.load(validate.path(file, "file"))
    last = _read(found.model, file)
    try:
        visible, hidden = [last.visible] * len(found.before), [last.hidden] * len(found.before)
        if (found.own is None) != (last.hidden.own is None) and found.before:
            raise ValueError("path_own must be there where hidden units have parameters of their own, and only there")
        if found.own is not None:
            hidden = [last.hidden.with_own(own) for own in found.own]
        if found.gammas is not None:
            visible = [last.visible.with_gammas(gammas) for gammas in found.gammas]
        before = [
            RBM(*parameters, visible=v, hidden=h)
            for parameters, v, h in zip(found.before, visible, hidden, strict=True)
        ]
        return Path([*before, last], points=found.points, base_bias=found.base_bias)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from None
