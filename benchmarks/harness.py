"""What a benchmark is made of, and how one is timed.

A *problem* is one file in ``problems/``. It defines ``ROWS``: what is measured, for
which peers, and the bar each row has to clear. A row is either a ``TimeRow`` (seconds
per unit of work, peers interleaved round-robin) or a ``MeasureRow`` (any numbers, each
peer in a fresh process). Nothing here imports a peer: the controller stays small, and
a peer is imported only in its own worker process.
"""

from __future__ import annotations

import gc
import importlib.util
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

PROBLEMS_DIR = Path(__file__).resolve().parent / "problems"

Answer = dict[str, list[float]]
Measures = dict[str, float]


@dataclass(frozen=True)
class Bar:
    """A limit our own figure has to respect.

    Parameters
    ----------
    kind
        ``times``: ours is at most ``limit`` times theirs. ``faster``: ours is at least
        ``limit`` times smaller than theirs. ``value``: ours is at most ``limit``, in
        the unit of the metric. ``beyond``: ours is at most theirs plus ``limit``.
    limit
        The bar.
    against
        The peer compared with; None for ``value``.
    reach
        The goal beyond the bar, in the same terms.
    metric
        The metric of the row that the bar is about.
    """

    kind: Literal["times", "faster", "value", "beyond"]
    limit: float
    against: str | None = None
    reach: float | None = None
    metric: str = "time"


@dataclass(frozen=True)
class Case:
    """One peer's side of a timed row.

    Parameters
    ----------
    run
        ``run(n)`` does the work n times. What it returns is dropped after the clock
        has stopped, so releasing it is not timed unless ``run`` itself releases it.
    answer
        The numbers this peer computes, by name; all peers must agree on them.
    setup
        Runs before every ``run``, untimed.
    units
        Units of work in one repetition, for example operations in a chain.
    repeatable
        Whether ``run(n)`` may be called with n > 1.
    first
        Makes ready what ``run`` uses, and runs it once: recording, differentiating,
        compiling. Called once, before ``answer``, and timed as the metric ``first``.
    """

    run: Callable[[int], object]
    answer: Callable[[], Answer]
    setup: Callable[[], object] | None = None
    units: int = 1
    repeatable: bool = True
    first: Callable[[], object] | None = None


@dataclass(frozen=True)
class TimeRow:
    """A timed row: seconds per unit, for every peer that has a case.

    ``tolerance`` bounds the relative difference between the peers' answers. With
    ``has_first`` the cases say what happens before the first run, which is a metric of
    its own. Where more than one thread runs, ``is_wall`` makes time that of the wall.
    """

    name: str
    title: str
    unit: str
    cases: Mapping[str, Callable[[], Case]]
    bars: tuple[Bar, ...] = ()
    tolerance: float = 1e-9
    has_first: bool = False
    is_wall: bool = False

    @property
    def units(self) -> dict[str, str]:
        """Unit of each metric: ``time``, and ``first`` if that is taken."""
        units = {"time": f"s/{self.unit}"}
        return units | {"first": "s"} if self.has_first else units

    @property
    def peers(self) -> tuple[str, ...]:
        """Peers that have a case, in the order they are listed."""
        return tuple(self.cases)


@dataclass(frozen=True)
class MeasureRow:
    """A row of measured numbers, taken in a fresh process for each peer.

    Each entry of ``measures`` takes one argument, whether the run is a quick one, and
    returns the metrics by name. ``units`` names their units: ``s`` or ``B``, alone or
    per something (``B/step``), or ``x`` for a ratio. Two more are for the record and
    not shown in tables: ``steps``, and ``answer``, on which the peers must agree.
    """

    name: str
    title: str
    units: Mapping[str, str]
    measures: Mapping[str, Callable[[bool], Measures]]
    bars: tuple[Bar, ...] = ()
    repeats: int = 1
    tolerance: float = 1e-9

    @property
    def peers(self) -> tuple[str, ...]:
        """Peers that have a measure, in the order they are listed."""
        return tuple(self.measures)


Row = TimeRow | MeasureRow


@dataclass(frozen=True)
class Problem:
    """A problem file: its name, first docstring line, and rows."""

    name: str
    summary: str
    rows: tuple[Row, ...] = field(default_factory=tuple)

    def row(self, name: str) -> Row:
        """Return the row called `name`."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"problem {self.name} has no row {name!r}")


def problem_names() -> list[str]:
    """Return the names of the problem files, in order."""
    return sorted(p.stem for p in PROBLEMS_DIR.glob("[0-9][0-9]_*.py"))


def load_problem(name: str) -> Problem:
    """Load the problem file called `name` (without ``.py``)."""
    path = PROBLEMS_DIR / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"problem_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(f"no problem file {path.name}")
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    summary = (module.__doc__ or name).strip().splitlines()[0]
    return Problem(name, summary, tuple(module.ROWS))


def calibrate(case: Case, target: float, is_wall: bool = False) -> int:
    """Return how many repetitions of `case` last about `target` seconds.

    Doubles as the warm-up: at least one repetition has run when it returns.
    """
    n = 1
    while True:
        elapsed = _one_run(case, n, is_wall)
        if not case.repeatable or elapsed >= target:
            return n
        n *= 2 if elapsed > target / 8 else 8


def time_case(case: Case, n: int, budget: float, is_wall: bool = False) -> list[float]:
    """Time `case` for about `budget` seconds, at least once.

    Returns
    -------
    list of float
        Seconds per unit, one entry per run of n repetitions. The cyclic collector
        stays on, as it is in the programs this stands for; it is run before the first
        run so that every round starts from the same state.
    """
    gc.collect()
    samples: list[float] = []
    deadline = time.perf_counter() + budget
    while not samples or time.perf_counter() < deadline:
        samples.append(_one_run(case, n, is_wall) / (n * case.units))
    return samples


def first_run(case: Case) -> float:
    """Return the seconds that a case takes to be ready, its first run included."""
    assert case.first is not None
    gc.collect()
    start = time.perf_counter()
    case.first()
    return time.perf_counter() - start


def _one_run(case: Case, n: int, is_wall: bool) -> float:
    if case.setup is not None:
        case.setup()
    wall, cpu = time.perf_counter(), time.process_time()
    result = case.run(n)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    del result
    # On a quiet machine the two agree, for all peers run on one thread. On a busy one
    # the wall clock also counts the turns of other processes.
    return wall if is_wall else min(cpu, wall)


def disagreement(ours: Answer, reference: Answer) -> float:
    """Return the largest relative difference between two answers.

    Only the names both have are compared, because a peer without gradients still
    answers for the value. The scale is that of the whole list, and a NaN or a length
    that differs counts as infinite.
    """
    worst = 0.0
    for name in ours.keys() & reference.keys():
        a, b = ours[name], reference[name]
        if len(a) != len(b):
            return math.inf
        scale = max((abs(v) for v in b), default=0.0) or 1.0
        for u, v in zip(a, b, strict=True):
            difference = abs(u - v) / scale
            worst = max(worst, math.inf if math.isnan(difference) else difference)
    return worst
