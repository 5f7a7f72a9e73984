"""Check that a lower layer never knows a higher one, and that files stay small.

Run from anywhere: ``python tools/check_layers.py [root]``. Prints one line for each
finding and exits with 1 if there is any. The declared order is `LAYERS`, below; a file
that is not in it is a finding too, so every new file is placed by a person.

Checked:

- a file of csrc/ includes its own layer and lower ones, and otherwise only headers of
  the C standard library (never Python.h);
- a module of autodiff/ imports (or includes) its own layer and lower ones;
- autodiff/fit/ uses the rest of the package only through public names;
- a file above `MAX_LINES` says why near its top: ``size: <reason>``.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import NamedTuple

# Layer of each file, by the beginning of its name: "csrc/kernel" is csrc/kernel.h and
# csrc/kernel_tangent.c, but not csrc/kernels.h. An entry may also name a file in full,
# or a folder, with its slash; the longest entry that fits decides. Gaps leave room.
LAYERS = {
    # The tables, and what they are written in.
    "csrc/status": 0,
    "csrc/ops": 0,
    "csrc/pairs": 0,
    "csrc/structural.def": 0,
    "csrc/compat": 0,
    "csrc/elementary": 0,
    # What a row and a value are.
    "csrc/op": 1,
    "csrc/formula": 1,
    "csrc/array": 1,
    "csrc/block": 1,
    "csrc/shape": 1,
    # What is recorded, and loops over elements.
    "csrc/kernel": 2,
    "csrc/kernels": 2,
    "csrc/pending": 2,
    "csrc/tape": 2,
    "csrc/workspace": 2,
    "csrc/collect": 2,
    # One operation on whole arrays.
    "csrc/apply": 3,
    "csrc/optimize": 2,
    "csrc/pool": 2,
    "csrc/elementwise": 3,
    "csrc/structural": 3,
    "csrc/index": 3,
    "csrc/reduce": 3,
    "csrc/linalg": 3,
    # Its derivative.
    "csrc/minors": 1,
    "csrc/rules": 4,
    # Programs: what one is; building one; deriving one; running one.
    "csrc/program": 3,
    "csrc/scan": 3,
    "csrc/call": 3,
    "csrc/infer": 3,
    "csrc/runs": 3,
    "csrc/schedule": 3,
    "csrc/replay": 4,
    "csrc/builder": 4,
    "csrc/bag": 4,
    "csrc/simplify": 4,
    "csrc/simplify_scan": 4,
    "csrc/sparsity": 4,
    "csrc/coloring": 4,
    "csrc/transform": 5,
    "csrc/vm": 5,
    "csrc/batch": 5,
    "csrc/route": 5,
    "csrc/scan_value": 6,
    # Passes over the tape.
    "csrc/sweep": 5,
    "csrc/tangent": 5,
    "csrc/frontier": 5,
    "csrc/anomaly": 5,
    # Python: the exceptions, the extension, the modules over it, the package's face.
    "autodiff/errors": 10,
    "autodiff/callsite": 10,
    "autodiff/plain": 10,
    "autodiff/_tensor": 20,
    "autodiff/_number": 20,
    "autodiff/_update": 20,
    "autodiff/_core": 20,
    "autodiff/convert.pxi": 20,
    "autodiff/structure.pxi": 20,
    "autodiff/graph.pxi": 20,
    "autodiff/backward.pxi": 20,
    "autodiff/transform.pxi": 20,
    "autodiff/report.pxi": 20,
    "autodiff/recording.pxi": 20,
    "autodiff/program.pxi": 20,
    "autodiff/program_data.pxi": 20,
    "autodiff/pattern.pxi": 20,
    "autodiff/optimize.pxi": 20,
    "autodiff/override.pxi": 20,
    "autodiff/run.pxi": 20,
    "autodiff/_lapack": 15,
    "autodiff/_line": 20,
    "autodiff/tracing.pxi": 20,
    "autodiff/_mask": 20,
    "autodiff/_ops": 30,
    "autodiff/traced": 30,
    "autodiff/creation": 30,
    "autodiff/functions": 30,
    "autodiff/printing": 30,
    "autodiff/shape": 30,
    "autodiff/testing": 35,
    "autodiff/report.py": 35,
    "autodiff/rule": 35,
    "autodiff/call.py": 36,
    "autodiff/tree": 35,
    "autodiff/autograd": 40,
    "autodiff/override.py": 41,
    "autodiff/indexing": 40,
    "autodiff/reduce": 40,
    "autodiff/linear": 50,
    "autodiff/order": 50,
    "autodiff/linalg": 55,
    "autodiff/numpy": 60,
    "autodiff/special": 60,
    "autodiff/plain_words": 60,
    "autodiff/tensor": 70,
    # Functions as programs.
    "autodiff/sparse": 30,
    "autodiff/programs/c_helpers": 62,
    "autodiff/programs/listing": 62,
    "autodiff/programs/export_c": 63,
    "autodiff/programs/recording": 64,
    "autodiff/programs/choosing": 64,
    "autodiff/programs/compressed": 65,
    "autodiff/programs/paths": 65,
    "autodiff/programs/path_text": 66,
    "autodiff/programs/derived": 66,
    "autodiff/programs/families": 66,
    "autodiff/programs/arguments": 66,
    "autodiff/programs/joined": 66,
    "autodiff/programs/rows": 67,
    "autodiff/programs/nan_report": 67,
    "autodiff/programs/derivatives": 68,
    "autodiff/programs/sparse_derivatives": 69,
    "autodiff/programs/compiled": 69,
    "autodiff/programs/vmapped": 70,
    "autodiff/programs/saved": 69,
    "autodiff/programs/loops": 70,
    "autodiff/programs/__init__": 70,
    # Transforms of functions.
    "autodiff/functional/engine": 72,
    "autodiff/functional/arguments": 73,
    "autodiff/functional/gradients": 74,
    "autodiff/functional/jacobians": 75,
    "autodiff/functional/custom": 75,
    "autodiff/functional/remat": 75,
    "autodiff/functional/solve": 75,
    "autodiff/functional/implicit_recorded": 75,
    "autodiff/functional/implicit": 76,
    "autodiff/functional/__init__": 77,
    "autodiff/__init__": 80,
    # The fit, from the language up to the command.
    # Looking into graphs.
    "autodiff/inspect/graph": 75,
    "autodiff/inspect/": 76,
    "autodiff/inspect/__init__": 77,
    # Neural networks.
    "autodiff/nn/functional/": 75,
    "autodiff/nn/functional/__init__": 76,
    "autodiff/nn/module": 77,
    "autodiff/nn/init": 77,
    "autodiff/nn/utils": 77,
    "autodiff/nn/layers": 78,
    "autodiff/nn/containers": 78,
    "autodiff/nn/elementwise": 78,
    "autodiff/nn/recurrent": 79,
    "autodiff/nn/__init__": 80,
    "autodiff/cuda": 10,
    "autodiff/distributions": 75,
    "autodiff/utils/data": 75,
    "autodiff/utils/__init__": 76,
    "autodiff/optim/optimizer": 75,
    "autodiff/optim/": 76,
    "autodiff/optim/__init__": 77,
    "autodiff/fit/errors": 100,
    "autodiff/fit/wording": 101,
    "autodiff/fit/catalogue": 102,
    "autodiff/fit/options": 105,
    "autodiff/fit/formula/": 110,
    "autodiff/fit/data/": 120,
    "autodiff/fit/binding/": 130,
    "autodiff/fit/problem": 140,
    "autodiff/fit/solve/": 150,
    "autodiff/fit/stats/": 160,
    "autodiff/fit/grouped": 165,
    "autodiff/fit/output/": 170,
    "autodiff/fit/output/groups": 172,
    "autodiff/fit/api": 190,
    "autodiff/fit/__init__": 200,
    "autodiff/fit/command/": 210,
    "autodiff/fit/__main__": 220,
}

# Names what it should not, for a reason: (file, what it names) -> the reason.
EXEMPT = (
    {
        (face, f"autodiff/fit/{name}.py"): "autodiff.fit, imported when asked for"
        for face in ("autodiff/__init__.py", "autodiff/__init__.pyi")
        for name in ("__init__", "api")
    }
    | {
        ("autodiff/fit/stats/result.py", named): "a method, imported when asked for"
        for named in (
            "autodiff/fit/api.py",
            "autodiff/fit/output/picture.py",
            "autodiff/fit/output/report.py",
            "autodiff/fit/output/saved.py",
        )
    }
    | {
        ("autodiff/plain.pyi", "autodiff/_core.pyx"): "a stub: types of the words",
        ("csrc/block.c", "sys/mman.h"): "large arrays ask Linux for huge pages",
        ("csrc/compat.h", "intrin.h"): "bit scans, for the one compiler that needs it",
        (
            "csrc/compat.h",
            "malloc.h",
        ): "aligned memory, for the one C library that needs it",
    }
)

MAX_LINES = 600
TOP_LINES = 40  # a reason for more stands in these
SIZED = "autodiff csrc tests tools benchmarks examples".split()
SIZED_SUFFIXES = {".c", ".h", ".def", ".py", ".pyx", ".pxd", ".pxi"}

# What C11 promises everywhere; threads, atomics and complex are optional there.
STANDARD_C = set(
    "assert ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdbool stddef stdint stdio stdlib stdnoreturn string tgmath time "
    "uchar wchar wctype".split()
)

C_INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^>"]+)[>"]')
CYTHON = re.compile(
    r'\s*(?:cdef\s+extern\s+from|include)\s+"(?P<file>[^"]+)"'
    r"|\s*(?:from\s+(?P<module>[\w.]+)\s+)?c?import\s+(?P<names>[\w., (*]+)"
)


class Use(NamedTuple):
    """One place where a file names something else."""

    line: int
    module: str  # a dotted module, or the name of an included file
    names: list[str]  # what is imported from it


def absolute(module: str, path: str) -> str:
    """Return the absolute name of a module that `path` may name relatively."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    package = PurePosixPath(path).parent.parts
    head = package[: len(package) + 1 - dots] if dots else ()
    return ".".join([*head, *filter(None, [name])])


