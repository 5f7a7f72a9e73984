"""One peer on one row, in a process of its own.

Started by ``run.py``; not for use by hand. Reads one JSON request per line from
standard input and answers each with one JSON line: ``prepare`` builds the case and
returns its answer, ``time`` returns samples, ``measure`` returns the metrics of a
``MeasureRow``. Whatever the peer prints goes to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from typing import Any

import harness


class Worker:
    """Serves the requests for one row and one peer."""

    def __init__(self, problem: str, row: str, peer: str) -> None:
        self.row = harness.load_problem(problem).row(row)
        self.peer = peer
        self.case: harness.Case | None = None
        self.n = 1

    def prepare(self, target: float) -> dict[str, Any]:
        """Build the case, compute its answer and warm it up."""
        assert isinstance(self.row, harness.TimeRow)
        self.case = self.row.cases[self.peer]()
        has_first = self.case.first is not None
        first = harness.first_run(self.case) if has_first else None
        answer = self.case.answer()
        self.n = harness.calibrate(self.case, target, self.row.is_wall)
        # What the imports left behind belongs to no peer's timings.
        gc.collect()
        gc.freeze()
        return {"answer": answer, "n": self.n, "first": first}

    def time(self, budget: float) -> dict[str, Any]:
        """Return samples for about `budget` seconds."""
        assert self.case is not None
        assert isinstance(self.row, harness.TimeRow)
        samples = harness.time_case(self.case, self.n, budget, self.row.is_wall)
        return {"samples": samples}

    def measure(self, quick: bool) -> dict[str, Any]:
        """Return the metrics of a measured row."""
        assert isinstance(self.row, harness.MeasureRow)
        return {"metrics": self.row.measures[self.peer](quick)}


def main() -> None:
    """Serve requests until standard input closes."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if worker is None:
                worker = Worker(*sys.argv[1:4])
            reply = getattr(worker, request["do"])(*request["with"])
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
