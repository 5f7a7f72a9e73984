"""Sparse Jacobians and Hessians: patterns, colourings, and how they are put together.

A `Pattern` says where a matrix may be other than zero. A `Coloring` of it says which
columns (or rows) can be computed in one sweep, and where in the results of the sweeps
each entry stands. Both are reusable: they depend on the function, not on the point.
Both can be saved, and pickled.

    pattern --color()--> coloring --seeds()--> sweeps --values()--> data of a csr_array

Nothing here differentiates: the sweeps are the caller's. SciPy is imported only where a
`scipy.sparse` matrix is made.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from os import PathLike
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autodiff import _core
from autodiff.errors import ArgumentError, ShapeError

Kind = Literal["column", "row", "symmetric"]
_Floats = npt.NDArray[np.float64]
_KINDS: tuple[Kind, ...] = ("column", "row", "symmetric")


# ---- Patterns ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where a matrix may be other than zero, row by row.

    Attributes
    ----------
    shape
        Numbers of rows and columns.
    starts
        int64, shape (n_rows + 1,): row i has ``columns[starts[i]:starts[i + 1]]``.
    columns
        int32, one for each entry, sorted within a row, each once.

    Raises
    ------
    ArgumentError
        When the arrays are no pattern of that shape.

    Examples
    --------
    >>> Pattern.of([[1.0, 0.0], [2.0, 3.0]])
    Pattern(2 x 2, 3 entries)
    """

    shape: tuple[int, int]
    starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        """Copy what is not an array of ours, and check all of it."""
        n_rows, n_columns = (int(n) for n in self.shape)
        columns = np.asarray(self.columns)
        if columns.size and not 0 <= columns.min() <= columns.max() < n_columns:
            raise ArgumentError(f"a column lies outside of 0 .. {n_columns - 1}")
        starts = np.ascontiguousarray(self.starts, np.int64)
        columns = np.ascontiguousarray(columns, np.int32)
        object.__setattr__(self, "shape", (n_rows, n_columns))
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "columns", columns)
        if not 0 <= max(n_rows, n_columns) < 2**31 - 1:
            raise ArgumentError(f"a pattern of shape {self.shape} is too large")
        if starts.shape != (n_rows + 1,) or columns.ndim != 1 or starts[0] != 0:
            raise ArgumentError(
                f"starts must have {n_rows + 1} elements, from 0, got {starts.shape}"
            )
        if starts[-1] != columns.size or (np.diff(starts) < 0).any():
            raise ArgumentError(f"starts must rise to {columns.size}")
        rises = np.diff(columns) > 0
        at = starts[1:-1]
        rises[at[(at > 0) & (at < columns.size)] - 1] = True
        if not rises.all():
            raise ArgumentError("columns must rise within each row")

    def __repr__(self) -> str:
        """Shape and number of entries."""
        return f"Pattern({self.shape[0]} x {self.shape[1]}, {self.n_entries} entries)"

    @property
    def n_entries(self) -> int:
        """How many entries may be other than zero."""
        return int(self.columns.size)

    @classmethod
    def of(cls, matrix: Any) -> "Pattern":
        """Return where a matrix, dense or of scipy.sparse, is other than zero.

        Stored zeros of a sparse matrix count as entries.

        Raises
        ------
        ShapeError
            When it has not two axes.
        ArgumentError
            When it is no matrix of numbers or booleans.
        """
        if isinstance(matrix, Pattern):
            return matrix
        if hasattr(matrix, "tocoo"):
            coo = matrix.tocoo()
            return cls.of_entries(coo.shape, coo.row, coo.col)
        try:
            dense = np.asarray(matrix)
        except ValueError:  # of lists that are ragged
            dense = np.asarray(None)
        if dense.dtype.kind not in "biufc":
            raise ArgumentError(
                "a pattern is a Pattern, an array of two axes, or a matrix of "
                f"scipy.sparse, not {matrix!r}"
            )
        if dense.ndim != 2:
            raise ShapeError(f"a pattern has two axes, got an array of {dense.ndim}")
        return cls.of_entries(dense.shape, *np.nonzero(dense))

    @classmethod
    def of_entries(cls, shape: Any, rows: Any, columns: Any) -> "Pattern":
        """Return the pattern with these entries, in any order, repeated or not."""
        rows, columns = np.asarray(rows, np.int64), np.asarray(columns, np.int64)
        n_rows, n_columns = shape
        for at, n in ((rows, n_rows), (columns, n_columns)):
            if at.size and not 0 <= at.min() <= at.max() < n:
                raise ArgumentError(f"an entry lies outside of shape {tuple(shape)}")
        keys = np.unique(rows * n_columns + columns)
        rows, columns = np.divmod(keys, max(n_columns, 1))
        starts = np.zeros(n_rows + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=n_rows), out=starts[1:])
        return cls((n_rows, n_columns), starts, columns)

    @classmethod
    def of_program(
        cls, program: Any, inputs: Any = None, outputs: Any = None
    ) -> "Pattern":
        """Return the pattern of a program's Jacobian.

        Parameters
        ----------
        program
            A recorded program.
        inputs, outputs
            One flag for each: whether its elements are columns (rows). None: all are.

        Notes
        -----
        The pattern is structural: of the program, for any values of the inputs on the
        same path. Elements of arrays are told apart. Of the program of a gradient it is
        the pattern of the Hessian.
        """
        inputs = [True] * len(program.input_shapes) if inputs is None else inputs
        outputs = [True] * len(program.output_shapes) if outputs is None else outputs
        n_rows, n_columns, *arrays = _core.program_sparsity(program, inputs, outputs)
        return cls((n_rows, n_columns), *arrays)

    def rows(self) -> npt.NDArray[np.int32]:
        """Return the row of each entry."""
        numbers = np.arange(self.shape[0], dtype=np.int32)
        return np.repeat(numbers, np.diff(self.starts))

    def transposed(self) -> "Pattern":
        """Return the pattern of the transposed matrix."""
        n_rows, n_columns = self.shape
        arrays = _core.transpose_pattern(n_rows, n_columns, self.starts, self.columns)
        return Pattern((n_columns, n_rows), *arrays)

    def __or__(self, other: "Pattern") -> "Pattern":
        """Return the entries of either."""
        if self.shape != other.shape:
            raise ShapeError(f"patterns of shapes {self.shape} and {other.shape}")
        if self == other:
            return self
        rows = np.concatenate([self.rows(), other.rows()])
        columns = np.concatenate([self.columns, other.columns])
        return Pattern.of_entries(self.shape, rows, columns)

    def __eq__(self, other: object) -> bool:
        """Whether shape and entries are the same."""
        return (
            isinstance(other, Pattern)
            and self.shape == other.shape
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.columns, other.columns)
        )

    __hash__ = None  # type: ignore[assignment]

    def is_symmetric(self) -> bool:
        """Whether (j, i) is an entry wherever (i, j) is."""
        return self.shape[0] == self.shape[1] and self == self.transposed()

    def symmetrized(self) -> "Pattern":
        """Return the entries (i, j) and (j, i) for each entry (i, j)."""
        return self | self.transposed()

    def with_values(self, values: _Floats) -> Any:
        """Return the `scipy.sparse.csr_array` with these entries."""
        # Entries are sorted and each is there once: nothing needs to be checked again.
        matrix = copy.copy(self._empty_matrix)
        # Copies: SciPy's methods change a matrix in place.
        matrix.data, matrix.indices = values, self.columns.copy()
        matrix.indptr = self._short_starts.copy()
        return matrix

    @cached_property
    def _empty_matrix(self) -> Any:
        """A matrix of this shape, to be copied: quicker than to be made."""
        csr_array = import_module("scipy.sparse").csr_array
        return csr_array(self.shape, dtype=np.float64)

    def __reduce__(self) -> Any:
        """Pickle the pattern without what is kept beside it."""
        return Pattern, (self.shape, self.starts, self.columns)

    @cached_property
    def _short_starts(self) -> Any:
        """The starts in SciPy's index type for matrices of this size."""
        short = self.n_entries < 2**31 - 1
        return self.starts.astype(np.int32) if short else self.starts

    def dense(self) -> npt.NDArray[np.bool_]:
        """Return a matrix that is True at the entries."""
        matrix = np.zeros(self.shape, np.bool_)
        matrix[self.rows(), self.columns] = True
        return matrix

    def color(self, kind: Kind | None = None) -> "Coloring":
        """Return a colouring with few colours.

        Parameters
        ----------
        kind
            "column" (tangents), "row" (adjoints), or "symmetric" (Hessians: half of the
            entries are read where their mirror image stands). None: columns or rows,
            whichever need fewer.

        Raises
        ------
        ArgumentError
            When the kind is not known, or the pattern is not symmetric and ought to be.

        Notes
        -----
        Greedy, in two orders, so not always the least number. Cost: the sum of squared
        row lengths. Curtis, Powell and Reid (1974), doi:10.1093/imamat/13.1.117;
        Gebremedhin et al. (2007), doi:10.1137/050639879.

        Examples
        --------
        >>> import numpy as np
        >>> band = np.tri(6, k=1) * np.tri(6, k=1).T
        >>> Pattern.of(band).color("column")
        Coloring(column, 3 colours, Pattern(6 x 6, 16 entries))
        """
        if kind not in (None, *_KINDS):
            raise ArgumentError(f"a colouring is one of {_KINDS}, not {kind!r}")
        if kind == "symmetric" and not self.is_symmetric():
            raise ArgumentError(
                "a symmetric colouring needs a symmetric pattern; see symmetrized()"
            )
        found = self._colorings.get(kind)
        if found is None:
            found = self._fewest() if kind is None else self._colored(kind)
            self._colorings[kind] = found
        return found

    @cached_property
    def _colorings(self) -> dict[Kind | None, "Coloring"]:
        """Colourings made so far: a pattern that is given again costs nothing."""
        return {}

    def _colored(self, kind: Kind) -> "Coloring":
        by = self.transposed() if kind == "row" else self
        arrays = by.starts, by.columns
        colors, n = _core.color_pattern(*by.shape, *arrays, kind == "symmetric")
        return Coloring(self, kind, colors, n)

    def _fewest(self) -> "Coloring":
        """Colour by columns or rows; the longest row or column says what first."""
        lengths = np.diff(self.starts)
        most_in_row = int(lengths.max(initial=0))
        most_in_column = int(
            np.bincount(self.columns, minlength=1).max(initial=0)
            if self.n_entries
            else 0
        )
        kinds: list[tuple[int, Kind]] = [
            (most_in_row, "column"),
            (most_in_column, "row"),
        ]
        kinds.sort(key=lambda pair: pair[0])
        best = self.color(kinds[0][1])
        if kinds[1][0] < best.n_colors:
            other = self.color(kinds[1][1])
            best = other if other.n_colors < best.n_colors else best
        return best

    def save(self, path: str | PathLike[str]) -> None:
        """Write the pattern to a NumPy archive (.npz)."""
        np.savez(path, shape=self.shape, starts=self.starts, columns=self.columns)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Pattern":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            shape = archive["shape"]
            return cls(
                (int(shape[0]), int(shape[1])), archive["starts"], archive["columns"]
            )


