"""Sparse Jacobians and Hessians of compiled functions, as scipy.sparse.csr_array.

The pattern is that of the recorded programs, of all paths known so far; its colouring
says which columns (or rows) one sweep can compute together. Few sweeps become one
program (see `compressed`), many run as rows, and so as lanes. Where a point turns out
to take a path that is new, the pattern is found again.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from autodiff._core import Code, Program, Tensor
from autodiff.errors import ArgumentError, LinAlgError, ShapeError
from autodiff.programs.arguments import is_plain_argnums
from autodiff.programs.compressed import entries_program
from autodiff.programs.derivatives import Call, check_number, in_directions
from autodiff.programs.paths import Path, Paths, plain
from autodiff.sparse import Coloring, Kind, Pattern

Shape = tuple[int, int]


def derivative(
    compiled: Any,
    name: str,
    args: Any,
    kwargs: Any,
    argnums: Any,
    pattern: Any = None,
    coloring: Any = None,
    mode: str | None = None,
) -> Any:
    """Return a sparse derivative in one array, as a matrix.

    Parameters
    ----------
    compiled, args, kwargs, argnums
        The function, and how it was called.
    name
        "jacobian", of one array, or "hessian", of one number.
    pattern, coloring
        What the user gave instead of what is found: anything that `Pattern.of` takes,
        a `Coloring`.
    mode
        Colour columns ("forward") or rows ("reverse") of a Jacobian; None: whichever
        need fewer colours.
    """
    kind = _kind(name, mode)
    given = _given(name, pattern, coloring, kind)
    is_plain = not kwargs and is_plain_argnums(argnums)
    key = name, argnums, kind
    kept = compiled.quick_matrices.get(key) if is_plain else None
    if kept is not None and kept.given is given and kept.is_current():
        found = compiled.try_code(kept.code, args)
        if found is not None:
            return kept.matrix(found[0])
    call = Call(compiled, args, kwargs, argnums)
    matrix, kept = _Request(call, name, kind).matrix(given)
    if is_plain and kept.code and call.signature.is_flat and not kept.paths.captured:
        compiled.quick_matrices[key] = kept
    return matrix


def _kind(name: str, mode: str | None) -> Kind | None:
    """Return how to colour for a mode; None: with the fewest colours."""
    kinds: dict[str | None, Kind | None] = {
        "forward": "column",
        "reverse": "row",
        None: "symmetric" if name == "hessian" else None,
    }
    if mode not in kinds:
        raise ArgumentError(
            f"{name}: mode must be 'forward', 'reverse' or None, got {mode!r}"
        )
    return kinds[mode]


def _given(
    name: str, pattern: Any, coloring: Any, kind: Kind | None
) -> Coloring | None:
    """Return the colouring that a user asks for, or None."""
    if coloring is None:
        return None if pattern is None else Pattern.of(pattern).color(kind)
    if pattern is not None:
        raise ArgumentError(
            f"{name}: a coloring has a pattern; pattern= is one too many"
        )
    if not isinstance(coloring, Coloring):
        raise ArgumentError(
            f"{name}: coloring must be a sparse.Coloring, got {coloring!r}; "
            "Pattern.color makes one"
        )
    if name == "jacobian" and kind not in (None, coloring.kind):
        raise ArgumentError(
            f"{name}: mode asks for a {kind} colouring, and coloring is a "
            f"{coloring.kind} colouring"
        )
    return coloring


class _Kept(NamedTuple):
    """What is kept of one path: how its matrix was computed last time.

    given is what the user asked for; n_paths and n_captured are how many paths, and
    tensors of outside, there were: with another the pattern may be another.
    """

    given: Coloring | None
    paths: Paths
    n_paths: int
    n_captured: int
    path: Path
    colors: Coloring
    code: Code | None

    def is_current(self) -> bool:
        """Whether there is nothing new that the pattern would depend on."""
        paths = self.paths
        return self.n_paths == len(paths.all) and self.n_captured == len(paths.captured)

    def matrix(self, values: Any) -> Any:
        """Return the matrix of these entries, which the path's program computed."""
        self.path.n_rows += 1
        return self.colors.pattern.with_values(values)


