"""Run the benchmarks: ``python benchmarks/run.py [problem ...]``.

Every peer of a row works in a process of its own. First all of them compute the
answer, and a peer whose answer differs is reported and not timed. Then they are timed
in turn, round after round, each round starting with another peer, so that whatever
else the machine does falls on all alike. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import compare
import harness
import machine
import peers

HERE = Path(__file__).resolve().parent
RESULTS_DIR = HERE / "results"
# Peers whose answer the others are held against, most trusted first.
REFERENCES = ("floats", "floor", "numpy", "torch", "xad", "casadi", "jax", "autodiff")
# These change which kernels OpenBLAS picks, so no timing may inherit them.
SCRUBBED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Options:
    """How long to measure."""

    quick: bool
    rounds: int
    budget: float
    target: float
    verbose: bool = False


class WorkerFailure(Exception):
    """A worker raised, or died; the message says which."""


class Worker:
    """A process that runs one peer on one row."""

    def __init__(self, problem: str, row: str, peer: str, verbose: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), problem, row, peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if verbose else subprocess.DEVNULL,
            text=True,
            env=worker_environment(os.environ),
        )

    def ask(self, do: str, *arguments: object) -> dict[str, Any]:
        """Send a request and wait for the reply."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, "with": arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerFailure(f"died with status {self.process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerFailure(str(reply["error"]))
        return reply

    def close(self) -> None:
        """End the process; a worker has nothing to save."""
        self.process.kill()
        self.process.communicate()


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with one thread everywhere and no BLAS overrides."""
    kept = {k: v for k, v in environment.items() if k not in SCRUBBED}
    return kept | ONE_THREAD


def run_time_row(
    problem: str, row: harness.TimeRow, names: Sequence[str], options: Options
) -> dict[str, dict[str, Any]]:
    """Check and time one row; return each peer's result."""
    results: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}
    answers: dict[str, harness.Answer] = {}
    first: dict[str, float | None] = {}
    samples: dict[str, list[list[float]]] = {}
    try:
        for name in names:
            workers[name] = Worker(problem, row.name, name, options.verbose)
            try:
                ready = workers[name].ask("prepare", options.target)
                answers[name], first[name] = ready["answer"], ready["first"]
                samples[name] = []
            except WorkerFailure as failure:
                results[name] = {"status": "failed", "why": str(failure)}
        for name, why in wrong_answers(answers, row.tolerance).items():
            results[name] = {"status": "wrong answer", "why": why}
            del samples[name]
        for r in range(options.rounds):
            order = list(samples)
            turn = r % len(order) if order else 0
            for name in order[turn:] + order[:turn]:
                try:
                    reply = workers[name].ask("time", options.budget)
                    samples[name].append(reply["samples"])
                except WorkerFailure as failure:
                    results[name] = {"status": "failed", "why": str(failure)}
                    del samples[name]
    finally:
        for worker in workers.values():
            worker.close()
    for name, rounds in samples.items():
        metrics = {"time": summarise(rounds)}
        took = first[name]
        if took is not None:
            metrics["first"] = summarise([[took]])
        results[name] = {"status": "ok", "metrics": metrics}
    return results


def wrong_answers(
    answers: Mapping[str, harness.Answer], tolerance: float
) -> dict[str, str]:
    """Return the peers that disagree with the most trusted one, and by how much."""
    ranked = sorted(answers, key=lambda name: _rank(name))
    wrong = {}
    for name in ranked[1:]:
        off = harness.disagreement(answers[name], answers[ranked[0]])
        if off > tolerance:
            wrong[name] = f"differs from {ranked[0]} by {off:.2g}, relative"
    return wrong


def _rank(name: str) -> int:
    return REFERENCES.index(name) if name in REFERENCES else len(REFERENCES)


def run_measure_row(
    problem: str, row: harness.MeasureRow, names: Sequence[str], options: Options
) -> dict[str, dict[str, Any]]:
    """Measure one row, every peer and repeat in a fresh process."""
    repeats = min(row.repeats, 3) if options.quick else row.repeats
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    results: dict[str, dict[str, Any]] = {}
    for _ in range(repeats):
        for name in list(found):
            worker = Worker(problem, row.name, name, options.verbose)
            try:
                reply = worker.ask("measure", options.quick)
                found[name].append(reply["metrics"])
            except WorkerFailure as failure:
                results[name] = {"status": "failed", "why": str(failure)}
                del found[name]
            finally:
                worker.close()
    answers = {name: measured_answer(row, found[name][0]) for name in found}
    for name, why in wrong_answers(answers, row.tolerance).items():
        results[name] = {"status": "wrong answer", "why": why}
        del found[name]
    for name, measures in found.items():
        metrics = {key: summarise([[m[key]] for m in measures]) for key in measures[0]}
        results[name] = {"status": "ok", "metrics": metrics}
    return results


