r"""Compiled functions as files: save, load, pickle.

    b"autodiff function\n"  version  checksum  length of the header
    header                  JSON: signatures, structures, how long each program is
    programs                one after another, as Program.to_bytes writes them

What is read is believed in nothing: the checksum, every field of the header, each
program (which verifies itself) and that programs and header agree. A loaded function
replays without the Python function that it came from; a choice that comes out in a way
that was not recorded needs that one, and says so if it is not there.
"""

from __future__ import annotations

import importlib
import json
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

from autodiff import _core, tree
from autodiff._core import Program
from autodiff.errors import ArgumentError, ProgramError, TraceError
from autodiff.programs.compiled import Compiled, Signature
from autodiff.programs.recording import Recorded

MAGIC = b"autodiff function\n"
VERSION = 1
HEAD = struct.Struct("<IIQ")  # version, checksum of all that follows it, header bytes
PLAIN = (str, int, float, bool, type(None))
MAX_DEPTH = 64


# ---- Structures ----------------------------------------------------------------------


def encode(structure: tree.Structure, name: str) -> Any:
    """Return a structure as JSON: 0 for a leaf, null, or [kind, keys, children]."""
    kind = structure.kind
    if kind is None:
        return 0
    if kind is type(None):
        return None
    children = [encode(child, name) for child in structure.children]
    if kind is tuple or kind is list:
        return [kind.__name__, children]
    if kind is dict and all(isinstance(key, str) for key in structure.keys):
        return ["dict", list(structure.keys), list(structure.shown), children]
    raise ArgumentError(
        f"{name}: a '{kind.__name__}' among arguments or results cannot be saved; what "
        "can is tuples, lists, and dicts with texts as keys"
    )


def decode(data: Any, depth: int = 0) -> tree.Structure:
    """Return the structure that `encode` wrote."""
    _expect(depth < MAX_DEPTH, "a structure is too deep")
    if data == 0 and type(data) is int:
        return tree.LEAF
    if data is None:
        return tree.flatten(None)[1]
    _expect(isinstance(data, list) and len(data) >= 2, "a structure is none")
    kinds: dict[Any, type] = {"tuple": tuple, "list": list, "dict": dict}
    kind = kinds.get(data[0]) if isinstance(data[0], str) else None
    _expect(kind is not None and isinstance(data[-1], list), "a structure is none")
    children = tuple(decode(child, depth + 1) for child in data[-1])
    if kind is not dict:
        assert kind is not None
        return tree.Structure(kind, tuple(range(len(children))), children)
    _expect(len(data) == 4 and data[1:3] == _texts(data[1:3]), "a dict is none")
    keys, shown = tuple(data[1]), tuple(data[2])
    _expect(
        len(set(keys)) == len(keys) == len(children) and sorted(keys) == sorted(shown),
        "a dict's keys and values do not fit",
    )
    return tree.Structure(dict, keys, children, (), shown)


def _texts(lists: Any) -> Any:
    return [
        [x for x in one if isinstance(x, str)] for one in lists if type(one) is list
    ]


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ProgramError(f"not a saved function: {what}")


# ---- Writing -------------------------------------------------------------------------


def to_bytes(compiled: Compiled) -> bytes:
    """Return everything that was recorded of a compiled function."""
    blobs: list[bytes] = []
    signatures = []
    for signature in list(compiled._signatures.values()):
        if signature.paths.captured:
            raise ArgumentError(
                f"{compiled.name} closes over tensors that carry gradient, which "
                "cannot be saved; pass them as arguments"
            )
        for name, value in signature._static:
            if not isinstance(value, PLAIN):
                raise ArgumentError(
                    f"{compiled.name}: the static argument '{name}' is a "
                    f"'{type(value).__name__}', which cannot be saved"
                )
        paths = []
        for path in signature.paths.all:
            blobs.append(path.program.to_bytes())
            out = encode(path.structure, compiled.name)
            paths.append({"out": out, "bytes": len(blobs[-1])})
        signatures.append(
            {
                "arguments": encode(signature._structure, compiled.name),
                "masks": list(signature._masks),
                "static": [list(pair) for pair in signature._static],
                "paths": paths,
            }
        )
    header = json.dumps(
        {
            "name": compiled.name,
            "static": list(compiled.static),
            "places": compiled._places,
            "max_paths": compiled.max_paths,
            "signatures": signatures,
        }
    ).encode()
    rest = header + b"".join(blobs)
    length = struct.pack("<Q", len(header))
    return MAGIC + HEAD.pack(VERSION, zlib.crc32(length + rest), len(header)) + rest


def save(compiled: Compiled, path: str | PathLike[str]) -> None:
    """Write everything that was recorded of a compiled function to a file."""
    if not isinstance(path, (str, PathLike)):
        raise TypeError(f"save takes a path, got '{type(path).__name__}'")
    data = to_bytes(compiled)
    with open(path, "wb") as file:  # noqa: PTH123 - any path-like object
        file.write(data)


# ---- Reading -------------------------------------------------------------------------


