"""compile: a function that is recorded once and replayed.

The first call with a new structure of arguments runs the function in Python and keeps
what it did as a program; later calls replay that. A choice that comes out otherwise than
when it was recorded leads to another recording, never to a wrong number.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import FastCall, Program, Tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.programs.derived import Derived
from autodiff.programs.paths import Path, Paths, plain
from autodiff.programs.recording import Leaves, record

Shape = tuple[int, ...]


def leaf_value(leaf: Any) -> Any:
    """Return a leaf as programs take it: a float, a float64 array, or a tensor."""
    kind = type(leaf)
    if kind is float:
        return leaf
    if kind is np.ndarray and leaf.dtype == np.float64 and leaf.flags.c_contiguous:
        return leaf if leaf.ndim else leaf.item()
    if isinstance(leaf, Tensor):
        return leaf if leaf.requires_grad else plain(leaf)
    return plain(_core.from_array(leaf))


class Signature:
    """One structure of arguments: the paths recorded for it, and what is derived."""

    def __init__(self, owner: Compiled, structure: tree.Structure, static: dict[str, Any]):
        self._owner, self._structure, self._static = owner, structure, static
        self.paths = Paths(self._record, owner.name, owner.max_paths)
        self.value = Derived(self.paths, structure.n_leaves)

    def _record(self, leaves: Leaves) -> Any:
        return record(self._run, leaves, self._owner.name)

    def _run(self, tensors: list[Tensor]) -> Any:
        args, kwargs = tree.unflatten(self._structure, tensors)
        return self._owner.fun(*args, **kwargs, **self._static)


class Compiled(FastCall):
    """A function that replays what it did; see `compile`."""

    def __init__(
        self, fun: Callable[..., Any], static: tuple[str, ...], max_paths: int
    ):
        functools.update_wrapper(self, fun, updated=())
        self.fun, self.static, self.max_paths = fun, static, max_paths
        self.name = str(getattr(fun, "__name__", None) or type(fun).__name__)
        self._signatures: dict[Any, Signature] = {}
        self._names = inspect.signature(fun) if static else None

    # ---- Calls -----------------------------------------------------------------------

    def call_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call with anything; leaves the short way set for the next call."""
        signature, leaves = self.signature(args, kwargs)
        path, outputs = signature.value(leaves)
        is_flat = path.structure is tree.LEAF and not path.captured
        if is_flat and not kwargs and len(leaves) == len(args):
            self.set_fast(path.code(()))
        return tree.unflatten(path.structure, outputs)

    def signature(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Signature, list[Any]]:
        """Return the signature of a call, and the leaves of its arguments."""
        static: dict[str, Any] = {}
        if self._names is not None:
            args, kwargs, static = self._take_static(args, kwargs)
        leaves, structure = tree.flatten((args, kwargs), f"arguments of {self.name}")
        values = [leaf_value(leaf) for leaf in leaves]
        key = (
            structure,
            tuple([np.shape(plain(v)) for v in values]),
            tuple(sorted(static.items())) if static else (),
        )
        found = self._signatures.get(key)
        if found is None:
            found = self._signatures[key] = Signature(self, structure, static)
        return found, values

    def _take_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Take static arguments out, wherever they stand; the rest goes by name."""
        assert self._names is not None
        bound = self._names.bind(*args, **kwargs)
        static = {}
        for name in self.static:
            if name in bound.arguments:
                static[name] = bound.arguments.pop(name)
                try:
                    hash(static[name])
                except TypeError:
                    raise ArgumentError(
                        f"{self.name}: the static argument '{name}' must be hashable, "
                        f"got '{type(static[name]).__name__}'"
                    ) from None
        rest = dict(bound.arguments)
        for name, parameter in self._names.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                rest.update(rest.pop(name, {}))
        return (), rest, static

    # ---- Derivatives --------------------------------------------------------------------

    def value_and_grad(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return the value and the gradient in the arguments of argnums."""
        return self._gradient(args, kwargs, argnums, True)

    def grad(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return the gradient in the arguments of argnums, in their structure."""
        return self._gradient(args, kwargs, argnums, False)

    def _gradient(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any, values: bool
    ) -> Any:
        call = Call(self, args, kwargs, argnums)
        derived = call.signature.value.then("reverse", call.wanted(), values, True)
        path, outputs = derived(call.leaves)
        call.check_number(path)
        gradient = call.by_argument(outputs[1:] if values else outputs)
        return (outputs[0], gradient) if values else gradient

    # ---- What there is -------------------------------------------------------------------

    @property
    def programs(self) -> list[Program]:
        """Every program recorded so far, in the order of recording."""
        return [path.program for s in self._signatures.values() for path in s.paths.all]


class Call:
    """The arguments of one call of a derivative, sorted by argnums."""

    def __init__(
        self,
        compiled: Compiled,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Any,
    ):
        self.name = compiled.name
        self.is_single = not isinstance(argnums, (tuple, list))
        self.chosen = [self._position(k, len(args)) for k in np.atleast_1d(argnums)]
        self.signature, self.leaves = compiled.signature(args, kwargs)
        self._structures = [tree.flatten(arg)[1] for arg in args]
        starts = np.cumsum([0, *(s.n_leaves for s in self._structures)])
        self._ranges = [range(starts[k], starts[k + 1]) for k in range(len(args))]

    def _position(self, number: Any, n: int) -> int:
        if not -n <= number < n:
            raise TypeError(
                f"argnums names argument {number} of {self.name}, which was called with "
                f"{n} positional argument{'s' * (n != 1)}"
            )
        return int(number) % n

    def wanted(self) -> tuple[bool, ...]:
        """Return which leaves argnums names."""
        chosen = {i for k in self.chosen for i in self._ranges[k]}
        return tuple(i in chosen for i in range(len(self.leaves)))

    def by_argument(self, derivatives: Sequence[Any]) -> Any:
        """Return derivatives of the wanted leaves in the structure of the arguments."""
        found = dict(
            zip(
                [i for i, want in enumerate(self.wanted()) if want],
                derivatives,
                strict=True,
            )
        )
        trees = [
            tree.unflatten(self._structures[k], [found[i] for i in self._ranges[k]])
            for k in self.chosen
        ]
        return trees[0] if self.is_single else tuple(trees)

    def check_number(self, path: Path) -> None:
        """Raise unless the result is one number."""
        shapes = path.program.output_shapes
        if len(shapes) != 1 or shapes[0] != ():
            raise ShapeError(
                f"grad needs a function whose result is one number; {self.name} returns "
                f"{path.structure!r} with shapes {shapes}. Use jacobian, or sum the result"
            )


def compile(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnames: str | Sequence[str] = (),
    max_paths: int = 256,
) -> Any:
    """Return a function that is recorded once and replayed.

    Parameters
    ----------
    fun
        Takes and returns numbers, arrays, or nested tuples, lists, dicts and dataclasses
        of them. What it returns may depend on nothing but its arguments; other things
        that it reads (global numbers, time, random numbers) are kept as they were when it
        was recorded, except for tensors that carry gradient.
    static_argnames
        Names of arguments that are not numbers to differentiate by: each value of them
        makes a recording of its own.
    max_paths
        How many ways through its choices (`if`, `while`, `max`) are kept for each
        structure of arguments.

    Raises
    ------
    TraceError
        When the function asks for a value that depends on its arguments as a plain
        number, or takes more than max_paths ways.

    Notes
    -----
    Recording costs some hundreds of nanoseconds an operation; a replay costs a few.

    Examples
    --------
    >>> import autodiff as ad
    >>> f = ad.compile(lambda x, y: ad.sin(x) * y if x > 0 else x)
    >>> f(0.5, 2.0), f(-1.0, 2.0)
    (0.958851077208406, -1.0)
    >>> f.grad(0.0, 2.0, argnums=(0, 1))
    (1.0, 0.0)
    """
    if fun is None:
        return functools.partial(
            compile, static_argnames=static_argnames, max_paths=max_paths
        )
    if not callable(fun):
        raise TypeError(f"compile takes a function, got '{type(fun).__name__}'")
    names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    return Compiled(fun, tuple(names), max_paths)
