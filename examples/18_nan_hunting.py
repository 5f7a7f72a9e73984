"""NaN hunting: after the fact, find the operation, its operands and the line.

Three custom losses with a trap each: the slope of sqrt at 0, 0/0, and the log of a
negative number. Nothing was switched on while they ran. The report goes through the
program of the function, which is there anyway: first the values, then the gradient. It
names the first operation that made something bad of good operands.
"""

import linecache

import numpy as np

import autodiff as ad


def root_error(p, t):
    """Return a squared error of roots: fine at p = 0, but with an infinite slope."""
    return ((ad.sqrt(p) - t) ** 2).sum()


def relative_error(p, t):
    """Return the mean relative error: 0/0 where both are 0."""
    return abs((p - t) / t).mean()


def likelihood(p, t):
    """Return a negative log-likelihood of what ought to be probabilities."""
    return -(t * ad.log(p)).sum()


def shown(finding):
    """Return what happened, and the line of this file where it was written."""
    number = int(finding.line.split()[-1])
    shape = (2,) * len(finding.element)  # of the arrays below; () is a number
    operands = [
        np.broadcast_to(x, shape)[finding.element].item() for x in finding.operands
    ]
    line = linecache.getline(__file__, number).strip()
    return f"{finding.operation} of {operands} gave {finding.result}\n    {line}"


cases = [
    (root_error, [4.0, 0.0], [1.0, 1.0]),
    (relative_error, [0.5, 0.0], [1.0, 0.0]),
    (likelihood, [0.9, -0.1], [1.0, 1.0]),
]
for loss, *arguments in cases:
    p, t = map(np.array, arguments)
    compiled = ad.compile(loss)
    value, gradient = compiled.value_and_grad(p, t)
    print(f"{loss.__name__}: {value}, gradient {gradient.tolist()}")

    report = compiled.nan_report(p, t)
    if report.value:
        print("  value:", shown(report.value))
    elif report.adjoint:
        print("  gradient only:", shown(report.adjoint))

# The same of an eager graph, before backward() gives it back. The gradient of sqrt is
# 0.5 / sqrt: here it is known by its operation. Under detect_anomaly lines are kept
# too.
x = ad.tensor(0.0, requires_grad=True)
print("eager:", ad.nan_report((ad.sqrt(x) - 1.0) ** 2).adjoint)
with ad.detect_anomaly():
    x = ad.tensor(-2.0, requires_grad=True)
    y = ad.log(x) * 3.0
print("eager:", shown(ad.nan_report(y).value))

# A branch that is not taken does no harm, though its slope is infinite: zero
# contributes nothing. In IEEE arithmetic, as in PyTorch, it is 0 * inf = NaN.
x = ad.tensor(0.0, requires_grad=True)
y = ad.where(x > 0, ad.sqrt(x), 0.0)
print("where:", *ad.autograd.grad(y, x, retain_graph=True), end=" ")
print("IEEE:", *ad.autograd.grad(y, x, strict_nan=True))
