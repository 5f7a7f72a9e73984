"""Fits of many rows and of many groups, beside SciPy, lmfit and iminuit.

    python benchmarks/fit_scale.py            # a million rows, 50,000 groups
    python benchmarks/fit_scale.py --large    # ten million rows as well
    python benchmarks/fit_scale.py --store    # and write results/DATE-COMMIT-fit.json

Each measurement runs in a process of its own, three times; the fastest counts, in CPU
seconds of all threads, and wall seconds beside it. `pass` is one pass of a compiled
gradient of half the sum of squares over the same rows on one thread: what the CPU time
of a fit is measured in. `count` is the passes that the fit took itself, over all rows
or a sample of them. `beyond` is the peak of memory above that with the data loaded.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import numpy as np

PEERS = ("scipy", "lmfit", "iminuit")
TRUTH = (2.5, 1.3, 0.5)
START = {"a": 1.0, "b": 1.0, "c": 0.0}
FORMULA = "y ~ a*exp(-b*x) + c"
GROUPS, POINTS = 50_000, 20


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of n rows."""
    x = np.linspace(0.0, 5.0, n)
    noise = np.random.default_rng(1).standard_normal(n)
    return x, TRUTH[0] * np.exp(-TRUTH[1] * x) + TRUTH[2] + 0.05 * noise


