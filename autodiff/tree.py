"""Nested arguments and results as flat lists of leaves, and back.

A leaf is a Tensor, a real number, or an array of real numbers; nodes are tuples,
namedtuples, lists, dicts, dataclasses and None, which holds nothing. The `Structure` of
a tree is what is left without its leaves: it can be compared, hashed and filled again.
Dicts are equal whatever the order of their keys. A field of a dataclass with
``metadata={"static": True}`` belongs to the structure.

Everything above the engine that takes a user's arguments goes through here.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autodiff._core import Tensor

_PLAIN_LEAVES = frozenset({float, int, bool, Tensor, np.float64})


class Structure:
    """A tree without its leaves.

    kind is the type of the node, or None for a leaf; keys are what the children are
    called, in the order of the leaves; static is what else makes the node what it is.
    """

    __slots__ = ("_hash", "children", "keys", "kind", "n_leaves", "shown", "static")

    def __init__(
        self,
        kind: type | None,
        keys: tuple[Any, ...] = (),
        children: tuple[Structure, ...] = (),
        static: tuple[Any, ...] = (),
        shown: tuple[Any, ...] = (),
    ):
        self.kind, self.keys, self.children = kind, keys, children
        self.n_leaves: int
        self.static, self.shown = static, shown  # shown: a dict's keys as they stood
        self.n_leaves = 1 if kind is None else sum(c.n_leaves for c in children)
        self._hash = hash((kind, keys, children, static))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        return self is other or (
            self._hash == other._hash
            and self.kind is other.kind
            and self.keys == other.keys
            and self.static == other.static
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is type(None):
            return "None"
        inner = [repr(child) for child in self.children]
        if self.kind is tuple:
            return f"({', '.join(inner)}{',' * (len(inner) == 1)})"
        if self.kind is list:
            return f"[{', '.join(inner)}]"
        pairs = zip(self.keys, inner, strict=True)
        if issubclass(self.kind, dict):
            return f"{{{', '.join(f'{key!r}: {text}' for key, text in pairs)}}}"
        return f"{self.kind.__name__}({', '.join(f'{k}={t}' for k, t in pairs)})"


LEAF = Structure(None)
_NONE = Structure(type(None))


# ---- Down ----------------------------------------------------------------------------


def flatten(
    tree: Any, what: str = "value", *, opaque: bool = False
) -> tuple[list[Any], Structure]:
    """Return the leaves of a tree and its structure.

    Parameters
    ----------
    tree
        Nested containers of numbers, arrays and tensors.
    what
        What to call the tree in an error.
    opaque
        Take any other object for a leaf, too.

    Raises
    ------
    TypeError
        When something is neither a container nor a leaf; says where it is.
    """
    if _is_plain(tree):
        return [tree], LEAF
    leaves: list[Any] = []
    try:
        return leaves, _flatten(tree, opaque, leaves)
    except _Stranger as found:
        stranger = found.args[0]
    raise TypeError(
        f"{_place_of(stranger, tree, what)}: expected real numbers, arrays or tensors, "
        f"alone or in tuples, lists, dicts and dataclasses, got {_kind(stranger)}"
    )


class _Stranger(Exception):
    """Neither a container nor a leaf was found."""


def _flatten(tree: Any, opaque: bool, leaves: list[Any]) -> Structure:
    if _is_plain(tree):
        leaves.append(tree)
        return LEAF
    if tree is None:
        return _NONE
    node = _open(tree)
    if node is None:
        if not opaque and not is_number(tree):
            raise _Stranger(tree)
        leaves.append(tree)
        return LEAF
    keys, values, static, shown = node
    children = tuple([_flatten(value, opaque, leaves) for value in values])
    return Structure(type(tree), keys, children, static, shown)


def _place_of(stranger: Any, tree: Any, where: str) -> str:
    """Return what the first place of an object in a tree is called; '' if it is not."""
    if tree is stranger:
        return where
    node = _open(tree)
    if node is None:
        return ""
    places = (
        _place_of(stranger, value, f"{where}{_step(tree, key)}")
        for key, value in zip(node[0], node[1], strict=True)
    )
    return next(filter(None, places), "")


def _is_plain(x: Any) -> bool:
    """Whether x is a leaf, for the usual kinds; quick."""
    kind = type(x)
    return kind in _PLAIN_LEAVES or (kind is np.ndarray and x.dtype.kind in "fiub")


def is_number(x: Any) -> bool:
    """Return whether x is a leaf: a tensor, a real number or an array of them."""
    if isinstance(x, (float, int, Tensor)):
        return True
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind in "fiubO"
    return False


_Node = tuple[tuple[Any, ...], Iterable[Any], tuple[Any, ...], tuple[Any, ...]]


def _open(tree: Any) -> _Node | None:
    """Keys, values, static part and shown order of a container; None for any other."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return tuple(range(len(tree))), tree, (), ()
    if kind is dict or kind is OrderedDict:
        keys = tuple(sorted(tree, key=lambda key: (type(key).__name__, repr(key))))
        return keys, [tree[key] for key in keys], (), tuple(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return tree._fields, tree, (), ()
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = dataclasses.fields(tree)
        static = [f.name for f in fields if f.metadata.get("static")]
        moving = tuple(f.name for f in fields if f.name not in static)
        return (
            moving,
            [getattr(tree, name) for name in moving],
            tuple((name, getattr(tree, name)) for name in static),
            (),
        )
    return None


def _step(tree: Any, key: Any) -> str:
    return (
        f"[{key!r}]"
        if isinstance(tree, (list, dict)) or type(tree) is tuple
        else (f".{key}")
    )


def paths(structure: Structure, name: str) -> Iterator[str]:
    """Yield what each leaf is called, such as ``name['a'][0].b``."""
    if structure.kind is None:
        yield name
    is_indexed = structure.kind is not None and (
        structure.kind is tuple or issubclass(structure.kind, (list, dict))
    )
    for key, child in zip(structure.keys, structure.children, strict=False):
        yield from paths(child, name + (f"[{key!r}]" if is_indexed else f".{key}"))


def _kind(x: Any) -> str:
    """Name what was found, with a way out where one is known."""
    name = type(x).__name__
    if isinstance(x, (np.ndarray, np.generic)):
        return f"an array of dtype {x.dtype}"
    if isinstance(x, complex):
        return "a complex number; differentiate the real and imaginary parts"
    if isinstance(x, Iterator):
        return f"a '{name}', which can be read once only; make it a list or a tuple"
    return f"'{name}'"


# ---- Up ------------------------------------------------------------------------------


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """Return a tree of the structure with these leaves."""
    rest = iter(leaves)
    return next(rest) if structure is LEAF else _fill(structure, rest)


def _fill(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    values = [_fill(child, leaves) for child in structure.children]
    if kind is tuple or kind is list:
        return kind(values)
    if issubclass(kind, dict):
        found = dict(zip(structure.keys, values, strict=True))
        return kind((key, found[key]) for key in structure.shown)
    if issubclass(kind, tuple):
        return kind(*values)
    made = object.__new__(kind)  # not through __init__, which may want plain numbers
    for name, value in zip(structure.keys, values, strict=True):
        object.__setattr__(made, name, value)
    for name, value in structure.static:
        object.__setattr__(made, name, value)
    return made


def tree_map(function: Callable[[Any], Any], tree: Any, *, opaque: bool = True) -> Any:
    """Return the tree with function(leaf) in the place of each leaf."""
    leaves, structure = flatten(tree, opaque=opaque)
    return unflatten(structure, [function(leaf) for leaf in leaves])


# ---- Against a structure -------------------------------------------------------------


def match(structure: Structure, tree: Any, what: str) -> list[Any]:
    """Return the leaves of a tree that is to have a given structure.

    None in the place of a leaf, or of a whole subtree, stands for nothing there, and
    gives a None for each leaf.

    Raises
    ------
    TypeError
        When the structures differ; says where, and what was expected.
    """
    leaves: list[Any] = []
    _match(structure, tree, what, leaves)
    return leaves


def _match(structure: Structure, tree: Any, where: str, leaves: list[Any]) -> None:
    if tree is None:
        leaves.extend([None] * structure.n_leaves)
        return
    if structure.kind is None:
        if not is_number(tree):
            raise TypeError(
                f"{where}: expected a number or an array, got {_kind(tree)}"
            )
        leaves.append(tree)
        return
    node = _open(tree)
    is_same = node is not None and (
        type(tree) is structure.kind and node[0] == structure.keys
    )
    if node is None or not is_same:
        found = f"keys {list(node[0])}" if node and structure.keys else _kind(tree)
        raise TypeError(
            f"{where}: expected the structure {structure!r}, got "
            f"'{type(tree).__name__}' with {found}"
            if node
            else f"{where}: expected the structure {structure!r}, got {_kind(tree)}"
        )
    for child, key, value in zip(structure.children, node[0], node[1], strict=True):
        _match(child, value, f"{where}{_step(tree, key)}", leaves)
