"""compile: a function that is recorded once and replayed.

The first call with a new structure of arguments runs the function in Python and keeps
what it did as a program; later calls replay that. A choice that comes out otherwise
than when it was recorded leads to another recording, never to a wrong number.
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Code, FastCall, Program, Tensor
from autodiff.errors import ArgumentError
from autodiff.programs import derivatives, nan_report
from autodiff.programs.arguments import (
    as_bools,
    check_max_paths,
    flat_out,
    flatten_arguments,
    into,
    is_bool,
    is_plain_argnums,
    leaf_value,
    noting_lists,
    parameters_of,
    static_places,
)
from autodiff.programs.derived import Derived
from autodiff.programs.path_text import PathTree
from autodiff.programs.paths import Path, Paths, plain
from autodiff.programs.recording import Leaves, Recorded, record
from autodiff.report import NanReport

FLAT = (float, int, np.ndarray)
Static = tuple[tuple[str, Any], ...]


class Signature:
    """One structure of arguments: the paths recorded for it, and what is derived."""

    def __init__(
        self,
        owner: Compiled,
        structure: tree.Structure,
        masks: tuple[bool, ...],
        static: Static,
    ):
        self._owner, self._structure = owner, structure
        self._masks, self._static = masks, static
        n = structure.n_leaves
        self.paths = Paths(self._record, owner.name, n, owner.max_paths)
        self.value = Derived(self.paths)
        self.colorings: dict[Any, Any] = {}  # of sparse derivatives
        self.arguments = structure.children[0].children  # those given by position
        self.is_flat = (
            len(structure.children[1].children) == 0
            and all(child is tree.LEAF for child in self.arguments)
            and not any(masks)
            and not static
        )

    def _record(self, leaves: Leaves, families: dict[Any, Any]) -> Recorded:
        values = as_bools(leaves, self._masks)
        return record(self._run, values, self._owner.name, families)

    def _run(self, tensors: list[Tensor]) -> Any:
        args, kwargs = tree.unflatten(self._structure, tensors)
        if self._static:
            args, kwargs = self._owner.with_static(args, kwargs, self._static)
        with noting_lists(args):
            return self._owner.fun(*args, **kwargs)


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
        self.quick_matrices: dict[Any, Any] = {}  # of sparse_derivatives
        self._bound: dict[int, tuple[Any, Compiled]] = {}  # by id; see __get__
        names = parameters_of(fun)
        self._has_out = "out" in names  # then out= is the function's own
        self._places = static_places(names, static, self.name)

    def __repr__(self) -> str:
        return f"<compiled {self.name}, {len(self.programs)} programs>"

    # ---- Calls -----------------------------------------------------------------------

    def call_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call with anything; leaves the short way set for the next call."""
        out, kwargs = self.take_out(kwargs)
        signature, leaves = self.signature(args, kwargs)
        path, outputs = signature.value(leaves)
        is_one = path.structure is tree.LEAF and not path.is_capturing
        if is_one and signature.is_flat and not signature.paths.captured:
            self.set_fast(path.code(()))
        return into(out, tree.unflatten(path.structure, outputs))

    def take_out(self, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the out= of a call, unless it is the function's own, and the rest."""
        if self._has_out or "out" not in kwargs:
            return None, kwargs
        rest = dict(kwargs)
        return rest.pop("out"), rest

    def signature(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Signature, list[Any]]:
        """Return the signature of a call, and the leaves of its arguments."""
        static: Static = ()
        if self.static:
            args, kwargs, static = self._take_static(args, kwargs)
        leaves, structure = self._flatten(args, kwargs)
        masks = tuple([is_bool(leaf) for leaf in leaves])
        values = [leaf_value(leaf) for leaf in leaves]
        shapes = tuple([np.shape(plain(v)) for v in values])
        key = self.key(structure, shapes, masks, static)
        found = self._signatures.get(key)
        if found is None:
            made = Signature(self, structure, masks, static)
            found = self._signatures.setdefault(key, made)
        return found, values

    def key(
        self, structure: tree.Structure, shapes: Any, masks: Any, static: Static
    ) -> Any:
        """Return what a signature is found by."""
        kinds = tuple([(name, type(value), value) for name, value in static])
        return structure, shapes, masks, kinds

    def _flatten(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], tree.Structure]:
        hint = (
            "what is no number, and selects what the function does, is named: "
            "compile(f, static_argnames=...)"
        )
        return flatten_arguments(args, kwargs, self.name, hint)

    def _take_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], Static]:
        """Take static arguments out, wherever they stand, and leave None there."""
        rest, named, static = list(args), dict(kwargs), []
        for name in self.static:
            at = self._places[name]
            if name in named:
                value = named.pop(name)
            elif at is not None and at < len(rest):
                value, rest[at] = rest[at], None
            else:
                continue
            try:
                hash(value)
            except TypeError:
                raise ArgumentError(
                    f"{self.name}: the static argument '{name}' must be hashable, "
                    f"got '{type(value).__name__}'"
                ) from None
            static.append((name, value))
        return tuple(rest), named, tuple(static)

    def with_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], static: Static
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Undo _take_static."""
        rest, named = list(args), dict(kwargs)
        for name, value in static:
            at = self._places[name]
            if at is not None and at < len(rest):
                rest[at] = value
            else:
                named[name] = value
        return tuple(rest), named

    # ---- Methods ---------------------------------------------------------------------

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the function bound to an object, as a method is.

        What a dataclass or a named tuple holds is passed as an argument; any other
        object has a compiled function of its own, for which what it holds is constant.
        """
        if instance is None:
            return self
        if dataclasses.is_dataclass(instance) or isinstance(instance, tuple):
            return Method(self, instance, is_argument=True)
        found = self._bound.get(id(instance))
        bound = found[1] if found else self._bind(instance)
        return Method(bound, instance, is_argument=False)

    def _bind(self, instance: Any) -> Compiled:
        key = id(instance)
        try:
            alive = weakref.ref(instance, lambda _: self._bound.pop(key, None))
        except TypeError:
            raise TypeError(
                f"{self.name}: a compiled method needs an object that can be referred "
                "to weakly; add '__weakref__' to the __slots__ of "
                f"'{type(instance).__name__}', or make it a dataclass"
            ) from None
        fun = self.fun

        @functools.wraps(fun)
        def method(*args: Any, **kwargs: Any) -> Any:
            return fun(alive(), *args, **kwargs)

        bound = Compiled(method, (), self.max_paths)
        bound.static = self.static
        bound._places = {
            name: None if at is None else at - 1 for name, at in self._places.items()
        }
        self._bound[key] = (alive, bound)
        return bound

    # ---- Derivatives -----------------------------------------------------------------

    def value_and_grad(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> Any:
        """Return (value, gradient); the gradient as `grad` returns it.

        Costs two to four replays of the function, however many arguments there are.
        """
        found = self._try("value_and_grad", argnums, args, kwargs)
        if found is None:
            out, kwargs = self.take_out(kwargs)
            both = derivatives.gradient(self, args, kwargs, argnums, True)
            return into(out, both)
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
            out, kwargs = self.take_out(kwargs)
            return into(out, derivatives.gradient(self, args, kwargs, argnums, False))
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

            return sparse_derivatives.derivative(
                self, "jacobian", args, kwargs, argnums, pattern, coloring, mode
            )
        out, kwargs = self.take_out(kwargs)
        return into(out, derivatives.jacobian(self, args, kwargs, argnums, mode))

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

            return sparse_derivatives.derivative(
                self, "hessian", args, kwargs, argnums, pattern, coloring
            )
        out, kwargs = self.take_out(kwargs)
        found = self._try("hessian", argnums, args, kwargs)
        if found is not None:
            return into(out, found[0])
        return into(out, derivatives.hessian(self, args, kwargs, argnums))

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
        out, kwargs = self.take_out(kwargs)
        return into(out, derivatives.hvp(self, args, kwargs, argnums))

    def nan_report(self, *args: Any, argnums: Any = 0, **kwargs: Any) -> NanReport:
        """Return which operation first made a NaN or an infinity, and at which line.

        Takes the function's arguments. Looks at the values of the call, then, if the
        result is one number, at the adjoints of its gradient. Returns a `NanReport`,
        whose `value` and `adjoint` are findings or None. Costs some microseconds an
        instruction.
        """
        call = derivatives.Call(self, args, kwargs, argnums)
        leaves = [plain(leaf) for leaf in call.leaves]
        path, _ = call.signature.value.run(leaves)
        inputs = call.signature.paths.inputs(leaves)
        is_number = path.program.output_shapes == [()]
        steps = (("reverse", (call.wanted, (), ()), True, True),)
        gradient = path.derived(steps) if is_number else None
        return nan_report.report(path.program, gradient, inputs)

    def _try(
        self, kind: str, argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> list[Any] | None:
        """Return outputs by the code that was right last time, or None."""
        if type(argnums) is not int and not is_plain_argnums(argnums):
            return None
        if not kwargs:
            return self.try_fast(self._quick, (kind, argnums), args)
        if len(kwargs) > 1 or "out" not in kwargs or self._has_out:
            return None
        out = flat_out(kwargs["out"], kind, argnums)
        if out is None:
            return None
        return self.try_fast(self._quick, (kind, argnums), args, out)

    def remember(
        self, kind: str, argnums: Any, signature: Signature, path: Path, code: Code
    ) -> None:
        """Let a derivative of flat arguments take the short way next time."""
        is_plain = signature.is_flat and not signature.paths.captured
        if is_plain and is_plain_argnums(argnums):
            self._quick[kind, argnums] = code

    # ---- What there is ---------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return everything that was recorded, as `save` writes it."""
        from autodiff.programs import saved

        return saved.to_bytes(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything that was recorded to a file, for `autodiff.load`."""
        from autodiff.programs import saved

        saved.save(self, path)

    def __reduce__(self) -> Any:
        from autodiff.programs import saved

        return saved.reduce_compiled(self)

    def to_c(self, *args: Any, **kwargs: Any) -> str:
        """Return standalone C99 of the path that a call takes, and of its gradient.

        The functions have the name of this one, and that with ``_gradient``: (value,
        gradients of all arguments), where the result is one number. See the head of
        the text for how they are called; they return the number of the first guard
        that came out otherwise, or -1.
        """
        from autodiff.programs.export_c import to_c

        signature, leaves = self.signature(args, kwargs)
        path, _ = signature.value.run([plain(leaf) for leaf in leaves])
        name = self.name if self.name.isidentifier() else "f"
        functions = {name: path.program}
        if path.program.output_shapes == [()]:
            wanted = [True] * len(path.program.input_shapes)
            functions[f"{name}_gradient"] = path.program.reverse(wanted, True, True)
        return to_c(functions)

    @property
    def programs(self) -> list[Program]:
        """Every program recorded so far, in the order of recording."""
        found = list(self._signatures.values())
        return [path.program for s in found for path in s.paths.all]

    @property
    def paths(self) -> PathTree:
        """The choices that were taken, with file and line, and how often."""
        return PathTree([s.paths for s in list(self._signatures.values())])


class Method:
    """A compiled function bound to an object, which it keeps alive.

    The object is the first argument of the function (is_argument), or the function is
    the object's own.
    """

    def __init__(self, compiled: Compiled, instance: Any, is_argument: bool):
        self._compiled, self._instance = compiled, instance
        self._first = (instance,) if is_argument else ()
        self.__name__, self.__doc__ = compiled.name, compiled.__doc__
        self.__wrapped__ = compiled.fun

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with the object."""
        return self._compiled(*self._first, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._compiled, name)
        if name not in ("grad", "value_and_grad", "jacobian", "hessian"):
            return found
        return functools.partial(self._derivative, found)

    def _derivative(
        self, function: Any, *args: Any, argnums: Any = 0, **kwargs: Any
    ) -> Any:
        is_many = isinstance(argnums, (tuple, list))
        n = len(self._first)
        shifted = [k + n * (k >= 0) for k in (argnums if is_many else [argnums])]
        chosen = tuple(shifted) if is_many else shifted[0]
        return function(*self._first, *args, argnums=chosen, **kwargs)


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
        other things that it reads (numbers and arrays of outside, time, random
        numbers) are kept as they were when it was recorded, except for tensors that
        carry gradient: these are read anew, and receive gradient. A method may be
        compiled; what its object holds is an argument if it is a dataclass.
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
    ``programs`` is what was recorded, ``paths`` which choices were taken. All but
    ``jvp`` and ``vjp`` take ``out=`` with an array (or None) for each part of what they
    return. Without fun, a decorator with these options.

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
    check_max_paths(max_paths)
    names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    return Compiled(fun, tuple(names), max_paths)


def _text(program: Program) -> str:
    from autodiff.programs.listing import listing

    return listing(program)


def _dot(program: Program) -> str:
    from autodiff.programs.listing import to_dot

    return to_dot(program)


def _c(program: Program, name: str) -> str:
    from autodiff.programs.export_c import to_c

    return to_c({name: program})


_core.set_program_views(_text, _dot, _c)
