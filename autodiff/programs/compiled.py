"""compile: a function that is recorded once and replayed.

The first call with a new structure of arguments runs the function in Python and keeps
what it did as a program; later calls replay that. A choice that comes out otherwise
than when it was recorded leads to another recording, never to a wrong number.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Code, FastCall, Program, Tensor
from autodiff.errors import ArgumentError
from autodiff.programs import derivatives, nan_report
from autodiff.programs.derived import Derived
from autodiff.programs.paths import Path, Paths, plain
from autodiff.programs.recording import Leaves, record
from autodiff.report import NanReport

FLAT = (float, int, np.ndarray)


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

    def __init__(
        self, owner: Compiled, structure: tree.Structure, static: dict[str, Any]
    ):
        self._owner, self._structure, self._static = owner, structure, static
        self.paths = Paths(self._record, owner.name, owner.max_paths)
        self.value = Derived(self.paths, structure.n_leaves)
        self.colorings: dict[Any, Any] = {}  # of sparse derivatives

    def _record(self, leaves: Leaves) -> Any:
        return record(self._run, leaves, self._owner.name)

    def _run(self, tensors: list[Tensor]) -> Any:
        args, kwargs = tree.unflatten(self._structure, tensors)
        return self._owner.fun(*args, **kwargs, **self._static)


class Compiled(FastCall):
    """A function that replays what it did, made by `compile`.

    Called as the function is. Its methods are derivatives: programs that are derived
    when they are first asked for and replayed from then on. They take the function's
    arguments, and `argnums`: the position of the argument to differentiate in, or a
    tuple of positions (then the result is a tuple).
    """

    def __init__(
        self, fun: Callable[..., Any], static: tuple[str, ...], max_paths: int
    ):
        functools.update_wrapper(self, fun, updated=())
        self.fun, self.static, self.max_paths = fun, static, max_paths
        self.name = str(getattr(fun, "__name__", None) or type(fun).__name__)
        self._signatures: dict[Any, Signature] = {}
        self._quick: dict[Any, Code] = {}
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

    # ---- Derivatives -----------------------------------------------------------------

    def value_and_grad(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return (value, gradient); the gradient as `grad` returns it.

        Costs two to four replays of the function, however many arguments there are.
        """
        found = self._try("value_and_grad", argnums, args, kwargs)
        if found is None:
            return derivatives.gradient(self, args, kwargs, argnums, True)
        value, *rest = found
        return value, (tuple(rest) if isinstance(argnums, tuple) else rest[0])

    def grad(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return the gradient of the function's one number.

        It has the structure and shapes of the argument that argnums names; for a tuple
        of argnums it is a tuple of them.

        Raises
        ------
        ShapeError
            When the function returns anything but one number.
        """
        found = self._try("grad", argnums, args, kwargs)
        if found is None:
            return derivatives.gradient(self, args, kwargs, argnums, False)
        return tuple(found) if isinstance(argnums, tuple) else found[0]

    def jacobian(
        self,
        *args: Any,
        argnums: Any = 0,
        mode: str | None = None,
        sparse: bool = False,
        pattern: Any = None,
        coloring: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return the Jacobian in the arguments of argnums; options as for `jacobian`.

        Each leaf has the shape ``result.shape + argument.shape``. With sparse=True, of
        one array in one array: a scipy.sparse.csr_array of shape (size of the result,
        size of the argument). The sweeps, one for each element or colour, run as lanes.
        """
        if sparse or pattern is not None or coloring is not None:
            from autodiff.programs import sparse_derivatives

            return sparse_derivatives.jacobian(
                self, args, kwargs, argnums, pattern, coloring
            )
        return derivatives.jacobian(self, args, kwargs, argnums, mode)

    def hessian(
        self,
        *args: Any,
        argnums: Any = 0,
        sparse: bool = False,
        pattern: Any = None,
        coloring: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return the Hessian in the arguments of argnums; sparse as for `jacobian`.

        The structure of the argument twice over, each leaf of shape
        ``argument.shape + argument.shape``.
        """
        if sparse or pattern is not None or coloring is not None:
            from autodiff.programs import sparse_derivatives

            return sparse_derivatives.hessian(
                self, args, kwargs, argnums, pattern, coloring
            )
        return derivatives.hessian(self, args, kwargs, argnums)

    def jvp(self, primals: Any, tangents: Any) -> Any:
        """Return (value, tangent) for a tuple of arguments and one of tangents.

        Both tuples have an entry for each argument; None is no direction. Costs two to
        three replays. As `autodiff.jvp`.
        """
        return derivatives.jvp(self, primals, tangents)

    def vjp(self, *primals: Any) -> Any:
        """Return (value, pull_back).

        pull_back takes a seed in the structure of the value and returns a tuple with
        the adjoint of each argument. As `autodiff.vjp`.
        """
        return derivatives.vjp(self, primals)

    def hvp(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return the Hessian times a vector: ``f.hvp(x, v, *rest)``.

        The vector is in the second place, as SciPy's hessp passes it, and has the
        structure of x; so has the result. As `autodiff.hvp`.
        """
        return derivatives.hvp(self, args, kwargs, argnums)

    def nan_report(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> NanReport:
        """Return which operation made a NaN or an infinity, at which line; see there.

        Looks at the values of the call, then at the adjoints of its gradient.
        """
        call = derivatives.Call(self, args, kwargs, argnums)
        leaves = [plain(leaf) for leaf in call.leaves]
        path, _ = call.signature.value.run(leaves)
        inputs = call.signature.paths.inputs(path, leaves, len(leaves))
        is_number = path.program.output_shapes == [()]
        steps = (("reverse", call.wanted, True, True),)
        gradient = path.derived(steps) if is_number else None
        return nan_report.report(path.program, gradient, inputs)

    def _try(
        self, kind: str, argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Any] | None:
        """Return outputs by the code that was right last time, or None."""
        if kwargs or isinstance(argnums, list):
            return None
        return self.try_fast(self._quick.get((kind, argnums)), args)

    def remember(
        self, kind: str, argnums: Any, args: Any, path: Path, code: Code
    ) -> None:
        """Let a derivative of flat arguments take the short way next time."""
        is_flat = all(type(arg) in FLAT for arg in args) and not path.captured
        if is_flat and not isinstance(argnums, list):
            self._quick[kind, argnums] = code

    # ---- What there is ---------------------------------------------------------------

    @property
    def programs(self) -> list[Program]:
        """The program of each path recorded so far.

        Structures of arguments follow in the order of their first call, the paths of
        one in the order of recording.
        """
        return [path.program for s in self._signatures.values() for path in s.paths.all]


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
        Takes and returns numbers, arrays, or nested tuples, lists, dicts and
        dataclasses of them. What it returns may depend on nothing but its arguments;
        other things that it reads (global numbers, time, random numbers) are kept as
        they were when it was recorded, except for tensors that carry gradient.
    static_argnames
        Names of arguments that are not numbers to differentiate by: each value of them
        makes a recording of its own.
    max_paths
        How many ways through its choices (`if`, `while`, `max`) are kept for each
        structure of arguments.

    Returns
    -------
    A `Compiled`: called as fun is, it returns what fun would, in floats and arrays (in
    tensors where an argument, or a tensor that fun closes over, carries gradient). Its
    methods ``grad``, ``value_and_grad``, ``jacobian``, ``hessian``, ``jvp``, ``vjp``
    and ``hvp`` are its derivatives, ``nan_report`` says where a NaN came from, and
    ``programs`` is what was recorded. Without fun, a decorator with these options.

    Raises
    ------
    TypeError
        When fun is no function; by a call, when arguments or result are not made of
        numbers.
    TraceError
        By a call, when the function asks for a value that depends on its arguments as a
        plain number, or takes more than max_paths ways.
    ArgumentError
        By a call, when a static argument is not hashable.

    Notes
    -----
    Recording costs some hundreds of nanoseconds an operation, once for each structure
    and shapes of the arguments and each way through the choices; a replay costs a few.
    A Python loop is recorded iteration by iteration; `scan` and `while_loop` are not.

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
