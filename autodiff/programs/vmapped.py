"""vmap: a function of one row, run over many rows as lanes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import shape, tree
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.programs.arguments import (
    as_bools,
    check_max_paths,
    flatten_arguments,
    is_bool,
    is_named,
    leaf_names,
    leaf_value,
)
from autodiff.programs.path_text import PathTree
from autodiff.programs.paths import Paths, plain
from autodiff.programs.recording import Leaves, Recorded, record
from autodiff.programs.rows import RowsDerived

HINT = "what is no number goes into the function: vmap(functools.partial(f, mode=...))"
Axes = Any  # an int, None, or a tree of them that is a prefix of the arguments


def spread_axes(axes: Axes, value: Any, option: str, where: str) -> list[int | None]:
    """Return an axis, or None, for each leaf of a value."""
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(tree.flatten(value, where)[0])
    if isinstance(axes, (tuple, list)) and isinstance(value, (tuple, list)):
        pairs = list(enumerate(zip(axes, value, strict=False)))
        if len(axes) == len(value):
            each = [(x, v, f"{where}[{k}]") for k, (x, v) in pairs]
            return [a for x, v, at in each for a in spread_axes(x, v, option, at)]
    if (
        isinstance(axes, dict)
        and isinstance(value, dict)
        and axes.keys() == value.keys()
    ):
        keys = sorted(value, key=lambda key: (type(key).__name__, repr(key)))
        each = [(axes[k], value[k], f"{where}[{k!r}]") for k in keys]
        return [a for x, v, at in each for a in spread_axes(x, v, option, at)]
    raise ArgumentError(
        f"{option}: expected an int, None, or a tuple, list or dict of them like "
        f"{where}, got {axes!r}"
    )


def rows_at(leaf: Any, axis: int | None, name: str) -> Any:
    """Return a leaf of a result with its rows along an axis; None: one row for all."""
    if axis is None:
        values = np.asarray(plain(leaf))
        if len(values) and not np.array_equal(
            values, np.broadcast_to(values[0], values.shape), equal_nan=True
        ):
            raise ArgumentError(
                f"out_axes: None is for what is the same in all rows, and a result of "
                f"{name} is not; give it an axis"
            )
        return leaf[0] if len(values) else leaf.sum(0)
    ndim = np.ndim(plain(leaf))
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"out_axes: axis {axis} for a result of {name} that has {ndim} axes with "
            "that of its rows"
        )
    if isinstance(leaf, Tensor):
        return shape.movedim(leaf, 0, axis)
    return np.moveaxis(leaf, 0, axis)


def rows_first(leaf: Any, axis: int | None) -> Any:
    """Return a leaf with its batch axis, which it has, in front."""
    if axis is None or axis % np.ndim(plain(leaf)) == 0:
        return leaf
    if isinstance(leaf, Tensor):
        return shape.movedim(leaf, axis, 0)
    return np.ascontiguousarray(np.moveaxis(leaf, axis, 0))


class Vmapped:
    """A function over rows, made by `vmap`; `programs` is what was recorded of it."""

    def __init__(
        self,
        fun: Callable[..., Any],
        in_axes: Axes,
        out_axes: Axes,
        threads: int | None,
        max_paths: int,
    ):
        functools.update_wrapper(self, fun, updated=())
        self.fun, self.in_axes, self.out_axes = fun, in_axes, out_axes
        self.threads, self.max_paths = threads, max_paths
        self.name = str(getattr(fun, "__name__", None) or type(fun).__name__)
        self._paths: dict[Any, Paths] = {}
        self._axes: dict[tree.Structure, list[int | None]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function to each row."""
        leaves, structure = flatten_arguments(args, kwargs, self.name, HINT)
        axes = self._axes.get(structure)
        if axes is None:
            axes = self._axes.setdefault(structure, self._axes_of(args, kwargs))
        given = [leaf_value(leaf) for leaf in leaves]
        n_rows = self._count(structure, [np.shape(plain(v)) for v in given], axes)
        pairs = zip(given, axes, strict=True)
        values = [rows_first(leaf, axis) for leaf, axis in pairs]
        is_batched = tuple(axis is not None for axis in axes)
        row_shapes = tuple(
            np.shape(plain(v))[1:] if b else np.shape(plain(v))
            for v, b in zip(values, is_batched, strict=True)
        )
        masks = tuple([is_bool(leaf) for leaf in leaves])
        paths = self._paths_of(structure, row_shapes, masks)
        if n_rows == 0:
            return self._nothing(paths, row_shapes)
        derived = RowsDerived(paths, (), is_batched, None, n_rows, self.threads)
        path, outputs = derived(values)
        return self._result(path.structure, outputs)

    def _axes_of(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[int | None]:
        """Return the axis of each leaf: alike for all arguments of one structure."""
        axes = self.in_axes
        if isinstance(axes, list):
            axes = tuple(axes)
        if isinstance(axes, tuple) and len(axes) != len(args):
            raise ArgumentError(
                f"vmap of {self.name}: in_axes has {len(axes)} entries, one for each "
                f"positional argument, and the call has {len(args)}"
            )
        found = spread_axes(axes, args, "in_axes", "the arguments")
        return found + [0] * len(tree.flatten(kwargs)[0])

    def _count(
        self,
        structure: tree.Structure,
        shapes: list[tuple[int, ...]],
        axes: list[int | None],
    ) -> int:
        """Return how many rows there are, by the shapes of all leaves."""
        counts: dict[int, int] = {}  # and the first leaf that says so
        for k, (extents, axis) in enumerate(zip(shapes, axes, strict=True)):
            if axis is None:
                continue
            if not -len(extents) <= axis < len(extents):
                raise ShapeError(
                    f"vmap of {self.name}: {leaf_names(structure)[k]} has the shape "
                    f"{extents}, and its rows are to lie along axis {axis}; pass an "
                    "array with that axis (an array, not a list, for rows of numbers), "
                    "or in_axes=None for what all rows share"
                )
            counts.setdefault(extents[axis], k)
        if not counts:
            raise ArgumentError(
                f"vmap of {self.name}: no argument is mapped over; give at least one "
                "an axis in in_axes"
            )
        if len(counts) > 1:
            names = leaf_names(structure)
            each = [
                f"{names[k]} has {count} along axis {axes[k]} (shape {shapes[k]})"
                for count, k in counts.items()
            ]
            raise ShapeError(
                f"vmap of {self.name}: arguments have different numbers of rows, "
                f"{sorted(counts)}: {', '.join(each)}"
            )
        return next(iter(counts))

    def _paths_of(
        self, structure: tree.Structure, row_shapes: Any, masks: tuple[bool, ...]
    ) -> Paths:
        key = structure, row_shapes, masks
        found = self._paths.get(key)
        if found is None:

            def run(tensors: list[Tensor]) -> Any:
                args, kwargs = tree.unflatten(structure, tensors)
                return self.fun(*args, **kwargs)

            def record_row(leaves: Leaves, families: dict[Any, Any]) -> Recorded:
                return record(run, as_bools(leaves, masks), self.name, families)

            made = Paths(record_row, self.name, len(masks), self.max_paths)
            found = self._paths.setdefault(key, made)
        return found

    def _nothing(self, paths: Paths, row_shapes: Any) -> Any:
        """Return the result for no rows: shapes are found by a row of ones."""
        ones = [np.ones(s) if s else 1.0 for s in row_shapes]
        path = paths.first(ones)
        empty = [np.empty((0, *s)) for s in path.program.output_shapes]
        return self._result(path.structure, empty)

    def _result(self, structure: tree.Structure, outputs: list[Any]) -> Any:
        result = tree.unflatten(structure, outputs)
        if self.out_axes == 0:
            return result
        axes = spread_axes(self.out_axes, result, "out_axes", "the result")
        if all(axis == 0 for axis in axes):
            return result
        pairs = zip(tree.flatten(result)[0], axes, strict=True)
        moved = [rows_at(leaf, axis, self.name) for leaf, axis in pairs]
        return tree.unflatten(structure, moved)

    def __reduce__(self) -> Any:
        if is_named(self):
            return vars(self)["__qualname__"]
        options = self.in_axes, self.out_axes, self.threads, self.max_paths
        return Vmapped, (self.fun, *options)  # what was recorded is recorded anew

    @property
    def programs(self) -> list[Any]:
        """Every program recorded so far."""
        found = list(self._paths.values())
        return [path.program for paths in found for path in paths.all]

    @property
    def paths(self) -> PathTree:
        """The choices that were taken, with file and line, and how often."""
        return PathTree(list(self._paths.values()))


def vmap(
    fun: Callable[..., Any] | None = None,
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    threads: int | None = None,
    max_paths: int = 256,
) -> Any:
    """Return a function that applies `fun` to each row of its arguments.

    Parameters
    ----------
    fun
        Takes one row: numbers, arrays, or nested containers of them.
    in_axes
        For each argument the axis along which its rows lie, or None for what all rows
        share; one int for all.
    out_axes
        Where the rows of the result lie; None for what is the same in all.
    threads
        How many run the rows; by default all cores for many rows. Results do not depend
        on it.
    max_paths
        How many ways through its choices `fun` may take.

    Returns
    -------
    A function of arrays with one more axis, that of the rows, where in_axes names one.
    Keyword arguments are rows along axis 0. Each leaf of the result is an array of
    shape ``(rows, *shape for one row)``, its first axis moved to out_axes.

    Raises
    ------
    ArgumentError
        When in_axes does not fit the arguments, or no argument has rows.
    ShapeError
        When arguments have different numbers of rows, or `fun` returns different shapes
        for different rows.
    TraceError
        When `fun` asks for a value that depends on its row as a plain number, or takes
        more than max_paths ways.

    Notes
    -----
    The function is recorded once for each way through its choices; rows then run as
    SIMD lanes, with the interpreter's lock released. Where all ways together cost
    little more than one, every row runs all of them and keeps its own; else rows are
    sorted by their way, and each group runs that alone. In a function that is being
    recorded itself, every row runs all ways that are known. Memory is that of arguments
    and results, and of one block of rows for each thread.

    Examples
    --------
    >>> import autodiff as ad, numpy as np
    >>> f = ad.vmap(lambda x, k: k * x if x > 0 else 0.0, in_axes=(0, None))
    >>> f(np.array([-1.0, 2.0, 3.0]), 10.0)
    array([ 0., 20., 30.])
    """
    if fun is None:
        return functools.partial(
            vmap,
            in_axes=in_axes,
            out_axes=out_axes,
            threads=threads,
            max_paths=max_paths,
        )
    if not callable(fun):
        raise TypeError(f"vmap takes a function, got '{type(fun).__name__}'")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ArgumentError(f"threads must be an int of at least 1, got {threads!r}")
    check_max_paths(max_paths)
    return Vmapped(fun, in_axes, out_axes, threads, max_paths)


def map(f: Callable[..., Any], xs: Any) -> Any:
    """Return f applied to each row of xs, as ``vmap(f)(xs)``.

    Examples
    --------
    >>> import autodiff as ad, numpy as np
    >>> ad.map(lambda x: x * x, np.array([1.0, 2.0, 3.0]))
    array([1., 4., 9.])
    """
    return vmap(f)(xs)