# ---- Colourings ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Coloring:
    """Columns (or rows) of a pattern in groups that one sweep computes together.

    Attributes
    ----------
    pattern
        What is coloured.
    kind
        "column": sweeps are tangents, products J s. "row": adjoints, products s J.
        "symmetric": products H s of a Hessian.
    colors
        int32, a colour for each column (row): 0 .. n_colors - 1.
    n_colors
        How many sweeps it takes.

    Raises
    ------
    ArgumentError
        When an entry cannot be told apart in the products.
    """

    pattern: Pattern
    kind: Kind
    colors: npt.NDArray[np.int32]
    n_colors: int

    def __post_init__(self) -> None:
        """Check that the colours are those of such a colouring."""
        if self.kind not in _KINDS:
            raise ArgumentError(f"a colouring is one of {_KINDS}, not {self.kind!r}")
        colors = np.ascontiguousarray(self.colors, np.int32)
        object.__setattr__(self, "colors", colors)
        object.__setattr__(self, "n_colors", int(self.n_colors))
        n = self.n_seeded
        if colors.shape != (n,):
            raise ArgumentError(f"{n} colours are needed, got shape {colors.shape}")
        if n and not 0 <= colors.min() <= colors.max() < self.n_colors:
            raise ArgumentError(f"a colour lies outside of 0 .. {self.n_colors - 1}")
        object.__setattr__(self, "_places", self._find_places())

    def __repr__(self) -> str:
        """Kind, number of colours, pattern."""
        return f"Coloring({self.kind}, {self.n_colors} colours, {self.pattern})"

    @property
    def n_seeded(self) -> int:
        """Length of a seed: the number of columns, or of rows."""
        return self.pattern.shape[0 if self.kind == "row" else 1]

    @property
    def n_products(self) -> int:
        """Length of a product: the number of rows, or of columns."""
        return self.pattern.shape[1 if self.kind == "row" else 0]

    def seeds(self) -> _Floats:
        """Return the seeds, shape (n_colors, n_seeded): sums of unit vectors."""
        return self._seeds.copy()

    @cached_property
    def _seeds(self) -> _Floats:
        seeds = np.zeros((self.n_colors, self.n_seeded))
        seeds[self.colors, np.arange(self.n_seeded)] = 1.0
        return seeds

    def _find_places(self) -> npt.NDArray[np.int64]:
        """Where each entry stands in the flattened products."""
        pattern = self.pattern
        if self.kind == "symmetric":
            places = _core.color_places(
                pattern.shape[0],
                self.n_colors,
                pattern.starts,
                pattern.columns,
                self.colors,
            )
            if places is None:
                raise ArgumentError(
                    "two entries of a row share a colour, and so do theirs"
                )
            found: npt.NDArray[np.int64] = places
            return found
        rows, columns = pattern.rows(), pattern.columns
        seeded, other = (rows, columns) if self.kind == "row" else (columns, rows)
        places = self.colors[seeded].astype(np.int64) * self.n_products + other
        if not _are_distinct(places, self.n_colors * self.n_products):
            raise ArgumentError(f"two {self.kind}s of one colour meet")
        return places

    def places(self) -> npt.NDArray[np.int64]:
        """Return where each entry stands in the flattened products."""
        found: npt.NDArray[np.int64] = self.__dict__["_places"]
        return found

    def values(self, products: npt.ArrayLike) -> _Floats:
        """Return the entries, in the pattern's order, from the products of the seeds.

        Parameters
        ----------
        products
            Shape (n_colors, n_products): what the sweeps made of each seed.

        Raises
        ------
        ShapeError
            When the products have another shape.
        """
        given = np.ascontiguousarray(products, np.float64)
        expected = (self.n_colors, self.n_products)
        if given.shape != expected:
            raise ShapeError(
                f"products of shape {expected} expected, got {given.shape}"
            )
        return given.ravel().take(self.places())

    def compute(self, sweep: Callable[[_Floats], npt.ArrayLike]) -> Any:
        """Return the matrix as `scipy.sparse.csr_array`.

        Parameters
        ----------
        sweep
            Takes the seeds, shape (n_colors, n_seeded), and returns the products, shape
            (n_colors, n_products).

        Examples
        --------
        >>> import numpy as np
        >>> a = np.diag([1.0, 2.0, 3.0])
        >>> Pattern.of(a).color("column").compute(lambda seeds: seeds @ a.T).toarray()
        array([[1., 0., 0.],
               [0., 2., 0.],
               [0., 0., 3.]])
        """
        return self.pattern.with_values(self.values(sweep(self._seeds)))

    def save(self, path: str | PathLike[str]) -> None:
        """Write colouring and pattern to a NumPy archive (.npz)."""
        np.savez(
            path,
            shape=self.pattern.shape,
            starts=self.pattern.starts,
            columns=self.pattern.columns,
            kind=self.kind,
            colors=self.colors,
            n_colors=self.n_colors,
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Coloring":
        """Read what `save` wrote."""
        pattern = Pattern.load(path)
        with np.load(path, allow_pickle=False) as archive:
            kind: Any = str(archive["kind"])
            return cls(pattern, kind, archive["colors"], int(archive["n_colors"]))


def _are_distinct(places: npt.NDArray[np.int64], n: int) -> bool:
    """Whether no place, each below n, comes twice."""
    if n > 64 * places.size:
        return int(np.unique(places).size) == places.size
    is_met = np.zeros(n, np.bool_)
    is_met[places] = True
    return int(np.count_nonzero(is_met)) == places.size
