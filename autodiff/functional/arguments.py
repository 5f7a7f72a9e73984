"""Arguments and results of transformed functions: trees of values in and out.

A `Call` is one call of a user's function, made flat for the engine: the arguments that
argnums name are inputs, the result is outputs, and aux is handed through. What goes
back to the user is floats and arrays, or tensors if somebody outside differentiates.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ShapeError
from autodiff.functional.engine import linearize
from autodiff.programs.arguments import is_named, noting_lists
from autodiff.rule import Shape, zeros

Argnums = int | Sequence[int]


def name_of(function: Any) -> str:
    """Return what to call a function in an error."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


def check_callable(function: Any, transform: str) -> None:
    """Raise where a transform was given something else, such as a result."""
    if not callable(function):
        raise TypeError(
            f"{transform} takes a function, got '{type(function).__name__}'; "
            f"write {transform}(f)(x), not {transform}(f(x))"
        )


class Transformed:
    """What a transform makes of a function: called as one, and pickled if that can be.

    Parameters
    ----------
    call
        What is done.
    name
        Of the transform.
    transform, made_of
        What gave this, and its arguments and options: how it is made again.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        name: str,
        transform: Callable[..., Any],
        made_of: tuple[tuple[Any, ...], dict[str, Any]],
    ):
        functools.update_wrapper(self, made_of[0][0], updated=())
        self.__name__ = f"{name}({name_of(made_of[0][0])})"
        self._call, self._transform, self._made_of = call, transform, made_of

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self._call(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return it bound to an object, as a method is."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<{self.__name__}>"

    def __reduce__(self) -> Any:
        if is_named(self):
            return vars(self)["__qualname__"]
        return _make_again, (self._transform, *self._made_of)


def _make_again(
    transform: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Return what a transform made, out of a pickle."""
    return transform(*args, **options)


def wraps(
    transform: Callable[..., Any], function: Any, *args: Any, **options: Any
) -> Callable[[Any], Any]:
    """Return what makes a `Transformed` of a function, by transform(function, ...)."""

    def decorate(call: Callable[..., Any]) -> Any:
        made_of = ((function, *args), options)
        return Transformed(call, transform.__name__, transform, made_of)

    return decorate


def check_argnums(argnums: Any) -> tuple[int, ...]:
    """Return argnums as a tuple of ints."""
    many = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    for number in many:
        is_int = hasattr(number, "__index__") and np.shape(number) == ()
        if isinstance(number, (bool, np.bool_)) or not is_int:
            raise TypeError(
                f"argnums must be an int or a tuple of ints, got {argnums!r}; what "
                "fun is applied to comes in a second call: grad(f)(x), hvp(f)(x, v)"
            )
    return tuple(operator.index(number) for number in many)


def positions(
    argnums: tuple[int, ...], args: tuple[Any, ...], name: str
) -> tuple[int, ...]:
    """Return argnums counted from the front, each in range and named once."""
    n = len(args)
    for number in argnums:
        if not -n <= number < n:
            raise TypeError(
                f"argnums names argument {number} of {name}, which was called with {n} "
                f"positional argument{'s' * (n != 1)}; pass what is differentiated by "
                "position"
            )
    found = tuple(number % n for number in argnums)
    if len(set(found)) < len(found):
        raise ValueError(f"argnums {argnums} names an argument of {name} twice")
    return found


def value_of(leaf: Any) -> Any:
    """Return a leaf as the engine takes it: a Tensor, a float or an array."""
    return float(leaf) if isinstance(leaf, int) else leaf


