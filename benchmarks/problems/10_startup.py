"""What it costs to start: import time beyond NumPy's, and size on disk."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path

import peers
from harness import Bar, MeasureRow, Measures

DIST = Path(__file__).resolve().parents[2] / "dist"

# The interpreter is warm and NumPy is in; what is timed is the package alone.
TIMED_IMPORT = """
import time
{first}
start = time.perf_counter()
import {package}
print(time.perf_counter() - start)
"""


def _import_seconds(package: str, first: str) -> float:
    """Time one import in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED_IMPORT.format(package=package, first=first)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(sys.prefix),
    )
    return float(done.stdout)


def measure(peer: str, _: bool) -> Measures:
    """Import `peer` after NumPy, and alone."""
    package = peers.PACKAGES[peer]
    assert package is not None
    return {
        "beyond_numpy": _import_seconds(package, "import numpy"),
        "alone": _import_seconds(package, ""),
    }


def measure_numpy(_: bool) -> Measures:
    """Import NumPy alone."""
    return {"alone": _import_seconds("numpy", "")}


def measure_size(peer: str, _: bool) -> Measures:
    """Return the installed size of the package itself, and of our wheel if built."""
    spec = importlib.util.find_spec(peers.PACKAGES[peer] or "")
    assert spec is not None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [p for f in folders for p in f.rglob("*") if p.is_file()]
    sizes = [p.stat().st_size for p in files if p.parent.name != "__pycache__"]
    measures = {"installed": float(sum(sizes))}
    wheels = sorted(DIST.glob("autodiff-*.whl"), key=lambda p: p.stat().st_mtime)
    if peer == "autodiff" and wheels:
        measures["wheel"] = float(wheels[-1].stat().st_size)
    return measures


ROWS = (
    MeasureRow(
        "import",
        "import",
        {"beyond_numpy": "s", "alone": "s"},
        {
            "autodiff": partial(measure, "autodiff"),
            "numpy": measure_numpy,
            "torch": partial(measure, "torch"),
            "xad": partial(measure, "xad"),
            "jax": partial(measure, "jax"),
        },
        (Bar("value", 0.020, metric="beyond_numpy"),),
        repeats=7,
    ),
    MeasureRow(
        "size",
        "size on disk, the package itself",
        {"installed": "B", "wheel": "B"},
        {
            peer: partial(measure_size, peer)
            for peer in ("autodiff", "torch", "xad", "jax")
        },
    ),
)
