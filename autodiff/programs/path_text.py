"""The paths of a function as text: each choice with its line, and who took it.

Invariant: every path that was recorded is on one line that ends with how many calls or
rows took it. For `Compiled.paths` and `Vmapped.paths`.
"""

from __future__ import annotations

import bisect
import itertools

from autodiff.programs.choosing import KNOWN, UNKNOWN
from autodiff.programs.paths import Node, Path, Paths


class PathTree:
    """The paths of a function, for looking at.

    Iterating gives (choices, n_used) for each path: choices is the list of (line,
    outcome) that lead to it.

    Examples
    --------
    >>> import autodiff as ad
    >>> f = ad.compile(lambda x: x if x > 0 else -x)
    >>> _ = f(1.0), f(2.0), f(-1.0)
    >>> [n_used for choices, n_used in f.paths]
    [2, 1]
    """

    def __init__(self, all_paths: list[Paths]):
        self._all = all_paths

    def __len__(self) -> int:
        return sum(len(paths.all) for paths in self._all)

    def __iter__(self):  # type: ignore[no-untyped-def]
        for path in [path for paths in self._all for path in paths.all]:
            yield [(line, outcome) for outcome, line in path.guards], path.n_used

    def __str__(self) -> str:
        return "\n".join(_tree(paths) for paths in self._all) or "no paths yet"

    __repr__ = __str__


def _tree(paths: Paths) -> str:
    count = f"{len(paths.all)} path{'s' * (len(paths.all) != 1)}"
    lines = [f"{paths.name}: {count}"]
    waiting: list[tuple[Node, int, list[str]]] = []
    if paths.all:
        waiting.append((paths.all[0].nodes[0], 1, []))
    while waiting:
        node, indent, chain = waiting.pop()
        while len(node.children) == 1:  # choices that always came out the same way
            [(outcome, child)] = node.children.items()
            chain.append(_choice(node, outcome))
            node = child
        found = [*_counted(chain), *([] if node.children else [_taken(node.path)])]
        lines.extend(f"{'  ' * indent}{text}" for text in found)
        for outcome, child in reversed(node.children.items()):
            waiting.append((child, indent + bool(chain), [_choice(node, outcome)]))
    return "\n".join(lines)


def _choice(node: Node, outcome: float | None) -> str:
    """Return a choice as text; any path through the node asks the same there."""
    path = node.path
    guard = bisect.bisect_left(path.nodes, node.depth, key=lambda n: n.depth)
    line = path.guards[guard][1] or "an unknown line"
    loops = {KNOWN: "steps chose as before", UNKNOWN: "a step chose as none before"}
    words = "nan" if outcome is None else loops.get(outcome, f"{outcome:g}")
    return f"{line}: {words}"


def _counted(chain: list[str]) -> list[str]:
    """Return lines with runs of the same one put together."""
    runs = [(text, len(list(same))) for text, same in itertools.groupby(chain)]
    return [text + (f" ({n} times)" if n > 1 else "") for text, n in runs]


def _taken(path: Path) -> str:
    n = path.n_used
    return f"taken by {n} call{'s' * (n != 1)} or row{'s' * (n != 1)}"