def measured_answer(
    row: harness.MeasureRow, measures: Mapping[str, float]
) -> harness.Answer:
    """Return the metrics that are answers, to be compared among the peers."""
    return {k: [v] for k, v in measures.items() if row.units[k] == "answer"}


def summarise(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return min and median over all samples, and the best of every round."""
    flat = [sample for samples in rounds for sample in samples]
    return {
        "min": min(flat),
        "median": statistics.median(flat),
        "rounds": [min(samples) for samples in rounds],
        "samples": len(flat),
    }


def run_row(
    problem: str, row: harness.Row, chosen: Sequence[str] | None, options: Options
) -> dict[str, Any]:
    """Run one row for the chosen peers and return its entry in the result file."""
    wanted = [n for n in row.peers if chosen is None or n in chosen]
    names = [n for n in wanted if peers.is_installed(n)]
    if isinstance(row, harness.TimeRow):
        results = run_time_row(problem, row, names, options)
    else:
        results = run_measure_row(problem, row, names, options)
    for name in wanted:
        results.setdefault(name, {"status": "not installed"})
    return {
        "problem": problem,
        "row": row.name,
        "title": row.title,
        "units": dict(row.units),
        "bars": [asdict(bar) for bar in row.bars],
        "peers": {name: results[name] for name in wanted},
    }


def select(patterns: Sequence[str]) -> list[str]:
    """Return the problems whose name contains one of `patterns`; all without any."""
    names = harness.problem_names()
    unknown = [p for p in patterns if not any(p in n for n in names)]
    if unknown:
        raise SystemExit(f"no problem matches {unknown[0]!r}; there are {names}")
    return [n for n in names if not patterns or any(p in n for p in patterns)]


def default_output(found: Mapping[str, Any]) -> Path:
    """Return where a full run is stored: date and commit."""
    commit = (found["commit"] or "uncommitted")[:10]
    return RESULTS_DIR / f"{found['date'][:10]}-{commit}.json"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time autodiff and its peers, answers checked first.",
        epilog="peers: " + "; ".join(f"{n}: {s}" for n, s in peers.SENTENCES.items()),
    )
    parser.add_argument("problems", nargs="*", help="parts of problem names; all")
    parser.add_argument("--peers", help="comma-separated; default: all")
    parser.add_argument("--rows", help="comma-separated row names; default: all")
    parser.add_argument("--quick", action="store_true", help="a rough look, minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each timed row")
    parser.add_argument("--out", type=Path, help="result file; - for none")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    parser.add_argument("--list", action="store_true", help="list problems and rows")
    return parser.parse_args()


def list_problems() -> None:
    """Print the problems, their rows and peers."""
    for name in harness.problem_names():
        problem = harness.load_problem(name)
        print(f"{name}: {problem.summary}")
        for row in problem.rows:
            print(f"    {row.name}: {', '.join(row.peers)}")


def save(found: Mapping[str, Any], path: Path) -> None:
    """Write a result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Run what was asked for, printing each row as it comes in."""
    arguments = parse_arguments()
    if arguments.list:
        list_problems()
        return
    chosen = arguments.peers.split(",") if arguments.peers else None
    unknown = sorted(set(chosen or ()) - set(peers.PACKAGES))
    if unknown:
        raise SystemExit(f"no peer {unknown[0]!r}; there are {list(peers.PACKAGES)}")
    rows = arguments.rows.split(",") if arguments.rows else None
    quick = arguments.quick
    rounds = arguments.rounds or (3 if quick else 15)
    options = Options(quick, rounds, 0.03 if quick else 0.1, 0.005, arguments.verbose)
    found = machine.describe() | {"options": asdict(options), "rows": []}
    path = arguments.out or (Path("-") if quick else default_output(found))
    for name in select(arguments.problems):
        for row in harness.load_problem(name).rows:
            if rows is not None and row.name not in rows:
                continue
            entry = run_row(name, row, chosen, options)
            found["rows"].append(entry)
            print(compare.describe_row(entry), flush=True)
    found["machine"]["load_after"] = machine.load()
    if str(path) != "-":
        save(found, path)
        print(f"stored in {path.name}")


if __name__ == "__main__":
    main()
