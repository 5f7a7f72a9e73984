"""Measure the error of every row of the op table against mpmath.

Compiles csrc/ops.def with the elementary functions into a small library, evaluates
values and first partials at the points that the DOMAIN column suggests, and prints the
largest error in units in the last place beside the bound that the row states::

    python tools/measure_ulp.py [--seeds N] [--count N] [--jobs N] [name ...]

Exits with status 1 if a row exceeds its bound. Points where the reference is NaN or
infinite (poles) are left out, as are partials where the value is infinite or subnormal.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import reference  # type: ignore[import-not-found]  # noqa: E402

Point = tuple[float, ...]
Evaluator = Callable[[Point], list[float]]
FLAGS = ["-O2", "-std=c11", "-D_GNU_SOURCE", "-fno-math-errno", "-ffp-contract=off"]
SOURCE = r"""
#include "elementary.h"
#define BODY(ID, VALUE, DX, DY, DW)                                             \
    void row_##ID(double x, double y, double w, double *out);                   \
    void row_##ID(double x, double y, double w, double *out)                    \
    {                                                                           \
        (void)x, (void)y, (void)w;                                              \
        double z = (VALUE);                                                     \
        out[0] = z, out[1] = (DX), out[2] = (DY), out[3] = (DW);                \
    }
#define OP1(ID, NAMES, VALUE, DX, ...) BODY(ID, VALUE, DX, 0.0, 0.0)
#define OP2(ID, NAMES, VALUE, DX, DY, ...) BODY(ID, VALUE, DX, DY, 0.0)
#define OP3(ID, NAMES, VALUE, DX, DY, DW, ...) BODY(ID, VALUE, DX, DY, DW)
#include "ops.def"
"""


def build(folder: Path) -> Path:
    """Compile the table into a shared library in `folder`; return its path."""
    main, library = folder / "rows.c", folder / "rows.so"
    main.write_text(SOURCE, encoding="ascii")
    csrc = ROOT / "csrc"
    files = [str(main), *map(str, sorted(csrc.glob("elementary*.c")))]
    compiler = os.environ.get("CC", "cc")
    command = [compiler, *FLAGS, f"-I{csrc}", "-fPIC", "-shared", *files]
    subprocess.run([*command, "-o", str(library), "-lm"], check=True)
    return library


def evaluator(library: Path, row: reference.Row) -> Evaluator:
    """Return a function from a point to (value, partial, ...) of `row` in C."""
    function = getattr(ctypes.CDLL(str(library)), f"row_{row.ident}")
    function.argtypes = [ctypes.c_double] * 3 + [ctypes.POINTER(ctypes.c_double)]
    function.restype = None
    out = (ctypes.c_double * 4)()

    def evaluate(point: Point) -> list[float]:
        function(*point, *[0.0] * (3 - len(point)), out)
        return list(out[: row.arity + 1])

    return evaluate


def is_normal(z: float) -> bool:
    """Whether a value is a number that partials can be computed from."""
    return z == 0.0 or reference.LEAST_NORMAL <= abs(z) <= reference.LARGEST


def measure(
    library: Path, name: str, seeds: int, count: int
) -> list[tuple[float, Point]]:
    """Return the largest error and where, of the value and of each partial."""
    row = reference.rows()[name]
    evaluate = evaluator(library, row)
    worst: list[tuple[float, Point]] = [(0.0, ())] * (row.arity + 1)
    for seed in range(seeds):
        for point in reference.samples(row.domain, seed, count):
            got = evaluate(point)
            for k in range(row.arity + 1):
                try:
                    exact = (
                        reference.value(name, *point)
                        if k == 0
                        else reference.partial(name, k - 1, *point)
                    )
                except (ArithmeticError, OverflowError, ValueError) as problem:
                    print(f"{name} {k} {point}: {problem!r}", file=sys.stderr)
                    continue
                if not reference.mp.isfinite(exact) or (k and not is_normal(got[0])):
                    continue
                error = reference.ulp_error(got[k], exact)
                if error > worst[k][0]:
                    worst[k] = (error, point)
    return worst


def main() -> int:
    """Measure the rows named on the command line, or all; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="canonical names; all by default")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    names = args.names or list(reference.rows())
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder))
        with ProcessPoolExecutor(args.jobs) as pool:
            jobs = {
                n: pool.submit(measure, library, n, args.seeds, args.count)
                for n in names
            }
            for name, job in jobs.items():
                row, worst = reference.rows()[name], job.result()
                bounds = [row.ulp] + [row.ulp_d] * row.arity
                cells = []
                for bound, (error, point) in zip(bounds, worst, strict=True):
                    over = error > bound
                    failed |= over
                    where = f" OVER at {point}" if over else ""
                    cells.append(f"{error:.3g}/{bound:g}{where}")
                print(f"{name:18}", "  ".join(cells), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