class Call:
    """One call of a function with some of its arguments as inputs."""

    def __init__(
        self,
        function: Callable[..., Any],
        argnums: tuple[int, ...],
        has_aux: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ):
        self.name = name_of(function)
        self._function, self._has_aux = function, has_aux
        self._args, self._kwargs = args, kwargs
        self._at = positions(argnums, args, self.name)
        leaves: list[Any] = []
        self.inputs: list[tree.Structure] = []
        for at in self._at:
            found, structure = tree.flatten(args[at], f"argument {at} of {self.name}")
            leaves += found
            self.inputs.append(structure)
        self.output = tree.LEAF
        self.aux: Any = None
        self.linear = linearize(self._flat, [value_of(leaf) for leaf in leaves])
        self.is_tracked = self.linear.is_tracked
        self.outputs = self.linear.outputs
        self.shapes: list[Shape] = self.linear.input_shapes
        if self.linear.others is not None:
            rest = iter(self.linear.others)
            self.aux = tree.tree_map(
                lambda x: next(rest) if isinstance(x, Tensor) else x, self.aux
            )
        self.aux = self.hand_out(self.aux) if has_aux else None

    def _flat(self, tensors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        args, rest = list(self._args), iter(tensors)
        for at, structure in zip(self._at, self.inputs, strict=True):
            args[at] = tree.unflatten(structure, rest)
        with noting_lists([args[at] for at in self._at]):
            result = self._function(*args, **self._kwargs)
        others: list[Tensor] = []
        if self._has_aux:
            result = self._take_aux(result)
            others = [
                leaf
                for leaf in tree.flatten(self.aux, opaque=True)[0]
                if isinstance(leaf, Tensor)
            ]
        where = f"the result of {self.name}"
        if result is None:
            raise TypeError(f"{where} is None; expected numbers. Is a return missing?")
        leaves, self.output = tree.flatten(result, where)
        return [as_tensor(leaf) for leaf in leaves], others

    def _take_aux(self, result: Any) -> Any:
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"with has_aux=True {self.name} must return a pair (result, aux), got "
                f"'{type(result).__name__}'"
            )
        result, self.aux = result
        return result

    # ---- Out -----------------------------------------------------------------------

    def hand_out(self, aux: Any) -> Any:
        """Return a tree with its tensors as values, unless somebody differentiates."""
        if self.is_tracked:
            return aux
        return tree.tree_map(
            lambda x: plain(x) if isinstance(x, Tensor) else x, aux, opaque=True
        )

    def value(self) -> Any:
        """Return the function's result."""
        leaves = self.outputs if self.is_tracked else map(plain, self.outputs)
        return tree.unflatten(self.output, leaves)

    def like_arguments(self, leaves: Sequence[Any], argnums: Any) -> Any:
        """Return leaves, one for each input, in the structure of the arguments."""
        rest = iter(leaves)
        trees = tuple(tree.unflatten(structure, rest) for structure in self.inputs)
        return trees if isinstance(argnums, (tuple, list)) else trees[0]


def plain(x: Tensor) -> Any:
    """Return a tensor's value as a float, or an array of its own."""
    return _core.item(x) if x.ndim == 0 else _core.to_array(x, copy=True)


def results(
    found: Sequence[Tensor | None], shapes: Sequence[Shape], keeps_tensors: bool
) -> list[Any]:
    """Return what a sweep found: tensors, or floats and arrays; zeros for None."""
    full = [
        zeros(shape) if x is None else x for x, shape in zip(found, shapes, strict=True)
    ]
    return list(full) if keeps_tensors else [_core.own_values(x) for x in full]


def seeds_like(
    structure: tree.Structure, shapes: Sequence[Shape], given: Any, what: str
) -> list[Tensor | None]:
    """Return seeds that a user gave, checked against what they belong to."""
    leaves = tree.match(structure, given, what)
    for leaf, shape in zip(leaves, shapes, strict=True):
        if leaf is not None and np.shape(leaf) != shape:
            raise ShapeError(
                f"{what}: expected shape {shape}, that of the value it belongs to, got "
                f"{np.shape(leaf)}"
            )
    return [None if leaf is None else as_tensor(leaf) for leaf in leaves]


def is_tracked(tensors: Sequence[Tensor | None]) -> bool:
    """Whether a seed is differentiated by somebody outside."""
    return _core.is_recording() and any(
        x is not None and x.requires_grad for x in tensors
    )
