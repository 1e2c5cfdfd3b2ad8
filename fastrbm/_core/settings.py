"""Attributes that stay valid: settings that are checked whenever they are set, and values that are worked out once.

An estimator is made once and used for hours, and whoever holds it may set its attributes; what the kernels are given
comes from there. Arrays are shown as views: whoever sets the shape of one, as people do to draw weights as images, or
resizes it, leaves the array itself as the kernels must have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import numpy as np

T = TypeVar("T")


class Setting(Generic[T]):
    """An attribute that goes through a check of ``validate`` whenever it is set, the first time too:
    ``n_sweeps = Setting(validate.integer, 1)``. A value that is refused leaves the one before.

    The value is in the object's ``__dict__`` under its own name, as that of a plain attribute is: copies and pickles
    need nothing more.
    """

    def __init__(self, check: Callable[..., T], *limits: Any) -> None:
        self.check, self.limits = check, limits
        self.__doc__ = None  # the docstring of the owner says what it is

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        try:
            value: Any = instance.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{owner.__name__} object has no {self.name} yet") from None
        shown: Any = value.view() if type(value) is np.ndarray else value
        return shown

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self.name] = self.check(value, self.name, *self.limits)


class once(Generic[T]):  # noqa: N801, a decorator
    """A read-only property whose value is kept from its first use on.

    ``functools.cached_property`` can be assigned; before Python 3.12 it also holds a lock, which stays locked in a
    child that is forked meanwhile.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        if instance is None:
            return self
        try:
            value: Any = instance.__dict__[self.name]
        except KeyError:
            value = instance.__dict__[self.name] = self.compute(instance)
        shown: Any = value.view() if type(value) is np.ndarray else value
        return shown

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"{self.name} of a {type(instance).__name__} cannot be set")