def c_uses(source: str) -> Iterator[Use]:
    """Yield every #include."""
    for number, line in enumerate(source.splitlines(), 1):
        if match := C_INCLUDE.match(line):
            yield Use(number, match[1], [])


def python_uses(source: str, path: str) -> Iterator[Use]:
    """Yield every import, also those inside functions, as absolute modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Use(node.lineno, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute("." * node.level + (node.module or ""), path)
            yield Use(node.lineno, module, [alias.name for alias in node.names])


def cython_uses(source: str, path: str) -> Iterator[Use]:
    """Yield every extern, include and import that begins a line."""
    for number, line in enumerate(source.splitlines(), 1):
        match = CYTHON.match(line)
        if match is None:
            continue
        if match["file"]:
            yield Use(number, match["file"], [])
            continue
        names = [
            words.split()[0] for words in re.split("[,(]", match["names"]) if words
        ]
        if match["module"]:
            yield Use(number, absolute(match["module"], path), names)
        else:
            yield from (Use(number, name, []) for name in names)


def uses(path: str, source: str) -> Iterator[Use]:
    """Yield what `path` names, by its kind."""
    if path.endswith((".c", ".h", ".def")):
        return c_uses(source)
    if path.endswith((".py", ".pyi")):
        return python_uses(source, path)
    return cython_uses(source, path)


def layer_of(path: str) -> int | None:
    """Return the layer of a file given by its path from the root, None if unplaced."""
    stem = str(PurePosixPath(path).with_suffix(""))
    fits = [
        k
        for k in LAYERS
        if k in (path, stem)
        or stem.startswith(f"{k}_")
        or (k.endswith("/") and path.startswith(k))
    ]
    return LAYERS[max(fits, key=len)] if fits else None


def source_files(root: Path) -> list[str]:
    """Return the files that have a layer, as paths from the root."""
    suffixes = SIZED_SUFFIXES | {".pyi"}
    return sorted(
        path.relative_to(root).as_posix()
        for folder in ("csrc", "autodiff")
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and path.name != "_core.c"  # Cython's output
    )


def module_file(root: Path, module: str) -> str | None:
    """Return the file of a dotted module of ours that exists."""
    base = module.replace(".", "/")
    names = (f"{base}/__init__.py", f"{base}.py", f"{base}.pyx", f"{base}.pxd")
    return next((name for name in names if (root / name).is_file()), None)


def files_named(root: Path, path: str, use: Use) -> list[str]:
    """Return the files of ours that a use is about."""
    if "/" in use.module or use.module.endswith((".h", ".c", ".def", ".pxi")):
        near = normpath(PurePosixPath(path).parent / use.module)
        known = [near, f"csrc/{use.module}"]
        return [name for name in known if (root / name).is_file()][:1]
    # `from package import name` is about the submodule of that name if there is one.
    inner = [module_file(root, f"{use.module}.{name}") for name in use.names]
    if not inner or None in inner:
        inner.append(module_file(root, use.module))
    return [name for name in inner if name]


def check_order(root: Path, path: str, source: str) -> Iterator[str]:
    """Find what `path` names in a higher layer; find `path` itself if unplaced."""
    mine = layer_of(path)
    if mine is None:
        yield f"{path}:1: not in LAYERS of tools/check_layers.py: place it"
        return
    for use in uses(path, source):
        for target in files_named(root, path, use):
            theirs = layer_of(target)
            if theirs is not None and theirs > mine and (path, target) not in EXEMPT:
                yield f"{path}:{use.line}: layer {mine} names {target}, layer {theirs}"


def check_standard(root: Path, path: str, source: str) -> Iterator[str]:
    """Find headers in csrc/ that are neither its own nor standard C's."""
    for use in c_uses(source):
        ours = (root / "csrc" / use.module).is_file()
        standard = use.module.removesuffix(".h") in STANDARD_C
        if not (ours or standard or (path, use.module) in EXEMPT):
            yield f"{path}:{use.line}: {use.module} is not a header of standard C"