class _Request:
    """One call of a sparse derivative.

    Parameters
    ----------
    call
        The arguments, sorted.
    name
        "jacobian" or "hessian".
    kind
        Of the colouring, where none is given; None: with the fewest colours.
    """

    def __init__(self, call: Call, name: str, kind: Kind | None):
        shapes = call.shapes()
        if len(shapes) != 1 or not call.is_single:
            raise ArgumentError(
                f"{name}(sparse=True) is in one array; argnums names {len(shapes)} of "
                f"{call.name}"
            )
        self.call, self.name, self.kind, self.side = call, name, kind, shapes[0]
        self.signature, self.paths = call.signature, call.signature.paths
        self.leaves = [_value(leaf) for leaf in call.leaves]
        self.derived = self.signature.value
        if name == "hessian":
            self.derived = self.derived.then("reverse", call.wanted, False, True)

    def matrix(self, given: Coloring | None) -> tuple[Any, _Kept]:
        """Return the matrix at the arguments, and what is kept of the way to it."""
        path = self.paths.first(self.leaves)
        kept = self._entries.get(self._key(path))
        if kept is not None and kept.given is given and kept.is_current():
            values = self._run(kept)
            if values is not None:
                return kept.matrix(values), kept
        if path.guards:
            path, _ = self.signature.value.run(self.leaves)
        kept = self._keep(path, given)
        values = self._run(kept)
        if values is None:
            values = kept.colors.values(self._products(kept.colors))
        return kept.matrix(values), kept

    # ---- One program -----------------------------------------------------------------

    @property
    def _entries(self) -> dict[Any, Any]:
        found: dict[Any, Any] = self.signature.colorings
        return found

    def _key(self, *of: Any) -> Any:
        n_captured = len(self.paths.captured)
        return (self.derived.steps, self.call.wanted, self.kind, n_captured, *of)

    def _keep(self, path: Path, given: Coloring | None) -> _Kept:
        """Find colours and the program of all sweeps for a path, and keep them."""
        colors = self._colors(self._shape(path), given)
        before = self._entries.get(self._key(path))
        if before is not None and before.colors is colors:
            code = before.code
        else:
            code = self._code(path, colors)
        counts = len(self.paths.all), len(self.paths.captured)
        kept = _Kept(given, self.paths, *counts, path, colors, code)
        self._entries[self._key(path)] = kept
        return kept

    def _run(self, kept: _Kept) -> Any:
        """Return the entries; None if this is not the path, or there is no program."""
        if kept.code is None:
            return None
        try:
            outputs, _, _ = kept.code.run(self.paths.inputs(self.leaves))
        except LinAlgError:
            if kept.path.guards:  # perhaps of a path that the arguments do not take
                return None
            raise
        return None if outputs is None else outputs[0]

    def _code(self, path: Path, colors: Coloring) -> Code | None:
        """Return all sweeps as one program; None: too many."""
        program = path.derived(self.derived.steps)
        points = self.paths.inputs(self.leaves)
        whole = entries_program(program, colors, self._wanted(program), points)
        return None if whole is None else Code(whole)

    def _wanted(self, program: Program) -> list[bool]:
        wanted = self.call.wanted
        return [*wanted, *[False] * (len(program.input_shapes) - len(wanted))]

    # ---- Shape, pattern, colours -----------------------------------------------------

    def _shape(self, path: Path) -> Shape:
        """Return the matrix's shape; raise where there is none."""
        n = math.prod(self.side)
        if self.name == "hessian":
            check_number(self.call.name, path)
            return n, n
        shapes = path.program.output_shapes
        if len(shapes) != 1:
            raise ShapeError(
                f"a sparse Jacobian is of one result, {self.call.name} returns "
                f"{len(shapes)}"
            )
        return math.prod(shapes[0]), n

    def _colors(self, shape: Shape, given: Coloring | None) -> Coloring:
        """Return the colouring asked for, or that of all paths, which is kept."""
        if given is not None:
            if given.pattern.shape != shape:
                raise ShapeError(
                    f"{self.name}: {self.call.name} needs a pattern of shape {shape}, "
                    f"got one of shape {given.pattern.shape}"
                )
            return given
        key = self._key(shape, len(self.paths.all))
        found: Coloring | None = self._entries.get(key)
        if found is None:
            pattern = self._pattern(shape)
            if self.name == "hessian":
                pattern = pattern.symmetrized()
            found = pattern.color(self.kind)
            self._entries[key] = found
        return found

    def _pattern(self, shape: Shape) -> Pattern:
        """Return the union of the patterns of all paths whose results fit the shape."""
        pattern = Pattern.of_entries(shape, [], [])
        for path in self.paths.all:
            program = path.derived(self.derived.steps)
            if sum(math.prod(s) for s in program.output_shapes) == shape[0]:
                pattern |= Pattern.of_program(program, self._wanted(program))
        return pattern

    # ---- Many sweeps -----------------------------------------------------------------

    def _products(self, colors: Coloring) -> Any:
        """Run one sweep for each colour, as lanes."""
        n = colors.n_colors
        if n == 0:
            return np.empty((0, colors.n_products))
        wanted = self.call.wanted
        if colors.kind == "row":
            step = self.derived.then("reverse", wanted, False)
            [result] = self.derived.run(self.leaves)[1]
            given = colors.seeds().reshape(n, *np.shape(result))
        else:
            step = self.derived.then("forward", wanted, False)
            given = colors.seeds().reshape(n, *self.side)
        _, found = in_directions(step, self.leaves, [given])
        return np.reshape(plain(found[0]), (n, colors.n_products))


def _value(leaf: Any) -> Any:
    """Return what a program takes; a matrix of SciPy carries no gradient on."""
    return np.asarray(leaf) if isinstance(leaf, Tensor) else plain(leaf)
