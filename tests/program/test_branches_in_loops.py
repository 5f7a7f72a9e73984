"""Choices in the bodies of loops, and in rows, of functions that are recorded."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import TraceError

XS = np.array([0.1, 0.7, -0.3, 0.5, 1.2, -0.8])
STARTS = [0.5, 0.2, 2.0, -3.0, 0.9, 0.5]


def step(c, x):
    c = c * 0.5 + x if c > 1.0 else c * 3.0 - x * x
    return c, c * x


def scanned(c, xs):
    return ad.scan(step, c, xs)[0]


def unrolled(c, xs):
    for x in xs:
        c, _ = step(c, x)
    return c


def test_a_scan_takes_the_branches_that_a_python_loop_takes():
    for start in STARTS:
        carry, rows = ad.scan(step, start, XS)
        assert carry == pytest.approx(unrolled(start, XS), rel=1e-15)
        assert rows.shape == XS.shape


def test_a_compiled_loop_is_recorded_again_for_steps_that_are_new():
    f = ad.compile(scanned)
    for start in [0.2, *STARTS, *np.linspace(-3, 3, 31)]:
        start = float(start)
        assert f(start, XS) == pytest.approx(unrolled(start, XS), rel=1e-14)
        wanted = ad.grad(unrolled, (0, 1))(start, XS)
        found = f.grad(start, XS, argnums=(0, 1))
        for got, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-13)
    assert len(f.programs) <= 3


def test_rows_take_their_own_branches_at_each_step():
    starts = np.random.default_rng(0).normal(size=200) * 2
    wanted = [unrolled(c, XS) for c in starts]
    np.testing.assert_allclose(ad.vmap(scanned, (0, None))(starts, XS), wanted)
    slopes = [ad.grad(unrolled)(c, XS) for c in starts]
    found = ad.vmap(ad.grad(scanned), (0, None))(starts, XS)
    np.testing.assert_allclose(found, slopes, rtol=1e-13)


def test_what_a_body_closes_over_is_differentiated_on_every_way():
    def function(loop):
        def f(a, c):
            b = a * 2

            def one(c):
                if c > 1:
                    return c * a * 0.3
                if c > 0:
                    return c * b + 0.2
                return c + a * b

            return loop(one, c)

        return f

    def by_scan(one, c):
        return ad.scan(lambda c, _: (one(c), None), c, length=8)[0]

    def by_hand(one, c):
        for _ in range(8):
            c = one(c)
        return c

    compiled, plain = ad.compile(function(by_scan)), function(by_hand)
    for a in np.linspace(0.3, 1.5, 7).tolist():
        for c in (-3.0, -0.5, 0.5, 1.5):
            assert compiled(a, c) == pytest.approx(plain(a, c), rel=1e-13)
            found = compiled.grad(a, c, argnums=(0, 1))
            assert found == pytest.approx(ad.grad(plain, (0, 1))(a, c), rel=1e-12)
    assert len(compiled.programs) <= 4


def halved(x):
    def body(pair):
        x, turn = pair
        return (x * 0.5 if turn > 0.5 else x * 0.9), 1 - turn

    return ad.while_loop(lambda pair: pair[0] > 1.5, body, (x, 0.0))[0]


def halved_by_hand(x):
    turn = 0.0
    while x > 1.5:
        x, turn = (x * 0.5 if turn > 0.5 else x * 0.9), 1 - turn
    return x


def test_a_while_loop_chooses():
    f, x = ad.compile(halved), [1.0, 2.0, 10.0, 100.0, 3.0]
    for at in x:
        assert f(at) == halved_by_hand(at)
        assert f.grad(at) == pytest.approx(ad.grad(halved_by_hand)(at), rel=1e-14)
    wanted = [halved_by_hand(at) for at in x]
    np.testing.assert_array_equal(ad.vmap(halved)(np.array(x)), wanted)


def test_the_gradient_of_a_while_loop_reads_the_steps_done_not_the_kept_carry():
    def loop(x):
        return ad.while_loop(lambda c: c > 1.0, lambda c: c / 2.0, x, max_steps=10)

    assert ad.grad(loop)(1000.0) == 2.0**-10
    f = ad.compile(loop)
    assert f.value_and_grad(1000.0) == (1000.0 / 1024.0, 2.0**-10)
    assert f.hessian(1000.0) == 0.0


def test_a_condition_may_choose_too():
    def going(c):
        return c > 3.0 if c > 2.0 else c > 0.5

    def loop(x):
        return ad.while_loop(going, lambda c: c * 0.9, x)

    def by_hand(x):
        while going(x):
            x = x * 0.9
        return x

    f = ad.compile(loop)
    for at in (0.4, 1.0, 2.5, 5.0, 1.9):
        assert f(at) == by_hand(at)


def test_the_end_of_a_loop_asks_for_no_way_of_its_own():
    def body(c):
        if c < 1.0:
            raise AssertionError("the loop has ended before")
        return c / 2.0

    assert ad.while_loop(lambda c: c >= 1.0, body, 8.0) == 0.5


def test_loops_in_loops_choose():
    def inner(d, c):
        return d * 0.7 if d > c else d + 0.4 * c

    def loops(x):
        def outer(c, _):
            e = ad.scan(lambda d, _: (inner(d, c), None), c * 0.5, length=3)[0]
            return (e if e < 1 else e / 2), None

        return ad.scan(outer, x, length=4)[0]

    def by_hand(c):
        for _ in range(4):
            d = c * 0.5
            for _ in range(3):
                d = inner(d, c)
            c = d if d < 1 else d / 2
        return c

    f, at = ad.compile(loops), np.linspace(-5, 10, 31)
    for x in at.tolist():
        assert f(x) == pytest.approx(by_hand(x), rel=1e-13)
        assert f.grad(x) == pytest.approx(ad.grad(by_hand)(x), rel=1e-13)
    wanted = [by_hand(x) for x in at]
    np.testing.assert_allclose(ad.vmap(loops)(at), wanted, rtol=1e-13)


def test_nan_of_a_branch_that_is_not_taken_does_not_count():
    def one(c):
        return ad.log(c) if c > 0 else c * c + 1.0

    def loop(x):
        return ad.scan(lambda c, _: (one(c), None), x, length=4)[0]

    def by_hand(x):
        for _ in range(4):
            x = one(x)
        return x

    f = ad.compile(loop)
    for x in (0.5, 2.0, -1.0, 0.0, 0.3):
        assert f(x) == pytest.approx(float(by_hand(x)), rel=1e-15)
        assert f.grad(x) == pytest.approx(ad.grad(by_hand)(x), rel=1e-14)
        assert f.hessian(x) == pytest.approx(ad.hessian(by_hand)(x), rel=1e-12)


def test_rows_choose_inside_a_recorded_function():
    def one(a, x):
        return a * x if x > 0 else (x * x if x > -1 else a)

    def loss(a, xs):
        return ad.vmap(lambda x: one(a, x))(xs).sum() * a

    def by_hand(a, xs):
        return sum((one(a, x) for x in xs), 0.0) * a

    f, g = ad.compile(loss), ad.compile(ad.grad(loss))
    random = np.random.default_rng(1)
    for scale in (0.1, 0.1, 1.0, 3.0, 1.0):
        xs = np.abs(random.normal(size=4)) if scale < 1 else random.normal(size=4)
        xs = xs * scale
        assert f(1.5, xs) == pytest.approx(by_hand(1.5, xs), rel=1e-14)
        wanted = ad.grad(by_hand, (0, 1))(1.5, xs)
        for k in (0, 1):
            np.testing.assert_allclose(f.grad(1.5, xs, argnums=k), wanted[k])
        assert g(1.5, xs) == pytest.approx(wanted[0], rel=1e-14)


def test_only_one_path_of_rows_closes_over_an_argument():
    f = ad.compile(lambda a: ad.vmap(lambda x: 1.0 * x if x > 0 else a * x)(XS).sum())
    below = XS[XS <= 0].sum()
    for a in (2.0, 5.0):
        assert f(a) == pytest.approx(XS[XS > 0].sum() + a * below, rel=1e-14)
        assert f.grad(a) == pytest.approx(below, rel=1e-14)


def test_vmap_in_vmap_chooses():
    m = np.random.default_rng(2).normal(size=(5, 4))
    f = ad.vmap(lambda row: ad.vmap(lambda x: x if x > 0 else -2 * x)(row).sum())
    np.testing.assert_allclose(f(m), np.where(m > 0, m, -2 * m).sum(axis=1))


def test_a_root_of_a_function_that_chooses():
    def g(x, a):
        return x**3 - a if x > 1 else x - a

    f = ad.compile(lambda a: ad.root(g, 0.5, a))
    assert [f(0.25), f(8.0), f(0.75)] == pytest.approx([0.25, 2.0, 0.75])
    assert [f.grad(0.25), f.grad(8.0)] == pytest.approx([1.0, 1.0 / 12.0])
    a = np.array([0.5, 8.0, 27.0])
    np.testing.assert_allclose(ad.vmap(lambda a: ad.root(g, 0.5, a))(a), [0.5, 2, 3])


def test_ways_that_return_different_things_are_an_error():
    def body(c, x):
        return c + x, (x if c > 0.5 else (x, x))

    with pytest.raises(TraceError, match="they must be alike"):
        ad.scan(body, 0.0, np.array([1.0, 1.0]))
