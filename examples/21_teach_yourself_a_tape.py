"""Teach yourself a tape: a reverse-mode engine in plain Python, checked by the library.

The whole idea. While you compute, write down for each operation where its operands are
and how its result changes with each of them: the local derivatives. That list is the
tape. Every operand stands above its result, so one walk from the end to the beginning
meets each result before its operands, and by the chain rule hands on
    adjoint of operand += local derivative * adjoint of result.
One walk gives the derivative by all inputs, for about the price of computing the value.
"""

import math

import autodiff as ad


class Tape:
    """The record: for each number, its operands and the local derivatives."""

    def __init__(self):
        self.entries = []

    def variable(self, value):
        """Put a number on the tape that was computed from nothing."""
        return self.record(value)

    def record(self, value, *parents):
        """Append one operation; parents are pairs (operand, local derivative)."""
        self.entries.append([(x.index, partial) for x, partial in parents])
        return Number(value, len(self.entries) - 1, self)

    def gradient(self, result, inputs):
        """Walk the tape backwards once; return the derivatives by the inputs."""
        adjoints = [0.0] * len(self.entries)
        adjoints[result.index] = 1.0  # the seed: dy/dy
        for index in range(result.index, -1, -1):
            for parent, partial in self.entries[index]:
                adjoints[parent] += partial * adjoints[index]  # += : used twice, summed
        return [adjoints[x.index] for x in inputs]


class Number:
    """A float that writes down what is done with it."""

    def __init__(self, value, index, tape):
        self.value, self.index, self.tape = value, index, tape

    def lift(self, other):
        """Return other as a number on this tape; a constant is one nobody asks for."""
        return other if isinstance(other, Number) else self.tape.variable(other)

    def __add__(self, other):
        other = self.lift(other)
        return self.tape.record(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        other = self.lift(other)
        return self.tape.record(
            self.value * other.value, (self, other.value), (other, self.value)
        )

    def __pow__(self, n):
        return self.tape.record(self.value**n, (self, n * self.value ** (n - 1)))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -self.lift(other)

    def __truediv__(self, other):
        return self * self.lift(other) ** -1

    def sin(self):
        """Return the sine."""
        return self.tape.record(math.sin(self.value), (self, math.cos(self.value)))

    def exp(self):
        """Return e to the power of this."""
        y = math.exp(self.value)
        return self.tape.record(y, (self, y))

    __radd__, __rmul__ = __add__, __mul__


def f(x, y, z):
    """Return something with everything in it; works on any kind of number."""
    u = x * y + x.sin()
    for _ in range(3):  # a loop is no trouble: the tape has what was done
        u = u * u / (u**2 + z.exp()) - 0.5 * x
    return 2.0 * u + z


point = (0.7, -1.3, 0.4)
tape = Tape()
ours = [tape.variable(v) for v in point]
result = f(*ours)
gradient = tape.gradient(result, ours)

theirs = [ad.tensor(v, requires_grad=True) for v in point]
expected = f(*theirs)
expected.backward()

print(f"value:   {result.value:.15f}  library {expected.item():.15f}")
for name, g, x in zip("xyz", gradient, theirs, strict=True):
    print(f"df/d{name}:  {g:18.15f}  library {x.grad.item():18.15f}")
apart = max(abs(g - x.grad.item()) for g, x in zip(gradient, theirs, strict=True))
print("equal to 1e-14:", apart < 1e-14)
print("operations on the tape:", len(tape.entries))
print("the last three entries:")
for entry in tape.entries[-3:]:
    print("  ", [(parent, round(partial, 6)) for parent, partial in entry])
