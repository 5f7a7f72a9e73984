"""Loops that keep few carries for the way back: the same numbers from less memory."""

import subprocess
import sys
from math import comb

import numpy as np
import pytest
from program.machine import assert_same_bits, at_point, eagerly
from program_format import Draft, Extra

import autodiff as ad
from autodiff import _core

rng = np.random.default_rng(0)
W = rng.normal(size=(3, 3))
SNAPSHOTS = [1, 2, 3, 5, 100]
COUNTS = [1, 2, 3, 7, 20, 53]


def network(w, xs, checkpoint=None, reverse=False):
    """Return a number that all carries and all rows count in."""

    def step(carry, x):
        h, total = carry
        h = ad.tanh(w @ h + x)
        return (h, total + (h * h).sum()), h[0]

    start = (np.zeros(3), 0.0)
    (h, total), ys = ad.scan(step, start, xs, checkpoint=checkpoint, reverse=reverse)
    return total + (h**3).sum() + (ys * ys).sum()


def newton(a, checkpoint=None):
    return ad.while_loop(
        lambda x: abs(x * x - a) > 1e-12,
        lambda x: 0.5 * (x + a / x),
        a,
        max_steps=60,
        checkpoint=checkpoint,
    )


# ---- The schedule --------------------------------------------------------------------


def n_advances(n, k):
    """Count the steps that a sweep does to have the states n - 1, ..., 0."""
    kept, done = [0], 0

    def go(step, wanted):
        nonlocal done
        following = step
        while step < wanted:
            if step == following:
                free = k + 1 - len(kept)
                stride = _core.snapshot_stride(wanted + 1 - step, free)
                following = step + stride if stride else -1
            step, done = step + 1, done + 1
            if step == following:
                kept.append(step)
                assert len(kept) <= k

    for wanted in range(n - 1, -1, -1):
        while kept[-1] > wanted:
            kept.pop()
        go(kept[-1], wanted)
    return done


def fewest_advances(n, k):
    """Return what Griewank and Walther prove to be the least."""
    r = 0
    while comb(k + r, k) < n:
        r += 1
    return r * n - comb(k + r, r - 1) if r else 0


@pytest.mark.parametrize("k", range(1, 12))
def test_no_schedule_does_fewer_steps(k):
    for n in [*range(1, 60), 1001]:
        assert n_advances(n, k) == fewest_advances(n, k)


def test_a_schedule_of_very_many_steps_is_found():
    assert 0 < _core.snapshot_stride(2**45, 3) < 2**45
    assert _core.snapshot_stride(2**45, 1) == 0


# ---- The numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", COUNTS)
def test_gradients_are_the_same_to_the_bit(n, reverse):
    xs = np.random.default_rng(n).normal(size=(n, 3))
    want = ad.value_and_grad(network, argnums=(0, 1))(W, xs, None, reverse)
    for k in SNAPSHOTS:
        value, bars = ad.value_and_grad(network, argnums=(0, 1))(W, xs, k, reverse)
        assert value == want[0]
        assert all(map(np.array_equal, bars, want[1]))


@pytest.mark.parametrize("n", [3, 20])
def test_hessians_are_the_same_to_the_bit(n):
    xs = np.random.default_rng(n).normal(size=(n, 3))
    want = ad.hessian(network)(W, xs)
    for k in SNAPSHOTS:
        assert np.array_equal(ad.hessian(network)(W, xs, k), want)


def test_a_gradient_of_a_gradient_is_the_same():
    xs = np.random.default_rng(3).normal(size=(20, 3))
    want = ad.hessian(network)(W, xs)
    twice = ad.jacobian(ad.grad(network), mode="reverse")(W, xs, 3)
    np.testing.assert_allclose(twice, want, rtol=1e-12)


def test_third_derivatives_are_the_same():
    def f(a, k):
        return ad.fori_loop(0, 12, lambda i, c: ad.sin(a * c) + i / 12, a, checkpoint=k)

    third = ad.grad(ad.grad(ad.grad(f)))
    np.testing.assert_allclose(third(0.7, 3), third(0.7, None), rtol=1e-12)


def test_a_compiled_function_with_its_derivatives():
    xs = np.random.default_rng(1).normal(size=(20, 3))
    f, g = (ad.compile(lambda w, k=k: network(w, xs, k)) for k in (3, None))
    assert f(W) == g(W)
    assert np.array_equal(f.grad(W), g.grad(W))
    assert np.array_equal(f.hvp(W, W), g.hvp(W, W))


def test_rows_of_a_vmap():
    xs = np.random.default_rng(2).normal(size=(20, 3))
    ws = rng.normal(size=(11, 3, 3))
    rows = [ad.vmap(ad.grad(lambda w, k=k: network(w, xs, k))) for k in (3, None)]
    assert np.array_equal(rows[0](ws), rows[1](ws))


