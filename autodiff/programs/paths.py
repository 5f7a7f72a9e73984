"""The programs that one function was recorded as, by how its choices came out.

A function with an `if` on its arguments is a tree: inner nodes are choices (guards),
leaves are paths, each a program that is right where its guards come out as recorded. A
program is run first and asked afterwards whether it was the right one: the first guard
that came out otherwise leads to a branch, where either a path is known or the function
is run once more in Python.

Invariant: a path is right wherever all of its guards hold; where one does not, what is
known about the way it came out stands behind that guard's node, or nowhere.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any

from autodiff import _core, tree
from autodiff._core import Code, Program, Tensor
from autodiff.errors import LinAlgError, TraceError
from autodiff.programs.choosing import KNOWN, UNKNOWN
from autodiff.programs.compressed import hessian_program
from autodiff.programs.recording import Leaves, Recorded

# How a program is derived from the recorded one, one step after another: the name of a
# method of Program, the flags of its inputs, and options. Flags are those of the
# function's own leaves, of what it captured, and of what earlier steps added (seeds,
# tangents); each of the last two may be shorter, for False.
Flags = tuple[tuple[bool, ...], tuple[bool, ...], tuple[bool, ...]]
Steps = tuple[tuple[Any, ...], ...]
_GUARDS: Steps = (("guards",),)  # in keys of codes: apart from what is derived
_BARE: Steps = (("bare",),)

# Of a program with more instructions, what is shared is worth less than the time to
# find it, which is a third of the time to derive.
MOST_SIMPLIFIED = 100_000


class Path:
    """One program, what was derived from it, and where it stands in the tree.

    Parameters
    ----------
    recorded
        What the function did.
    n_base
        How many leaves it takes.
    captured
        The tensors of outside that all paths of the function have met, which grow in
        number; they are inputs behind the function's own.
    places
        Where in `captured` those stand that this path met.
    """

    def __init__(
        self,
        recorded: Recorded,
        n_base: int,
        captured: list[Tensor],
        places: list[int],
    ):
        self.program: Program = recorded.program
        self.structure: tree.Structure = recorded.structure
        self.guards = recorded.program.guards
        self.is_capturing = bool(places)
        self.nodes: list[Node] = []  # before guard 0, 1, ...
        self.n_rows = 0  # that took it, beside those that its codes count
        self._n_base, self._captured, self._places = n_base, captured, places
        self._programs: dict[tuple[int, Steps], Program] = {}
        self._simple: dict[int, Program] = {}
        self._codes: dict[tuple[int, Steps], Code] = {}
        self._hessians: dict[tuple[int, Steps], bool] = {}  # is there a program?

    @property
    def n_used(self) -> int:
        """How many calls and rows took this path."""
        return self.n_rows + sum(code.n_used for code in self._codes.values())

    def has_results_like(self, other: Path) -> bool:
        """Whether results of another path have the same structure and shapes."""
        shapes = self.program.output_shapes
        return self.structure == other.structure and (
            shapes == other.program.output_shapes
        )

    def derived(self, steps: Steps) -> Program:
        """Return the program after these steps, derived when first asked for."""
        n = len(self._captured)
        found = self._programs.get((n, steps))
        if found is None:
            found = self._derive(steps, n) if steps else self._widened(n)
            self._programs[n, steps] = found
        return found

    def _derive(self, steps: Steps, n: int) -> Program:
        (method, (base, captured, extra), *options) = steps[-1]
        before = self.derived(steps[:-1]) if steps[1:] else self._simplified(n)
        if len(steps) == 1 and before.has_loops:  # sums join their loops first
            before = before.with_outputs(range(len(before.output_shapes)))
        flags = (*base, *captured, *(False,) * (n - len(captured)), *extra)
        rest = (False,) * (len(before.input_shapes) - len(flags))
        found: Program = getattr(before, method)((*flags, *rest), *options)
        return found

    def _simplified(self, n: int) -> Program:
        """Return the program with equal instructions shared, to derive others from."""
        before = self.derived(())
        if before.n_instructions > MOST_SIMPLIFIED:
            return before
        if n not in self._simple:
            order = range(len(before.input_shapes))
            self._simple[n] = before.with_inputs(list(order))
        return self._simple[n]

    def _widened(self, n: int) -> Program:
        """Return the program with an input for all n tensors that paths captured."""
        if self._places == list(range(n)):
            return self.program
        base = list(range(self._n_base))
        places = [self._n_base + k for k in self._places]
        shapes = [
            *self.program.input_shapes[: self._n_base],
            *(x.shape for x in self._captured[:n]),
        ]
        return self.program.with_places([*base, *places], shapes)

    def guards_code(self) -> Code | None:
        """Return what tells whether a row is on this path; None: every row is."""
        key = len(self._captured), _GUARDS
        if key not in self._codes and self.guards:
            self._codes[key] = Code(self.derived(()).with_outputs([]))
        return self._codes.get(key)

    def bare_code(self, steps: Steps) -> Code:
        """Return that program without its guards, for rows known to be on the path."""
        key = len(self._captured), (*steps, *_BARE)
        if key not in self._codes:
            program = self.derived(steps)
            outputs = range(len(program.output_shapes))
            self._codes[key] = Code(program.with_outputs(outputs, keeps_guards=False))
        return self._codes[key]

    def hessian(self, steps: Steps, wanted: tuple[bool, ...]) -> Steps | None:
        """Return steps to a program of the dense Hessian in one wanted leaf.

        steps lead to the gradient. None where the Hessian has too little structure for
        that to be of use, or the function reads tensors of outside.
        """
        key = len(self._captured), (*steps, ("hessian", wanted))
        if key not in self._hessians:
            program = None
            if sum(wanted) == 1 and not self._captured:
                program = hessian_program(self.derived(steps), wanted)
            self._hessians[key] = program is not None
            if program is not None:
                self._programs[key] = program
        return key[1] if self._hessians[key] else None

    def code(self, steps: Steps) -> Code:
        """Return that program, ready to run."""
        key = len(self._captured), steps
        found = self._codes.get(key)
        if found is None:
            found = self._codes[key] = Code(self.derived(steps))
        return found


class Node:
    """A question (the guard of some path), or the end of a path.

    children are keyed by how the guard comes out. What differs from a path that asks
    whether a value is what it was (an index, a mask that selects) asks the same of
    another value: such a path begins as a child, with a question of its own.
    """

    __slots__ = ("children", "depth", "path")

    def __init__(self, path: Path, depth: int):
        self.path, self.depth = path, depth
        self.children: dict[float | None, Node] = {}


def _key(outcome: float) -> float | None:
    """Return an outcome as a key: NaN is equal to itself here."""
    return None if outcome != outcome else outcome


class Paths:
    """The tree of a function's paths; grows when a call takes a new one.

    Parameters
    ----------
    record
        Runs the function at some leaves and returns what it did; its second argument
        is what `recording.record` calls families.
    name
        What to call the function in an error.
    n_base
        How many leaves it takes.
    max_paths
        How many paths it may have.
    """

    def __init__(
        self,
        record: Callable[[Leaves, dict[Any, Any]], Recorded],
        name: str,
        n_base: int,
        max_paths: int = 256,
    ):
        self._recorder, self.name, self.max_paths = record, name, max_paths
        self._families: dict[Any, Any] = {}
        self.n_base = n_base
        self.all: list[Path] = []
        self.captured: list[Tensor] = []  # by all paths so far; only grows
        self.last: Path | None = None  # to be tried first
        self.kept: dict[str, Any] = {}  # by `joined`
        self._lock = threading.RLock()

    def _record(self, leaves: Leaves) -> Recorded:
        # Recordings around this one come here more or less often; what they found of
        # their own loops does not hang on that, nor what is found here on them.
        with _core.recording_at(_core.innermost_recording(), ()):
            return self._recorder(leaves, self._families)

    # ---- Growing ---------------------------------------------------------------------

    def first(self, leaves: Leaves) -> Path:
        """Return the path used last, or the first of all, recorded at these leaves."""
        if self.last is None:
            recorded = self._record(leaves[: self.n_base])
            with self._lock:
                if not self.all:
                    self._add(recorded, [])
                self.last = self.all[0]
        return self.last

    def adopt(self, recorded: Recorded) -> None:
        """Put a path into the tree that was recorded elsewhere, in its order."""
        if not self.all:
            self.last = self._add(recorded, [])
            return
        path, outcomes = self.all[0], [_key(o) for o, _ in recorded.program.guards]
        while True:
            known = [_key(o) for o, _ in path.guards]
            pairs = zip(known, outcomes, strict=False)
            guard = next((k for k, (a, b) in enumerate(pairs) if a != b), None)
            if guard is None:  # it has no choice that this one has not
                wider = self._adopt_wider(path, recorded)
                if wider is None:
                    return
                path = wider
                continue
            found = self.branch(path, guard, recorded.program.guards[guard][0])
            if found is None or found is path:
                self._add_behind(
                    path, guard, recorded.program.guards[guard][0], recorded
                )
                return
            path = found

    def _adopt_wider(self, path: Path, recorded: Recorded) -> Path | None:
        """Put a recording that chose as a path did behind the path's loops.

        Returns what stands there already, to be asked next; None: it has its place.
        """
        loops = [k for k, (outcome, _) in enumerate(path.guards) if outcome == KNOWN]
        if not loops:
            return None
        found = self.branch(path, loops[0], UNKNOWN)
        if found is not None:
            return found
        made = self._add_behind(path, loops[0], UNKNOWN, recorded)
        for k in loops[1:]:
            path.nodes[k].children.setdefault(UNKNOWN, made.nodes[k])
        return None

    def branch(self, path: Path, guard: int, outcome: float) -> Path | None:
        """Return the path to ask next, where a guard of another came out otherwise."""
        child = path.nodes[guard].children.get(_key(outcome))
        return None if child is None else child.path

    def turns(self, known: list[Path]) -> list[list[tuple[int, float, int]]]:
        """Return where rows go from each path: (guard, outcome, number of the path)."""
        numbers = {id(path): k for k, path in enumerate(known)}
        found = []
        for path in known:
            ways = [
                (guard, math.nan if outcome is None else outcome, child.path)
                for guard, node in enumerate(path.nodes)
                for outcome, child in list(node.children.items())
            ]
            found.append(
                [(g, z, numbers[id(to)]) for g, z, to in ways if id(to) in numbers]
            )
        return found

    def grow(
        self, path: Path, guard: int, outcome: float, leaves: Leaves
    ) -> tuple[Path, bool]:
        """Run the function in Python at leaves, which differ from a path in a guard.

        Returns the path to ask next, and whether it is what was recorded here: another
        thread, or the function itself by recursion, may have been quicker.
        """
        recorded = self._record(leaves[: self.n_base])
        with self._lock:
            found = self.branch(path, guard, outcome)
            if found is not None:
                return found, False
            return self._add_behind(path, guard, outcome, recorded), True

    def _add_behind(
        self, path: Path, guard: int, outcome: float, recorded: Recorded
    ) -> Path:
        if len(self.all) >= self.max_paths:
            raise TraceError(self._too_many(recorded))
        node = path.nodes[guard]
        guards = recorded.program.guards
        agrees = [_key(o) for o, _ in guards[:guard]] == [
            _key(o) for o, _ in path.guards[:guard]
        ]
        if agrees and len(guards) > guard and _key(guards[guard][0]) == _key(outcome):
            return self._add(recorded, path.nodes[: guard + 1])
        made = self._add(recorded, path.nodes[:guard] if agrees else [], node)
        node.children[_key(outcome)] = made.nodes[guard if agrees else 0]
        return made

    def _add(
        self, recorded: Recorded, shared: list[Node], parent: Node | None = None
    ) -> Path:
        """Put a path into the tree whose first nodes are there; then come its own."""
        places = [self._place(x) for x in recorded.captured]
        path = Path(recorded, self.n_base, self.captured, places)
        path.nodes = list(shared)
        if parent is not None or not shared:
            depth = 0 if parent is None else parent.depth + 1
            path.nodes.append(Node(path, depth))
        for outcome, _ in path.guards[len(path.nodes) - 1 :]:
            node = path.nodes[-1]
            child = node.children[_key(outcome)] = Node(path, node.depth + 1)
            path.nodes.append(child)
        self.all.append(path)
        return path

    def _place(self, x: Tensor) -> int:
        for k, known in enumerate(self.captured):
            if known is x:
                return k
        self.captured.append(x)
        return len(self.captured) - 1

    def _too_many(self, recorded: Recorded) -> str:
        """Say which line keeps on choosing differently."""
        counts: dict[str, int] = {}
        for guards in [*(path.guards for path in self.all), recorded.program.guards]:
            for _, line in guards:
                counts[str(line)] = counts.get(str(line), 0) + 1
        line = max(counts, key=lambda text: counts[text], default="an unknown line")
        return (
            f"{self.name} has taken more than max_paths={self.max_paths} ways through "
            f"its choices; the one that branches most is at {line}. Choose with "
            "autodiff.where instead of if, iterate with autodiff.while_loop, or raise "
            "max_paths"
        )

    # ---- Running ---------------------------------------------------------------------

    def run(self, steps: Steps, leaves: Leaves) -> tuple[Path, list[Any]]:
        """Run a derived program at leaves on the path that they take.

        The function's own leaves come first; what derivation added (seeds, tangents)
        follows. Returns the path and the outputs.
        """
        path, depth, is_new = self.first(leaves), -1, False
        is_from_root = path is self.all[0]
        while True:
            try:
                outputs, guard, outcome = path.code(steps).run(self.inputs(leaves))
            except LinAlgError:
                return self._run_elsewhere(steps, leaves, path)
            if guard < 0:
                self.last = path
                return path, outputs
            if is_new or self.goes_round(path, guard, depth):
                return self._run_chosen(steps, leaves, path, guard)
            depth = path.nodes[guard].depth
            found = self.branch(path, guard, outcome)
            if found is None and not is_from_root:
                found, depth, is_from_root = self.all[0], -1, True
            elif found is None:
                found, is_new = self.grow(path, guard, outcome, leaves)
            if path.has_results_like(found):  # for calls that come the short way
                path.code(steps).turns[guard, outcome] = found.code(steps)
            path = found

    def find(self, leaves: Leaves) -> Path:
        """Return the path that leaves take, recorded if new; this is not counted."""
        path, _ = self.run((), leaves[: self.n_base])
        path.n_rows -= 1
        return path

    def goes_round(self, path: Path, guard: int, depth: int) -> bool:
        """Whether a guard came out otherwise, by rounding, after others below it did.

        A path that is come to from below may know less of its loops than the one
        before; what their guards lead to is a tree of its own, which no guard but
        another such leads out of.
        """
        return path.nodes[guard].depth <= depth and path.guards[guard][0] != KNOWN

    def _run_chosen(
        self,
        steps: Steps,
        leaves: Leaves,
        path: Path,
        guard: int,
    ) -> tuple[Path, list[Any]]:
        """Run a derived program whose choices are not those of the function itself.

        Where a choice hangs on the last digit, a derivative, which may compute with
        other roundings, can choose otherwise than the function; the function is right.
        """
        if not steps:
            raise TraceError(
                f"{self.name} does not choose the same way twice at the same "
                f"arguments, at {path.guards[guard][1]}; what it decides by must "
                "depend on them alone, not on random numbers, time or state"
            )
        path, _ = self.run((), leaves[: self.n_base])
        outputs, _, _ = path.code(steps).run(self.inputs(leaves), None, True)
        return path, outputs

    def _run_elsewhere(
        self, steps: Steps, leaves: Leaves, failed: Path
    ) -> tuple[Path, list[Any]]:
        """Run a derived program where a path fails of which leaves may not be.

        A matrix is found to be singular before it is asked whether the function would
        have come to it.
        """
        for path in self.all:
            if path is failed:
                continue
            with contextlib.suppress(LinAlgError):
                outputs, guard, _ = path.code(steps).run(self.inputs(leaves))
                if guard < 0:
                    return path, outputs
        recorded = self._record(leaves[: self.n_base])  # raises if the function does
        with self._lock:
            path = self._add_differing(failed, recorded)
        outputs, _, _ = path.code(steps).run(self.inputs(leaves), None, True)
        return path, outputs

    def _add_differing(self, path: Path, recorded: Recorded) -> Path:
        """Put a recording behind the first guard in which it differs from a path."""
        pairs = zip(path.guards, recorded.program.guards, strict=False)
        for guard, ((known, _), (outcome, _)) in enumerate(pairs):
            if _key(known) != _key(outcome) and not self.branch(path, guard, outcome):
                return self._add_behind(path, guard, outcome, recorded)
        places = [self._place(x) for x in recorded.captured]
        return Path(recorded, self.n_base, self.captured, places)  # not to be found

    def captured_values(self) -> list[Any]:
        """Return what the tensors of outside hold now."""
        return [plain(x) for x in self.captured]

    def inputs(self, leaves: Leaves) -> list[Any]:
        """Return leaves with the values of what was captured behind the base."""
        if not self.captured:
            return list(leaves)
        n = self.n_base
        return [*leaves[:n], *self.captured_values(), *leaves[n:]]


def plain(x: Any) -> Any:
    """Return the value of a leaf as a float or an array."""
    return _core.peek(x)