def load(
    source: str | PathLike[str] | bytes, fun: Callable[..., Any] | None = None
) -> Compiled:
    """Return the compiled function that was saved.

    Parameters
    ----------
    source
        A file, or its bytes.
    fun
        The Python function, for calls that were not recorded; without it they raise
        TraceError.

    Raises
    ------
    TypeError
        When source is neither a path nor bytes.
    ProgramError
        When the bytes are anything but a saved function, whole and of a version that is
        known.

    Examples
    --------
    >>> import autodiff as ad
    >>> f = ad.compile(lambda x: ad.sin(x) * x)
    >>> f(2.0)
    1.8185948536513634
    >>> g = ad.load(f.to_bytes())
    >>> g(2.0), g.grad(2.0) == f.grad(2.0)
    (1.8185948536513634, True)
    """
    if not isinstance(source, (str, bytes, PathLike)):
        raise TypeError(f"load takes a path or bytes, got '{type(source).__name__}'")
    if isinstance(source, bytes):
        data = source
    else:
        with open(source, "rb") as file:  # noqa: PTH123 - any path-like object
            data = file.read()
    try:
        return _read(data, fun)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, ProgramError):
            raise
        raise ProgramError(f"not a saved function: {error}") from None


def _read(data: bytes, fun: Callable[..., Any] | None) -> Compiled:
    start = len(MAGIC) + HEAD.size
    _expect(data[: len(MAGIC)] == MAGIC and len(data) >= start, "it does not begin so")
    version, checksum, length = HEAD.unpack(data[len(MAGIC) : start])
    if version != VERSION:
        raise ProgramError(
            f"a saved function of version {version}; this one reads version {VERSION}"
        )
    _expect(zlib.crc32(data[start - 8 :]) == checksum, "the checksum differs")
    _expect(length <= len(data) - start, "it is cut off")
    header = json.loads(data[start : start + length])
    name, static = header["name"], header["static"]
    _expect(isinstance(name, str) and static == [str(x) for x in static], "its name")
    max_paths = header["max_paths"]
    _expect(type(max_paths) is int and max_paths > 0, "max_paths")
    compiled = Compiled(fun if fun is not None else missing(name), (), max_paths)
    compiled.name, compiled.static = name, tuple(static)
    compiled._places = _places(header["places"], static)
    at = start + length
    for one in header["signatures"]:
        at = _read_signature(compiled, one, data, at)
    _expect(at == len(data), "something follows the last program")
    return compiled


def _places(places: Any, static: list[str]) -> dict[str, int | None]:
    _expect(isinstance(places, dict) and sorted(places) == sorted(static), "places")
    fit = all(at is None or (type(at) is int and at >= 0) for at in places.values())
    _expect(fit, "places")
    return dict(places)


def _read_signature(compiled: Compiled, one: Any, data: bytes, at: int) -> int:
    structure = decode(one["arguments"])
    fits = structure.kind is tuple and len(structure.children) == 2
    _expect(fits and structure.children[0].kind is tuple, "the arguments")
    _expect(structure.children[1].kind is dict, "the arguments")
    masks = tuple(one["masks"])
    _expect(
        len(masks) == structure.n_leaves and all(type(m) is bool for m in masks),
        "which arguments are masks",
    )
    static = tuple((pair[0], pair[1]) for pair in one["static"])
    _expect(
        all(n in compiled.static and isinstance(v, PLAIN) for n, v in static), "static"
    )
    signature = Signature(compiled, structure, masks, static)
    shapes = None
    for path in one["paths"]:
        size, out = path["bytes"], decode(path["out"])
        _expect(
            type(size) is int and 0 < size <= len(data) - at, "a program is cut off"
        )
        program: Program = _core.program_from_bytes(data[at : at + size])
        at += size
        fits = len(program.input_shapes) == structure.n_leaves and (
            shapes is None or shapes == program.input_shapes
        )
        _expect(fits and len(program.output_shapes) == out.n_leaves, "a program's ends")
        shapes = program.input_shapes
        signature.paths.adopt(Recorded(program, out, []))
    if shapes is not None:
        key = compiled.key(structure, tuple(shapes), masks, static)
        _expect(key not in compiled._signatures, "two signatures are the same")
        compiled._signatures[key] = signature
    return at


def missing(name: str) -> Callable[..., Any]:
    """Return what stands for the Python function where that was not saved."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise TraceError(
            f"{name} was loaded without its Python function and is called in a way "
            "that was not recorded; give the function: load(file, fun)"
        )

    function.__name__ = name
    return function


# ---- Pickling ------------------------------------------------------------------------


def reduce_compiled(compiled: Compiled) -> tuple[Any, ...]:
    """Return how to pickle a compiled function: programs, and where its function is.

    A function that pickle can name is found again where it is loaded; of any other (a
    lambda, a closure) the programs are all that travels.

    Raises
    ------
    PicklingError
        When there is neither.
    """
    fun, named = reference(compiled)
    if fun is None and named is None and not compiled.programs:
        raise pickle.PicklingError(
            f"{compiled.name} cannot be pickled: pickle cannot name it (a lambda, or a "
            "function made by another), and nothing of it has been recorded; call it "
            "first, or define it in a module"
        )
    return restore, (to_bytes(compiled), fun, named)


def reference(compiled: Compiled) -> Iterator[Any]:
    """Yield a pickled function or None, then the name of a decorated one or None."""
    fun = compiled.fun
    module, name = getattr(fun, "__module__", None), getattr(fun, "__qualname__", None)
    if module and name and _named(module, name) is compiled:
        yield from (None, (module, name))
        return
    try:
        yield from (pickle.dumps(fun), None)
    except (pickle.PicklingError, AttributeError, TypeError):
        yield from (None, None)


def _named(module: str, name: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found


def restore(
    data: bytes, pickled: bytes | None, named: tuple[str, str] | None
) -> Compiled:
    """Return a compiled function out of a pickle."""
    fun = pickle.loads(pickled) if pickled is not None else None
    if named is not None:
        fun = getattr(_named(*named), "fun", None)
    return load(data, fun)
