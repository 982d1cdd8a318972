"""Compilation of numeric loops by Numba, and plain Python where Numba is missing or refuses.

Both give the same bits: the loops are written with scalar arithmetic in a fixed order, which Numba
may neither change nor contract (`fastmath=False`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile a function for one signature, once a machine: the result is cached on disk.

    Args:
        signature: In Numba's notation, such as `f8[:,::1](f8[::1])`. One signature a function keeps
            the first run short.

    Returns:
        A decorator. It gives back the plain function, with a RuntimeWarning, if Numba cannot be
        imported or cannot compile it.
    """

    def decorate(function: Kernel) -> Kernel:
        try:
            return _compile(function, signature)
        except (ImportError, OSError, RuntimeError, SystemError) as error:
            return _plain(function, error)

    return decorate


def _compile(function: Kernel, signature: str) -> Kernel:
    from numba import njit
    from numba.core.errors import NumbaError

    options: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "nogil": True}
    try:
        try:
            kernel = njit(signature, cache=True, **options)(function)
        except NumbaError:
            raise
        except Exception:  # noqa: BLE001 - a torn cache file fails as whatever its bytes say
            # No folder takes the cache, the disk is full, or what is cached cannot be read:
            # compile for this process only.
            kernel = njit(signature, **options)(function)
    except NumbaError as error:
        raise RuntimeError(str(error)) from error
    return cast(Kernel, kernel)


def _plain(function: Kernel, error: Exception) -> Kernel:
    warnings.warn(
        f"{function.__name__} runs as plain Python, hundreds of times slower with the same "
        f"results: Numba failed with {type(error).__name__}: {error}",
        RuntimeWarning,
        stacklevel=3,
    )
    return function
