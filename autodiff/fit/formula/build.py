"""Build formulas from pieces, in the shortest form that plain rules give.

A `Builder` holds nodes and hands out their indices. A node equal to one that is there
is not made again. The rules are identities of real numbers that a person would apply
without a thought (0 + x, 1*x, x^1, signs to the front, whole numbers multiplied out);
nothing is expanded or collected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autodiff.fit.formula.functions import OPERATOR_FUNCTIONS, functions
from autodiff.fit.formula.parse import Node

__all__ = ["Builder"]

EXACT = 2.0**16  # 1024ths up to here are multiplied out without rounding


class Builder:
    """Nodes in the order of evaluation, each made once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Node, int] = {}

    def add_node(self, node: Node) -> int:
        """Return the index of a node, made if it is new; its place is forgotten."""
        node = node._replace(start=0, stop=0)
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]

    def make(self, kind: str, *operands: int, text: str = "") -> int:
        """Return a node as it stands, without any rule."""
        return self.add_node(Node(kind, text or kind, 0.0, operands, 0, 0))

    def number(self, value: float) -> int:
        """Return a number; a negative one is the negative of a number."""
        if value < 0:
            return self.make("neg", self.number(-value))
        return self.add_node(Node("number", "", float(value), (), 0, 0))

    def value(self, index: int) -> float | None:
        """Return the number that a node is, if it is one."""
        node = self.nodes[index]
        if node.kind == "number":
            return node.value
        if node.kind == "neg":
            inner = self.value(node.operands[0])
            return None if inner is None else -inner
        return None

    def exact(self, *operands: int) -> list[float] | None:
        """Return the numbers that nodes are, if their products have no rounding."""
        found = []
        for index in operands:
            value = self.value(index)
            if value is None or abs(value) > EXACT or not (1024 * value).is_integer():
                return None
            found.append(value)
        return found

    def negated(self, index: int) -> int | None:
        """Return x where a node is -x."""
        node = self.nodes[index]
        return node.operands[0] if node.kind == "neg" else None

    def neg(self, x: int) -> int:
        """Return -x."""
        inner = self.negated(x)
        if inner is not None:
            return inner
        node = self.nodes[x]
        if node.kind == "-":
            return self.sub(node.operands[1], node.operands[0])
        return x if self.value(x) == 0.0 else self.make("neg", x)

    def add(self, x: int, y: int) -> int:
        """Return x + y."""
        numbers = self.exact(x, y)
        if numbers is not None:
            return self.number(sum(numbers))
        if self.value(x) == 0.0:
            return y
        if self.value(y) == 0.0:
            return x
        if (inner := self.negated(y)) is not None:
            return self.sub(x, inner)
        if (inner := self.negated(x)) is not None:
            return self.sub(y, inner)
        return self.mul(self.number(2.0), x) if x == y else self.make("+", x, y)

    def sub(self, x: int, y: int) -> int:
        """Return x - y."""
        numbers = self.exact(x, y)
        if numbers is not None:
            return self.number(numbers[0] - numbers[1])
        if self.value(y) == 0.0:
            return x
        if self.value(x) == 0.0:
            return self.neg(y)
        if x == y:
            return self.number(0.0)
        if (inner := self.negated(y)) is not None:
            return self.add(x, inner)
        if (inner := self.negated(x)) is not None:
            return self.neg(self.add(inner, y))
        return self.make("-", x, y)

    def mul(self, x: int, y: int) -> int:
        """Return x*y."""
        numbers = self.exact(x, y)
        if numbers is not None:
            return self.number(numbers[0] * numbers[1])
        for a, b in ((x, y), (y, x)):
            if self.value(a) == 0.0:
                return a
            if self.value(a) == 1.0:
                return b
            if (inner := self.negated(a)) is not None:
                return self.neg(self.mul(inner, b) if a == x else self.mul(b, inner))
        if self.value(y) is not None:
            x, y = y, x
        left, right = self.nodes[x], self.nodes[y]
        if right.kind == "/":
            return self.div(self.mul(x, right.operands[0]), right.operands[1])
        if left.kind == "/":
            return self.div(self.mul(left.operands[0], y), left.operands[1])
        if right.kind == "*":
            return self.mul(self.mul(x, right.operands[0]), right.operands[1])
        base, n = self.power(y)
        last = left.operands[1] if left.kind == "*" else x
        same, m = self.power(last)
        if same == base:
            raised = self.pow(base, self.number(m + n))
            return raised if last == x else self.mul(left.operands[0], raised)
        return self.make("*", x, y)

    def power(self, x: int) -> tuple[int, float]:
        """Return b and n where a node is b^n with a number n; itself and 1 if not."""
        node = self.nodes[x]
        if node.kind == "^" and (numbers := self.exact(node.operands[1])):
            if numbers[0].is_integer() and numbers[0] > 0.0:
                return node.operands[0], numbers[0]
        return x, 1.0

    def div(self, x: int, y: int) -> int:
        """Return x/y."""
        if self.value(y) == 1.0 or (self.value(x) == 0.0 and self.value(y) != 0.0):
            return x
        if self.value(x) is not None and self.value(x) == self.value(y) != 0.0:
            return self.number(1.0)
        if (inner := self.negated(x)) is not None:
            return self.neg(self.div(inner, y))
        if (inner := self.negated(y)) is not None:
            return self.neg(self.div(x, inner))
        top = self.nodes[x]
        if top.kind == "/":
            return self.div(top.operands[0], self.mul(top.operands[1], y))
        over, over_rest = self.factor(x)
        under, under_rest = self.factor(y)
        if over != 1.0 != under:
            if over % under == 0.0:
                over_rest = self.mul(self.number(over / under), over_rest)
                return self.div(over_rest, under_rest)
            if under % over == 0.0:
                under_rest = self.mul(self.number(under / over), under_rest)
                return self.div(over_rest, under_rest)
        return self.make("/", x, y)

    def factor(self, x: int) -> tuple[float, int]:
        """Return the whole number a product begins with, and what follows it."""
        numbers = self.exact(x)
        if numbers and numbers[0] > 0.0 and numbers[0].is_integer():
            return numbers[0], self.number(1.0)
        if self.nodes[x].kind != "*":
            return 1.0, x
        first, second = self.nodes[x].operands
        number, rest = self.factor(first)
        return (number, self.mul(rest, second)) if number != 1.0 else (1.0, x)

    def pow(self, x: int, y: int) -> int:
        """Return x^y."""
        if self.value(y) == 1.0:
            return x
        if self.value(y) == 0.0 or self.value(x) == 1.0:
            return self.number(1.0)
        base, n = self.power(x)
        numbers = self.exact(y)
        if n != 1.0 and numbers and numbers[0].is_integer():
            return self.pow(base, self.number(n * numbers[0]))
        return self.make("^", x, y)

    def choice(self, condition: int, yes: int, no: int) -> int:
        """Return ``yes if condition else no``."""
        return yes if yes == no else self.make("if", condition, yes, no)

    def apply(self, kind: str, operands: Sequence[int], text: str = "") -> int:
        """Return a node of any kind, in its shortest form."""
        rules: dict[str, Callable[..., int]] = {
            "neg": self.neg,
            "+": self.add,
            "-": self.sub,
            "*": self.mul,
            "/": self.div,
            "^": self.pow,
            "if": self.choice,
        }
        if kind == "call":
            name = functions()[text].name
            if name not in OPERATOR_FUNCTIONS:
                return self.make("call", *operands, text=name)
            kind = OPERATOR_FUNCTIONS[name]
        if kind in rules:
            return rules[kind](*operands)
        return self.make(kind, *operands)

    def copy(self, nodes: Sequence[Node], names: dict[str, int] | None = None) -> int:
        """Return the value of other nodes, with names replaced, in shortest form."""
        at: list[int] = []
        for node in nodes:
            if node.kind == "name" and names and node.text in names:
                at.append(names[node.text])
            elif node.operands:
                operands = [at[index] for index in node.operands]
                at.append(self.apply(node.kind, operands, node.text))
            elif node.kind == "number":
                at.append(self.number(node.value))
            else:
                at.append(self.add_node(node))
        return at[-1]

    def result(self, index: int) -> tuple[Node, ...]:
        """Return the nodes that one needs, itself the last."""
        needed = {index}
        for i in range(index, -1, -1):
            if i in needed:
                needed.update(self.nodes[i].operands)
        order = sorted(needed)
        place = {old: new for new, old in enumerate(order)}
        return tuple(
            self.nodes[i]._replace(
                operands=tuple(place[k] for k in self.nodes[i].operands)
            )
            for i in order
        )