def test_a_loop_in_a_loop():
    def f(a, k):
        def inner(i, c):
            return ad.fori_loop(
                0, 9, lambda j, d: ad.sin(a * d) + i * j / 50, c, checkpoint=k
            )

        return ad.fori_loop(0, 8, inner, a, checkpoint=k)

    for k in SNAPSHOTS:
        assert ad.grad(f)(0.7, k) == ad.grad(f)(0.7, None)
        assert ad.hessian(f)(0.7, k) == ad.hessian(f)(0.7, None)


def test_a_body_that_chooses():
    def f(a, xs, k):
        def step(c, x):
            return (c * x if c < 1 else a * c - x), c

        last, kept = ad.scan(step, a, xs, checkpoint=k)
        return last + kept.sum()

    xs = np.linspace(0.5, 2.0, 17)
    for k in SNAPSHOTS:
        assert ad.grad(f)(1.7, xs, k) == ad.grad(f)(1.7, xs, None)


@pytest.mark.parametrize("k", SNAPSHOTS)
def test_a_while_loop(k):
    for a in (2.0, 1e6):
        assert ad.value_and_grad(newton)(a, k) == ad.value_and_grad(newton)(a)
        assert ad.hessian(newton)(a, k) == ad.hessian(newton)(a)


@pytest.mark.parametrize("k", SNAPSHOTS)
def test_rows_whose_while_loops_end_apart(k):
    a = np.array([1.0, 2.0, 9.0, 1e6, 0.1])
    few = ad.vmap(ad.grad(lambda x: newton(x, k)))(a)
    assert np.array_equal(few, ad.vmap(ad.grad(newton))(a))


def test_a_saved_function_keeps_few():
    f = ad.compile(lambda a: ad.fori_loop(0, 9, lambda i, c: c * a, a, checkpoint=2))
    f(1.1)
    again = ad.load(f.to_bytes())
    assert "snapshots=2" in str(again.programs[0])
    assert again.grad(1.1) == f.grad(1.1)


def test_zeros_that_do_not_count_make_no_nan():
    def f(x, k):
        return ad.fori_loop(
            0, 6, lambda i, c: c + ad.where(x > 0, ad.sqrt(x), 0.0), 0.0, checkpoint=k
        )

    assert ad.grad(f)(0.0, 2) == ad.grad(f)(0.0, None) == 0.0


# ---- Loops back that carry nothing ---------------------------------------------------

REVERSED, KEEPS_CARRY, HAS_SNAPSHOTS = 1, 2, 16


def halves_read_back(n, ops):
    """c' = c / 2, n times; for each op a loop back over c that makes rows only."""
    step = Draft()
    step.input()
    step.add("const", number=0.5)
    step.add("mul", 0, 1)
    step.outputs = [2]
    draft = Draft(shapes=[(n + 1,), (n,)])
    draft.input()
    kept = (n, KEEPS_CARRY | HAS_SNAPSHOTS, (0, 1, 0, 0, 0), step)
    draft.add("scan", 0, shape=1, extra=Extra(loop=kept, snapshots=[3]))
    draft.add("as_strided", 1, shape=2, extra=Extra(strides=(1,), offset=1))
    for op in ops:
        body = Draft()
        body.input()
        body.add(op, 0)
        body.outputs = [1]
        back = (n, REVERSED | HAS_SNAPSHOTS, (0, 0, 1, 1, 0), body)
        draft.add("scan", 2, shape=2, extra=Extra(loop=back, snapshots=[3]))
        draft.outputs.append(2 + len(draft.outputs) + 1)
    return draft.load()


@pytest.mark.parametrize("ops", [["neg"], ["neg", "square"]])
@pytest.mark.parametrize("n", [10, 2000])  # 2000: enough to become arrays
def test_loops_without_a_carry_read_what_was_kept(ops, n):
    program = halves_read_back(n, ops)
    assert_same_bits(at_point(program, [1.5]), eagerly(program, [1.5]))


# ---- Memory --------------------------------------------------------------------------

MEMORY = """
import resource, sys
import numpy as np
import autodiff as ad

def f(a, n, k):
    def step(c):
        return ad.sin(a * c[0]), c[1] + 1

    start = (np.ones(100), 0.0)
    if {loop!r} == "while":
        carry = ad.while_loop(lambda c: c[1] < n, step, start, n, checkpoint=k)
    else:
        carry, _ = ad.scan(lambda c, _: (step(c), None), start, length=n, checkpoint=k)
    return (carry[0] ** 2).sum()

g = {derivative}
g(1.3, 100, 10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
g(1.3, 50_000, 10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are measured in Linux's KiB")
@pytest.mark.parametrize("loop", ["scan", "while"])
@pytest.mark.parametrize("derivative", ["ad.grad(f)", "ad.hessian(f)"])
def test_memory_does_not_grow_with_the_steps(loop, derivative):
    code = MEMORY.format(loop=loop, derivative=derivative)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 8_000  # all carries would be 40,000 KiB
