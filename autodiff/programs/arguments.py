"""What compile and vmap make of arguments, and where results go that out= names."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, ShapeError
from autodiff.programs.paths import plain
from autodiff.programs.recording import Leaves


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


def is_bool(leaf: Any) -> bool:
    """Whether a leaf is a mask: a bool, an array of them, or a recorded comparison."""
    if isinstance(leaf, Tensor):
        return leaf.requires_grad and _core.is_mask(leaf)
    return isinstance(leaf, bool) or (
        isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "b"
    )


def as_bools(leaves: Leaves, masks: Sequence[bool]) -> list[Any]:
    """Return leaves to record at: those that are masks as bools."""
    pairs = zip(leaves, masks, strict=True)
    return [np.asarray(x, dtype=bool) if is_one else x for x, is_one in pairs]


def flatten_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], name: str, hint: str
) -> tuple[list[Any], tree.Structure]:
    """Return the leaves and the structure of (args, kwargs).

    Raises
    ------
    TypeError
        When there is something else in an argument: says in which, and the hint.
    """
    try:
        return tree.flatten((args, kwargs))
    except TypeError:
        named = [(f"argument {k}", arg) for k, arg in enumerate(args)]
        named += [(f"argument '{key}'", arg) for key, arg in kwargs.items()]
        for where, arg in named:
            try:
                tree.flatten(arg, f"{where} of {name}")
            except TypeError as error:
                raise TypeError(f"{error}; {hint}") from None
        raise


def leaf_names(structure: tree.Structure) -> list[str]:
    """Return what to call each leaf of (args, kwargs) in an error."""
    args, kwargs = structure.children
    found: list[str] = []
    for names, nodes in (
        ([f"argument {k}" for k in args.keys], args.children),
        ([f"argument '{k}'" for k in kwargs.keys], kwargs.children),
    ):
        for name, node in zip(names, nodes, strict=True):
            found += _names_below(node, name)
    return found


def _names_below(structure: tree.Structure, name: str) -> list[str]:
    if structure.kind is None:
        return [name]
    pairs = zip(structure.keys, structure.children, strict=True)
    return [x for key, node in pairs for x in _names_below(node, f"{name}[{key!r}]")]


@contextlib.contextmanager
def noting_lists(args: Sequence[Any]) -> Iterator[None]:
    """Add to a TypeError of a function that some of its arguments are lists."""
    try:
        yield
    except TypeError as error:
        if any(isinstance(arg, (list, tuple)) for arg in args):
            error.add_note(
                "an argument is a list (or tuple), which stays one in the function, of "
                "values by themselves; pass np.array(...) for a vector"
            )
        raise


def is_named(function: Any) -> bool:
    """Whether the name of a function of a module leads to it, as pickle asks."""
    found: Any = sys.modules.get(getattr(function, "__module__", None) or "")
    for part in str(getattr(function, "__qualname__", "")).split("."):
        found = getattr(found, part, None)
    return found is function


def check_max_paths(max_paths: int) -> None:
    """Raise unless a function may have a path at all."""
    if max_paths < 1:
        raise ArgumentError(f"max_paths must be at least 1, got {max_paths}")


def is_plain_argnums(argnums: Any) -> bool:
    """Whether argnums is an int or a tuple of ints, which can be looked up."""
    many = argnums if type(argnums) is tuple else (argnums,)
    return all(type(number) is int for number in many)


def parameters_of(fun: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return a function's parameters; none where they cannot be found out."""
    try:
        return inspect.signature(fun).parameters
    except (TypeError, ValueError):
        return {}


def static_places(
    names: Mapping[str, inspect.Parameter], static: Sequence[str], name: str
) -> dict[str, int | None]:
    """Return where static arguments stand; None: given by name only."""
    kinds = inspect.Parameter
    has_any = any(p.kind is kinds.VAR_KEYWORD for p in names.values())
    places: dict[str, int | None] = {}
    for one in static:
        found = names.get(one)
        if found is None and not has_any:
            raise ArgumentError(
                f"static_argnames: {name} has no parameter '{one}'; it has "
                f"{', '.join(names) or 'none that can be found out'}"
            )
        by_place = (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        is_placed = found is not None and found.kind in by_place
        places[one] = list(names).index(one) if is_placed else None
    return places


def into(out: Any, result: Any) -> Any:
    """Return a result in the arrays of out, which has its structure, or None in parts.

    Raises
    ------
    ShapeError
        When an array of out has another shape than its result.
    """
    if out is None:
        return result
    leaves, structure = tree.flatten(result, "the result")
    buffers = tree.match(structure, out, "out")
    filled = [
        leaf if buffer is None else _filled(buffer, leaf)
        for buffer, leaf in zip(buffers, leaves, strict=True)
    ]
    return tree.unflatten(structure, filled)


def _filled(buffer: Any, leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        raise ArgumentError(
            "out=: the result carries gradient, which an array cannot; leave out= away"
        )
    if not isinstance(buffer, np.ndarray) or buffer.dtype != np.float64:
        kind = getattr(buffer, "dtype", type(buffer).__name__)
        raise TypeError(f"out=: expected a float64 array, got {kind}")
    if buffer.shape != np.shape(leaf):
        raise ShapeError(
            f"out=: the result has shape {np.shape(leaf)}, got an array of shape "
            f"{buffer.shape}"
        )
    buffer[...] = leaf
    return buffer


def flat_out(out: Any, kind: str, argnums: Any) -> list[Any] | None:
    """Return out= of a gradient in flat arguments as an array (or None) for each part.

    None where it is anything else: the long way says what is wrong with it.
    """
    found: list[Any] = []
    if kind == "value_and_grad":
        if type(out) is not tuple or len(out) != 2:
            return None
        found, out = [out[0]], out[1]
    found += out if type(argnums) is tuple and type(out) is tuple else [out]
    n = (len(argnums) if type(argnums) is tuple else 1) + (kind != "grad")
    is_flat = all(x is None or type(x) is np.ndarray for x in found)
    return found if is_flat and len(found) == n else None