def check_public(path: str, source: str) -> Iterator[str]:
    """Find private names of the core in autodiff/fit/."""
    core = {"autodiff"}  # the names the package goes by in this file
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            core |= {a.asname for a in node.names if a.name == "autodiff" and a.asname}
    for use in python_uses(source, path):
        parts = use.module.split(".")
        if parts[0] == "autodiff" and parts[1:2] != ["fit"]:
            for name in filter(is_private, [*parts, *use.names]):
                yield f"{path}:{use.line}: {name} is private to the core"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in core and is_private(node.attr):
                yield f"{path}:{node.lineno}: {node.attr} is private to the core"


def is_private(name: str) -> bool:
    """Whether a name has one underscore before it."""
    return name.startswith("_") and not name.startswith("__")


def check_sizes(root: Path) -> Iterator[str]:
    """Find long files that do not say why."""
    for path in sorted(p for folder in SIZED for p in (root / folder).rglob("*")):
        if path.suffix in SIZED_SUFFIXES:
            lines = path.read_text(encoding="utf-8").splitlines()
            reason = re.search(r"\bsize: \w", "\n".join(lines[:TOP_LINES]))
            if len(lines) > MAX_LINES and not reason:
                name = path.relative_to(root).as_posix()
                yield f"{name}:1: {len(lines)} lines; split it, or give `size: reason`"


def findings(root: Path) -> list[str]:
    """Return everything that breaks the rules under `root`, one line each."""
    found: list[str] = []
    for path in source_files(root):
        source = (root / path).read_text(encoding="utf-8")
        found += check_order(root, path, source)
        if path.startswith("csrc/"):
            found += check_standard(root, path, source)
        if path.startswith("autodiff/fit/") and path.endswith((".py", ".pyi")):
            found += check_public(path, source)
    return found + list(check_sizes(root))


def main() -> int:
    """Print the findings; return the exit status."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    found = findings(root)
    print("\n".join(found) or "layers: in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