def model(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Return the model, for peers."""
    return a * np.exp(-b * x) + c


def fit_rows(n: int) -> dict[str, float]:
    """Fit n rows from memory."""
    import autodiff.fit

    x, y = data(n)
    autodiff.fit.fit(FORMULA, {"x": x[:50], "y": y[:50]}, START)
    return _timed(
        lambda: autodiff.fit.fit(FORMULA, {"x": x, "y": y}, START, ci="wald"),
        lambda result: result.n_evaluations,
    )


def fit_csv(n: int) -> dict[str, float]:
    """Fit n rows from a CSV file."""
    import autodiff.fit

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        x, y = data(n)
        np.savetxt(path, np.stack([x, y], 1), "%.9g", ",", header="x,y", comments="")
        del x, y
        return _timed(
            lambda: autodiff.fit.fit(FORMULA, str(path), START, ci="wald"),
            lambda result: result.n_evaluations,
        )


def gradient_pass(n: int) -> dict[str, float]:
    """Run one pass of a compiled gradient."""
    import autodiff as ad

    x, y = data(n)

    def half_square(p, x, y):  # type: ignore[no-untyped-def]
        return 0.5 * (p[0] * ad.exp(-p[1] * x) + p[2] - y) ** 2

    rows = ad.vmap(ad.grad(half_square), in_axes=(None, 0, 0), threads=1)
    total = ad.compile(lambda point, x, y: ad.sum(rows(point, x, y), dim=0))
    point = np.array(TRUTH)
    return _timed(lambda: total(point, x, y))


def curve_fit(n: int) -> dict[str, float]:
    """Fit with SciPy's curve_fit."""
    from scipy.optimize import curve_fit as fit

    x, y = data(n)
    return _timed(lambda: fit(model, x, y, p0=(1.0, 1.0, 0.0)))


def lmfit(n: int) -> dict[str, float]:
    """Fit with lmfit."""
    import lmfit as package

    x, y = data(n)
    fitted = package.Model(model)
    return _timed(lambda: fitted.fit(y, x=x, **START))


def iminuit(n: int) -> dict[str, float]:
    """Fit with iminuit."""
    import iminuit as package
    from iminuit.cost import LeastSquares

    x, y = data(n)
    cost = LeastSquares(x, y, 0.05, model)
    return _timed(lambda: package.Minuit(cost, **START).migrad())


def groups(_: int) -> dict[str, float]:
    """Fit many small groups, with start values."""
    return _groups(START)


def groups_no_start(_: int) -> dict[str, float]:
    """Fit many small groups, without start values."""
    return _groups({})


def _groups(start: dict[str, float]) -> dict[str, float]:
    from autodiff.fit.data.arrays import ArrayColumns
    from autodiff.fit.grouped import solve_groups
    from autodiff.fit.problem import pose

    x, y = np.tile(np.linspace(0.0, 5.0, POINTS), GROUPS), data(GROUPS * POINTS)[1]
    rng = np.random.default_rng(2)
    a, b, c = rng.uniform([1, 0.5, 0], [5, 2, 1], (GROUPS, 3)).repeat(POINTS, 0).T
    y = a * np.exp(-b * x) + c + 0.05 * rng.standard_normal(len(x))
    label = np.repeat(np.arange(GROUPS), POINTS)
    problem = pose(FORMULA, ArrayColumns({"x": x, "y": y}), start)
    found = _timed(
        lambda: solve_groups(problem, {"group": label}),
        lambda result: result.n_converged,
    )
    return {**found, "fits_per_second": GROUPS / found["cpu"]}


def curve_fit_groups(_: int) -> dict[str, float]:
    """Fit a hundredth of the groups with SciPy's curve_fit, one after another."""
    from scipy.optimize import curve_fit as fit

    x = np.linspace(0.0, 5.0, POINTS)
    ys = model(x, *TRUTH) + 0.05 * np.random.default_rng(2).standard_normal(
        (GROUPS // 100, POINTS)
    )
    found = _timed(lambda: [fit(model, x, y, p0=(1.0, 1.0, 0.0)) for y in ys])
    return {**found, "fits_per_second": GROUPS / 100 / found["cpu"]}


def four_points(_: int) -> dict[str, float]:
    """Run the four-point example, and Python with NumPy alone."""
    program = [sys.executable, "-m", "autodiff", "fit", "y ~ w*x + b", "-"]
    program += ["--columns", "x,y"]
    if importlib.util.find_spec("autodiff.__main__") is None:
        program[2] = "autodiff.fit"
    rows = b"0,3\n1,8\n2,13\n3,18\n"
    ours, numpy = [], []
    _child(program, rows)  # writes the bytecode of an installation
    for _ in range(9):
        ours.append(_child(program, rows))
        numpy.append(_child([sys.executable, "-c", "import numpy"], b""))
    return {"cpu": min(ours), "wall": min(ours), "of_numpy": min(ours) / min(numpy)}


def _child(program: list[str], text: bytes) -> float:
    start = time.perf_counter()
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(program, input=text, check=True, capture_output=True, env=usual)
    return time.perf_counter() - start


def _timed(
    run: Callable[[], Any], count: Callable[[Any], float] | None = None
) -> dict[str, float]:
    """Return the fastest of three runs, and the memory the first took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for turn in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        times.append((cpu, wall))
        if turn == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"cpu": min(t[0] for t in times), "wall": min(t[1] for t in times)}
    found["beyond_mb"] = (peak - before) / 1024
    return {**found, "count": count(result)} if count else found


ROWS = (gradient_pass, fit_rows, fit_csv, curve_fit, lmfit, iminuit)
OTHERS = (groups, groups_no_start, curve_fit_groups, four_points)


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="ten million rows too")
    parser.add_argument("--store", action="store_true", help="write a result file")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, n = options.one
        print(json.dumps(globals()[name](int(n))))
        return
    about, found = machine.describe(), list[dict[str, Any]]()
    for n in (1_000_000, 10_000_000) if options.large else (1_000_000,):
        unit = 0.0
        for each in ROWS:
            unit = _show(each.__name__, n, unit, found)
    for each in OTHERS:
        _show(each.__name__, 0, 0.0, found)
    if options.store:
        _store(about, found)


def _store(about: dict[str, Any], measured: list[dict[str, Any]]) -> None:
    """Write what was measured beside the results of the other benchmarks."""
    versions = about["versions"] | {name: _version(name) for name in PEERS}
    about["machine"]["load_after"] = machine.load()
    content = about | {"versions": versions, "measured": measured}
    name = f"{about['date'][:10]}-{(about['commit'] or 'none')[:10]}-fit.json"
    path = Path(__file__).parent / "results" / name
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written: {path.name}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _show(name: str, n: int, unit: float, results: list[dict[str, Any]]) -> float:
    """Run one measurement in its own process and print it; return a pass's time."""
    program = [sys.executable, __file__, "--one", name, str(n)]
    scrubbed = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    environment = {k: v for k, v in os.environ.items() if k not in scrubbed}
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    label = f"{name} {n:,}" if n else name
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{label:28s} failed: {last}")
        return unit
    found = json.loads(done.stdout)
    results.append({"name": name, "n": n, **found})
    unit = found["cpu"] if name == "gradient_pass" else unit
    text = f"{label:28s} cpu {found['cpu']:8.4f} s  wall {found['wall']:8.4f} s"
    if n and unit:
        text += f"  {found['cpu'] / unit:7.1f} passes"
    for key in ("count", "beyond_mb", "fits_per_second", "of_numpy"):
        if key in found:
            text += f"  {key} {found[key]:.4g}"
    print(text, flush=True)
    return unit


if __name__ == "__main__":
    main()
