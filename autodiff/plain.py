"""What comparisons and searches return: NumPy arrays that know PyTorch's words too.

Bools and integers carry no gradient, so they are no tensors; `PlainArray` is the array
that NumPy would return, and does in NumPy's functions and as an index what that does.
Where NumPy and PyTorch have a method of one name it is NumPy's, and takes `dim` and
`keepdim` too. The words that NumPy has not are set in `autodiff.plain_words`.
Invariant: a PlainArray holds bools or integers; what is computed of it and holds
anything else is NumPy's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class PlainArray(np.ndarray[Any, Any]):
    """An array of bools or integers: where, whether or how many.

    >>> import autodiff as ad
    >>> x = ad.tensor([[0.1, 0.7], [0.6, 0.2]])
    >>> x.argmax(1) == ad.tensor([1.0, 1.0])
    array([ True, False])
    >>> (x.argmax(1) == ad.tensor([1.0, 1.0])).sum().item()
    1
    >>> (x > 0.5).float().mean()
    tensor(0.5000)
    """

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Keep the words of bools and integers, of a single one too."""
        if array.dtype.kind in "biu":
            return array if type(array) is PlainArray else array.view(PlainArray)
        return array[()] if return_scalar or array.ndim == 0 else np.asarray(array)

    def __getitem__(self, key: Any) -> Any:
        """Return elements; a single one knows the words too."""
        found = super().__getitem__(key)
        return found if isinstance(found, np.ndarray) else plain(found)

    def __iter__(self) -> Any:
        """Go over the first axis."""
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:  # type: ignore[override]
        """Return the hash of a single number, as of NumPy's."""
        if self.ndim:
            raise TypeError("unhashable: an array with axes")
        return hash(self.item())

    def __repr__(self) -> str:
        """Return NumPy's text of the array."""
        return repr(np.asarray(self))

    def view(self, *shape: Any, **named: Any) -> Any:
        """Return the elements in another shape; of a type, NumPy's view."""
        sizes = shape[0] if len(shape) == 1 else shape
        if named or not shape or not _are_sizes(sizes):
            return super().view(*shape, **named)
        return self.reshape(sizes)


def _are_sizes(sizes: Any) -> bool:
    sizes = sizes if isinstance(sizes, (tuple, list)) else (sizes,)
    return all(isinstance(n, (int, np.integer)) for n in sizes)


def plain(values: Any) -> Any:
    """Return bools or integers as a PlainArray, sharing their memory."""
    return np.asarray(values).view(PlainArray)


def _with_dim(name: str) -> Callable[..., Any]:
    """Return a reduction of ndarray under PyTorch's keywords as well."""
    reduction = getattr(np.ndarray, name)

    def reduced(self: PlainArray, axis: Any = None, *args: Any, **named: Any) -> Any:
        if "dim" in named:
            axis = named.pop("dim")
        if "keepdim" in named:
            named["keepdims"] = named.pop("keepdim")
        return reduction(self, axis, *args, **named)

    reduced.__name__, reduced.__doc__ = name, reduction.__doc__
    return reduced


for _name in ("sum", "prod", "mean", "any", "all", "max", "min", "argmax", "argmin"):
    setattr(PlainArray, _name, _with_dim(_name))
