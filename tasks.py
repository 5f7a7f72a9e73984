"""The five verbs of working on autodiff: build, test, bench, docs, check.

python tasks.py build            compile what changed, in place
python tasks.py test [ARGS]      run the tests; ARGS go to pytest
python tasks.py bench [ARGS]     run the benchmarks; ARGS go to benchmarks/run.py
python tasks.py docs             write the generated pages and the API reference
python tasks.py check            every check that is not a test
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wswitch-enum", "-Werror"]
# CPython fixes the signatures of slots and the shape of its structs.
PYTHON_C = ["-Wno-unused-parameter", "-Wno-missing-field-initializers"]
UNUSED = ["-Wno-unused-function", "-Wno-unused-const-variable"]
# What a kernel may be built with, and what the compiler must be to understand it.
SIMD = ["AD_HAVE_TARGET_CLONES", "AD_HAVE_LIBMVEC", "AD_HAVE_LIBMVEC_235"]


def run(*command: str) -> bool:
    """Run a command at the root, importing this tree if built; say what failed."""
    paths = [os.environ.get("PYTHONPATH", "")]
    if list((ROOT / "autodiff").glob("_core*.so")):
        paths.insert(0, str(ROOT))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        print(f"FAILED ({done.returncode}): {' '.join(command)}", file=sys.stderr)
    return done.returncode == 0


def python(*arguments: str) -> bool:
    """Run this Python."""
    return run(sys.executable, *arguments)


def build(_: Sequence[str]) -> bool:
    """Compile what changed, in place."""
    return python("setup.py", "--quiet", "build_ext", "--inplace")


def test(arguments: Sequence[str]) -> bool:
    """Run the tests."""
    return python("-P", "-m", "pytest", *arguments)


def bench(arguments: Sequence[str]) -> bool:
    """Run the benchmarks."""
    return python("benchmarks/run.py", *arguments)


def docs(_: Sequence[str]) -> bool:
    """Write the generated pages into the tree, the API reference into build/docs."""
    tools = ("gen_ops.py", "gen_fit_docs.py", "gen_gallery.py")
    pages = all(python(f"tools/{tool}") for tool in tools)
    return pages and python("-m", "pdoc", "-d", "numpy", "-o", "build/docs", "autodiff")


def check(_: Sequence[str]) -> bool:
    """Run every check that is not a test; all of them, whatever fails."""
    layout = sorted(
        map(str, [*ROOT.glob("csrc/*.[ch]"), *ROOT.glob("autodiff/*.[ch]")])
    )
    results = [
        python("-m", "ruff", "check", "."),
        python("-m", "ruff", "format", "--check", "."),
        python("-m", "mypy"),
        python("tools/check_layers.py"),
        python("tools/gen_ops.py", "--check"),
        run("clang-format", "--dry-run", "-Werror", *layout),
        compile_strictly(),
    ]
    return all(results)


def compile_strictly() -> bool:
    """Compile every C file, in each of its forms, without a warning."""
    compiler = os.environ.get("CC", "cc")
    predefined = subprocess.run(
        [compiler, "-dM", "-E", "-"],
        input="",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    forms = [["-O2", "-DNDEBUG"], ["-O2", "-DAD_DEBUG=1"]]
    kernel_forms = [["-O3", "-DNDEBUG"]]
    if "__x86_64__" in predefined and "__clang__" not in predefined:
        kernel_forms.append(["-O3", *(f"-D{name}=1" for name in SIMD)])
    cpython = [*forms[0], f"-isystem{sysconfig.get_path('include')}", *PYTHON_C]

    jobs = []
    for path in sorted(ROOT.glob("csrc/*.c")):
        is_kernel = path.name.startswith("kernel")
        jobs += [[str(path), *form] for form in forms + kernel_forms * is_kernel]
    for path in sorted(ROOT.glob("csrc/*.h")):  # a header stands alone, used or not
        jobs.append(["-xc", str(path), "-fsyntax-only", *UNUSED])
    for path in sorted(ROOT.glob("autodiff/*.c")):
        if path.name != "_core.c":  # Cython's output
            jobs.append([str(path), *cpython])

    common = [compiler, "-std=c11", "-fPIC", "-I", str(ROOT / "csrc"), *WARNINGS, "-c"]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        objects = [f"{folder}/{number}.o" for number in range(len(jobs))]
        commands = [
            [*common, *job, "-o", o] for job, o in zip(jobs, objects, strict=True)
        ]
        return all(list(pool.map(lambda command: run(*command), commands)))


VERBS: dict[str, Callable[[Sequence[str]], bool]] = {
    "build": build,
    "test": test,
    "bench": bench,
    "docs": docs,
    "check": check,
}


def main() -> int:
    """Run one verb; return the exit status."""
    verb = VERBS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if verb is None:
        print(__doc__, file=sys.stderr)
        return 2
    return 0 if verb(sys.argv[2:]) else 1


if __name__ == "__main__":
    sys.exit(main())
