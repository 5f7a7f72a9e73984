"""The programs that one function was recorded as, by how its choices came out.

A function with an `if` on its arguments is a tree: inner nodes are choices (guards),
leaves are paths, each a program that is right where its guards come out as recorded. A
program is run first and asked afterwards whether it was the right one: the first guard
that came out otherwise leads to a branch, where either a path is known or the function
is run once more in Python.

Invariant: two paths agree in the guards before the first that came out differently, for
a function that chooses by nothing but its arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from autodiff import _core, tree
from autodiff._core import Code, Program, Tensor
from autodiff.errors import TraceError
from autodiff.programs.recording import Leaves, Recorded

# How a program is derived from the recorded one: ("reverse", flags, keeps_outputs) and
# the like, one step after another; the names are Program's methods.
Steps = tuple[tuple[Any, ...], ...]


class Path:
    """One program, what was derived from it, and where it stands in the tree."""

    def __init__(self, recorded: Recorded):
        self.program: Program = recorded.program
        self.structure: tree.Structure = recorded.structure
        self.captured: list[Tensor] = recorded.captured
        self.guards = recorded.program.guards
        self.nodes: list[Node] = []  # before guard 0, 1, ...
        self.n_used = 0
        self._programs: dict[Steps, Program] = {(): recorded.program}
        self._codes: dict[Steps, Code] = {}

    def derived(self, steps: Steps) -> Program:
        """Return the program after these steps, derived when first asked for."""
        found = self._programs.get(steps)
        if found is None:
            (method, flags, *options), before = steps[-1], self.derived(steps[:-1])
            rest = (False,) * (len(before.input_shapes) - len(flags))  # captured
            found = getattr(before, method)((*flags, *rest), *options)
            self._programs[steps] = found
        return found

    def captured_values(self) -> list[Any]:
        """Return what the tensors of outside hold now."""
        return [plain(x) for x in self.captured]

    def code(self, steps: Steps) -> Code:
        """Return that program, ready to run."""
        found = self._codes.get(steps)
        if found is None:
            found = self._codes[steps] = Code(self.derived(steps))
        return found


class Node:
    """A choice, or the end of a path."""

    __slots__ = ("children", "path")

    def __init__(self, path: Path):
        self.path = path  # the first that came by
        self.children: dict[float | None, Node] = {}


def _key(outcome: float) -> float | None:
    """Return an outcome as a key: NaN is equal to itself here."""
    return None if outcome != outcome else outcome


class Paths:
    """The tree of a function's paths; grows when a call takes a new one.

    Parameters
    ----------
    record
        Runs the function at some leaves and returns what it did.
    name
        What to call the function in an error.
    max_paths
        How many paths it may have.
    """

    def __init__(
        self, record: Callable[[Leaves], Recorded], name: str, max_paths: int = 256
    ):
        self._record, self.name, self.max_paths = record, name, max_paths
        self.all: list[Path] = []
        self.last: Path | None = None  # to be tried first
        self._lock = threading.RLock()

    def first(self, leaves: Leaves) -> Path:
        """Return the path used last, or one recorded at these leaves."""
        return self.last or self.new(leaves)

    def branch(self, path: Path, guard: int, outcome: float) -> Path | None:
        """Return a path that agrees up to a guard and there has another outcome."""
        child = path.nodes[guard].children.get(_key(outcome))
        return None if child is None else child.path

    def new(self, leaves: Leaves) -> Path:
        """Run the function in Python at these leaves; put its path into the tree."""
        path = Path(self._record(leaves))
        with self._lock:
            if len(self.all) >= self.max_paths:
                raise TraceError(self._too_many(path))
            self._insert(path)
            self.all.append(path)
            self.last = path
        return path

    def _insert(self, path: Path) -> None:
        node = self.all[0].nodes[0] if self.all else Node(path)
        path.nodes.append(node)
        for outcome, _ in path.guards:
            child = node.children.get(_key(outcome))
            if child is None:
                child = node.children[_key(outcome)] = Node(path)
            node = child
            path.nodes.append(node)

    def _too_many(self, path: Path) -> str:
        """Say which line keeps on choosing differently."""
        counts: dict[str, int] = {}
        for known in [*self.all, path]:
            for _, line in known.guards:
                counts[str(line)] = counts.get(str(line), 0) + 1
        line = max(counts, key=lambda text: counts[text], default="an unknown line")
        return (
            f"{self.name} has taken more than max_paths={self.max_paths} ways through "
            f"its choices; the one that branches most is at {line}. Choose with "
            "autodiff.where instead of if, iterate with autodiff.while_loop, or raise "
            "max_paths"
        )

    def captured(self) -> list[Tensor]:
        """Return the tensors of outside that paths so far have met."""
        return self.all[0].captured if self.all else []

    def run(self, steps: Steps, leaves: Leaves, n_base: int) -> tuple[Path, list[Any]]:
        """Run a derived program at leaves on the path that they take.

        The first n_base leaves are the function's own; what derivation added (seeds,
        tangents) follows. Returns the path and the outputs.
        """
        path, is_new = self.first(leaves[:n_base]), False
        while True:
            code = path.code(steps)
            outputs, guard, outcome = code.run(self.inputs(path, leaves, n_base))
            if guard < 0:
                path.n_used += 1
                self.last = path
                return path, outputs
            if is_new:
                raise TraceError(self.inconstant(path, guard))
            path, is_new = self.turn(path, guard, outcome, leaves[:n_base])

    def turn(
        self, path: Path, guard: int, outcome: float, leaves: Leaves
    ) -> tuple[Path, bool]:
        """Return the path for another outcome of a guard, and whether it is new."""
        found = self.branch(path, guard, outcome)
        return (self.new(leaves), True) if found is None else (found, False)

    def inconstant(self, path: Path, guard: int) -> str:
        """Say that a new recording does not agree with itself."""
        return (
            f"{self.name} does not choose the same way twice at the same arguments, at "
            f"{path.guards[guard][1]}; what it decides by must depend on them alone, "
            "not on random numbers, time or state"
        )

    def inputs(self, path: Path, leaves: Leaves, n_base: int) -> list[Any]:
        """Return leaves with the values of what the path captured behind the base."""
        if not path.captured:
            return list(leaves)
        values = path.captured_values()
        return [*leaves[:n_base], *values, *leaves[n_base:]]


def plain(x: Any) -> Any:
    """Return the value of a leaf as a float or an array."""
    return _core.peek(x)
