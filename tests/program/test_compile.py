"""compile: arguments and results of every structure, and what may not go wrong."""

from __future__ import annotations

import dataclasses
import functools
import gc
import random
import threading
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import ArgumentError, GraphError, TraceError

X = np.array([1.0, 2.0, 3.0, 4.0])


@dataclasses.dataclass
class Pair:
    """Two numbers."""

    a: float
    b: float

    @ad.compile
    def scaled(self, x: Any) -> Any:
        return self.a * x + self.b


class Plain:
    """An object that is no container of numbers."""

    def __init__(self, k: float):
        self.k = k

    @ad.compile
    def scaled(self, x: Any) -> Any:
        return self.k * x * x

    @functools.partial(ad.compile, static_argnames="n")
    def power(self, x: Any, n: int) -> Any:
        return self.k * x**n


# ---- Arguments -----------------------------------------------------------------------


def test_a_bool_array_selects_as_a_mask_and_not_as_indices():
    f = ad.compile(lambda x, m: x[m].sum())
    assert f(X, np.array([True, False, True, False])) == 4.0
    assert f(X, np.array([False, True, True, True])) == 9.0


def test_the_same_zeros_and_ones_as_floats_and_as_bools_are_two_recordings():
    f = ad.compile(lambda x, m: x[m].sum())
    bools = np.array([True, False, True, False])
    assert f(X, bools) == 4.0
    assert f(X, bools.astype(int)) == 6.0
    assert f(X, bools) == 4.0


def test_an_inverted_bool_is_a_bool():
    f = ad.compile(lambda x, m: ad.where(~m, x, 0.0))
    assert f(X, X > 2).tolist() == [1.0, 2.0, 0.0, 0.0]
    assert ad.compile(lambda b, x: x if b else -x)(False, 2.0) == -2.0


def test_a_comparison_handed_to_a_compiled_function_inside_another_stays_a_mask():
    inner = ad.compile(lambda x, m: x[m].sum())
    outer = ad.compile(lambda x: inner(x, x > 2))
    assert outer(X) == 7.0
    assert outer(X[::-1].copy()) == 7.0
    assert outer(X + 1) == 12.0


def test_integer_arrays_used_as_indices_are_right_for_every_value():
    f = ad.compile(lambda x, i: x[i].sum())
    for a in range(4):
        for b in range(4):
            assert f(X, np.array([a, b])) == X[a] + X[b]


def test_indices_seen_before_are_not_recorded_again():
    f = ad.compile(lambda x, i: x[i].sum(), max_paths=3)
    for _ in range(5):
        assert [f(X, np.array([k])) for k in range(3)] == [1.0, 2.0, 3.0]
    assert len(f.programs) == 3


@pytest.mark.parametrize(
    "x",
    [
        X.astype(np.float32),
        np.arange(1.0, 9.0)[::2] * 0 + X,
        np.repeat(X, 2)[::2],
        X[::-1][::-1],
        X.astype(">f8"),
        X.astype(np.int64),
        np.asarray([1, 2, 3, 4], dtype=object),
        X.reshape(2, 2).T.copy().T.reshape(-1),
    ],
    ids=["f4", "plain", "strided", "reversed", "swapped", "int", "object", "order"],
)
def test_arrays_of_any_layout_and_real_dtype_are_taken(x):
    f = ad.compile(lambda x: (x * x).sum())
    f(X)
    assert f(x) == 30.0
    assert f.grad(x).tolist() == [2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize(
    "x", [2.0, 2, np.float64(2.0), np.float32(2.0), np.array(2.0), np.int8(2)], ids=repr
)
def test_numbers_of_every_kind_give_a_float(x):
    f = ad.compile(lambda x: x * x)
    for _ in range(2):
        assert type(f(x)) is float
        assert f(x) == 4.0
        assert f.grad(x) == 4.0


def test_an_array_that_may_not_be_written_to_is_read():
    x = X.copy()
    x.flags.writeable = False
    f = ad.compile(lambda x: x.sum())
    assert (f(x), f(x)) == (10.0, 10.0)


def test_empty_arrays_have_values_and_derivatives():
    f = ad.compile(lambda x: (x * x).sum())
    x = np.zeros(0)
    assert f(x) == 0.0
    assert f.grad(x).shape == (0,)
    assert f.hessian(x).shape == (0, 0)
    assert f.jacobian(x).shape == (0,)


def test_arguments_may_be_nested():
    f = ad.compile(lambda p, q: p["a"] * q[0][1] + q[1].a * p["b"].sum())
    args = {"b": X, "a": 2.0}, ((1.0, 3.0), Pair(0.5, 0.0))
    assert f(*args) == 11.0
    gradient = f.grad(*args, argnums=(0, 1))
    assert gradient[0]["a"] == 3.0
    assert gradient[0]["b"].tolist() == [0.5] * 4
    assert gradient[1][0] == (0.0, 2.0)
    assert gradient[1][1] == Pair(10.0, 0.0)


def test_another_structure_is_another_recording_also_where_its_leaves_fit():
    f = ad.compile(lambda p: p[0] * 2 if isinstance(p, tuple) else p * 3)
    assert f((3.0,)) == 6.0
    assert f(3.0) == 9.0
    assert f((3.0,)) == 6.0


def test_another_shape_is_another_recording():
    f = ad.compile(lambda x: (x * len(x)).sum())
    assert [f(X), f(X[:2]), f(X)] == [40.0, 6.0, 40.0]


def test_names_defaults_and_any_number_of_arguments_are_taken():
    f = ad.compile(lambda *xs, k=1.0: sum(xs) * k)
    assert f(1.0, 2.0) == 3.0
    assert f(1.0, 2.0, 3.0, k=2.0) == 12.0
    assert f.grad(1.0, 2.0, k=3.0) == 3.0


@pytest.mark.parametrize("bad", ["a", 1j, object(), b"x"], ids=repr)
def test_what_is_no_number_is_refused_by_its_place(bad):
    @ad.compile
    def f(x, y):
        return x

    with pytest.raises(TypeError, match=r"argument 1 of f") as caught:
        f(1.0, bad)
    assert "static_argnames" in str(caught.value)


def test_a_generator_is_refused():
    with pytest.raises(TypeError, match="read once"):
        ad.compile(lambda x: x)(x for x in [1.0])


# ---- Static arguments ----------------------------------------------------------------


def test_a_static_argument_may_stand_anywhere():
    f = ad.compile(
        lambda kind, x, *, n=1: x**n if kind == "a" else -x,
        static_argnames=("kind", "n"),
    )
    assert f("a", 2.0) == 2.0
    assert f("a", 2.0, n=3) == 8.0
    assert f("b", x=2.0) == -2.0
    assert f(kind="a", x=2.0, n=2) == 4.0
    assert f.grad("a", 2.0, n=3, argnums=1) == 12.0
    assert f.hessian("a", 2.0, n=3, argnums=1) == 12.0
    assert f.jacobian("a", X, n=2, argnums=1).tolist() == np.diag(2 * X).tolist()


def test_static_values_that_are_equal_and_of_other_types_are_told_apart():
    f = ad.compile(lambda x, n: x if n is True else 5 * x, static_argnames="n")
    assert [f(2.0, True), f(2.0, 1), f(2.0, 1.0)] == [2.0, 10.0, 10.0]


def test_static_arguments_go_with_any_number_of_others():
    f = ad.compile(lambda *xs, n, **more: sum(xs) * n, static_argnames=("n", "other"))
    assert f(1.0, 2.0, n=2, other="text") == 6.0


def test_a_static_argument_that_cannot_be_hashed_is_refused():
    with pytest.raises(ArgumentError, match="hashable"):
        ad.compile(lambda x, n: x, static_argnames="n")(1.0, [1])


def test_the_name_of_no_parameter_is_refused_for_a_static_argument():
    with pytest.raises(ArgumentError, match="no parameter 'n'"):
        ad.compile(lambda x: x, static_argnames="n")


# ---- Results -------------------------------------------------------------------------


def test_results_may_be_nested_constant_passed_through_and_given_twice():
    f = ad.compile(lambda x: {"b": [x, x * 2, None], "a": 3.0, "c": (x, np.ones(2))})
    for _ in range(2):
        found = f(X)
        assert found["b"][2] is None
        assert found["b"][0].tolist() == found["c"][0].tolist() == X.tolist()
        assert found["a"] == 3.0
        assert found["c"][1].tolist() == [1.0, 1.0]


def test_results_share_no_memory_with_arguments_or_each_other():
    f = ad.compile(lambda x: (x, x, x * 1))
    found = [*f(X), *f(X)]
    for k, z in enumerate(found):
        z[:] = k
    assert [z.tolist() for z in found] == [[k] * 4 for k in range(6)]
    assert X.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert f(X)[0].tolist() == X.tolist()


def test_a_constant_has_zero_derivatives():
    f = ad.compile(lambda x: 3.0)
    assert (f(1.0), f.grad(1.0), f.hessian(1.0)) == (3.0, 0.0, 0.0)
    assert f.grad(X).tolist() == [0.0] * 4


@pytest.mark.parametrize("result", [None, "text", 1j], ids=repr)
def test_a_result_that_is_no_number_is_refused(result):
    with pytest.raises(TypeError, match="result of"):
        ad.compile(lambda x: result)(1.0)


def test_a_generator_function_is_refused():
    def f(x):
        yield x

    with pytest.raises(TypeError, match="result of f"):
        ad.compile(f)(1.0)


# ---- Functions of every kind ---------------------------------------------------------


def test_a_method_of_a_dataclass_sees_what_its_object_holds_now():
    p = Pair(2.0, 1.0)
    assert p.scaled(3.0) == 7.0
    p.a = 5.0
    assert p.scaled(3.0) == 16.0
    assert p.scaled.grad(3.0) == 5.0
    assert p.scaled.value_and_grad(3.0, argnums=(0,)) == (16.0, (5.0,))


def test_a_method_of_another_object_is_compiled_for_each_object():
    one, two = Plain(1.0), Plain(2.0)
    assert (one.scaled(3.0), two.scaled(3.0), Plain(3.0).scaled(3.0)) == (9, 18, 27)
    assert two.scaled.grad(3.0) == 12.0
    assert one.power(3.0, 2) == 9.0
    assert two.power.grad(3.0, n=2) == 12.0
    assert len(one.scaled.programs) == 1


def test_the_compiled_function_of_an_object_goes_with_it():
    one = Plain(1.0)
    one.scaled(1.0)
    n = len(Plain.__dict__["scaled"]._bound)
    del one
    gc.collect()
    assert len(Plain.__dict__["scaled"]._bound) < n


def test_partials_and_objects_that_can_be_called_are_compiled():
    class Triple:
        def __call__(self, x):
            return x * 3

    assert ad.compile(functools.partial(lambda a, x: a * x, 3.0))(2.0) == 6.0
    assert ad.compile(Triple())(2.0) == 6.0


def test_a_compiled_function_looks_like_the_function():
    def f(x):
        """Say what."""
        return x

    compiled = ad.compile(f)
    assert compiled.__name__ == "f"
    assert compiled.__doc__ == "Say what."
    assert compiled.__wrapped__ is f
    assert "f" in repr(compiled)


def test_a_function_may_call_its_compiled_self():
    def halved(x):
        return x if x < 1 else compiled(x * 0.5)

    compiled = ad.compile(halved)
    assert [compiled(x) for x in (8.0, 0.3, 3.0, 8.0)] == [0.5, 0.3, 0.75, 0.5]
    assert compiled.grad(8.0) == 0.0625


def test_what_changes_its_arguments_changes_its_own_copy():
    def f(x):
        x[0] = 5.0
        x *= 2
        return x.sum()

    x = X.copy()
    compiled = ad.compile(f)
    assert [compiled(x), compiled(x)] == [28.0, 28.0]
    assert x.tolist() == X.tolist()
    assert compiled.grad(x).tolist() == [0.0, 2.0, 2.0, 2.0]


def test_a_program_keeps_the_random_numbers_that_it_was_recorded_with():
    numbers = random.Random(0)
    f = ad.compile(lambda x: x + numbers.random())
    assert f(1.0) == f(1.0)


def test_choices_by_something_other_than_arguments_never_give_a_mixture():
    state = [1.0]

    def f(x):
        y = x * state[0]
        return y + 10 if y > 0 else y - 10

    compiled = ad.compile(f)
    assert compiled(1.0) == 11.0
    state[0] = -1.0
    assert compiled(-1.0) in (11.0, -11.0)
    assert compiled(1.0) == 11.0


def test_arrays_of_outside_are_constants_of_the_recording():
    w = np.array([1.0, 2.0])
    f = ad.compile(lambda x: (w * x).sum())
    assert f(1.0) == 3.0
    w[0] = 100.0
    assert f(1.0) == 3.0


# ---- Errors on the way ---------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_an_exception_of_the_function_leaves_everything_as_it_was(error):
    is_raising = [True]

    def f(x):
        y = x * 2
        if is_raising[0]:
            raise error("boom")
        return y

    compiled = ad.compile(f)
    with pytest.raises(error):
        compiled(1.0)
    assert len(compiled.programs) == 0
    w = ad.tensor(3.0, requires_grad=True)
    (w * w).backward()
    assert w.grad == 6.0
    is_raising[0] = False
    assert compiled(1.0) == 2.0


def test_a_singular_matrix_of_a_path_not_taken_is_no_error():
    def f(a, b):
        return ad.linalg.solve(a, b) if ad.linalg.det(a) > 1e-9 else b * 0

    compiled = ad.compile(f)
    for _ in range(2):
        assert compiled(np.eye(2) * 2, np.ones(2)).tolist() == [0.5, 0.5]
        assert compiled(np.zeros((2, 2)), np.ones(2)).tolist() == [0.0, 0.0]
    assert len(compiled.programs) == 2


def test_a_singular_matrix_of_the_path_taken_is_an_error():
    compiled = ad.compile(ad.linalg.solve)
    compiled(np.eye(2), np.ones(2))
    with pytest.raises(ad.LinAlgError):
        compiled(np.zeros((2, 2)), np.ones(2))
    assert compiled(np.eye(2), np.ones(2)).tolist() == [1.0, 1.0]


def test_too_many_paths_name_the_line_that_branches():
    f = ad.compile(lambda x: x * int(x), max_paths=3)
    assert [f(float(k)) for k in range(3)] == [0.0, 1.0, 4.0]
    with pytest.raises(TraceError, match=r"max_paths=3.*test_compile\.py"):
        f(3.0)
    assert f(2.0) == 4.0


# ---- Closures ------------------------------------------------------------------------


def test_a_leaf_of_outside_is_read_anew_and_receives_gradient():
    w = ad.tensor(2.0, requires_grad=True)
    f = ad.compile(lambda x: w * x)
    f(3.0).backward()
    assert w.grad == 3.0
    with ad.no_grad():
        w.mul_(2.5)
    assert f(3.0) == 15.0
    assert f.grad(3.0) == 5.0


def test_each_path_may_close_over_a_leaf_of_its_own():
    v = ad.tensor(2.0, requires_grad=True)
    w = ad.tensor(3.0, requires_grad=True)

    def f(x):
        if x > 1:
            return w * w * x
        return v * x * x if x > 0 else x * 7

    compiled = ad.compile(f)
    for x in (2.0, 0.5, -1.0, 3.0, 0.25):
        for leaf in (v, w):
            leaf.grad = None
        found, wanted = compiled(x), f(ad.tensor(x))
        assert float(ad.as_tensor(found).detach()) == float(wanted.detach())
        if x > 0:
            grads = ad.autograd.grad(found, [v, w], allow_unused=True)
            expected = ad.autograd.grad(wanted, [v, w], allow_unused=True)
            assert [float(g or 0) for g in grads] == [float(g or 0) for g in expected]
            (second,) = ad.autograd.grad(
                ad.autograd.grad(compiled(x), w if x > 1 else v, create_graph=True),
                w if x > 1 else v,
                allow_unused=True,
            )
            assert float(second or 0) == (2 * x if x > 1 else 0.0)


@pytest.mark.parametrize("at", [3.0, [1.0, 2.0]], ids=["0-d", "1-d"])
@pytest.mark.parametrize("which", ["argument", "closed over"])
def test_a_tensor_changed_between_call_and_sweep_is_an_error(at, which):
    x = ad.tensor(at, requires_grad=True)
    w = ad.tensor(at, requires_grad=True)
    f = ad.compile(lambda x: (x * x * w).sum())
    y = f(x)
    with ad.no_grad():
        (x if which == "argument" else w).mul_(10.0)
    with pytest.raises(GraphError, match="modified by an inplace"):
        y.backward()
    f(x).backward()


def test_an_array_changed_between_call_and_sweep_changes_nothing():
    x = ad.tensor(X, requires_grad=True)
    m = np.array([1.0, 2.0, 3.0, 4.0])
    rows = ad.vmap(lambda x, m: x * m)(x, m).sum()
    y = ad.compile(lambda x, m: (x * m).sum())(x, m) + rows
    m *= 10
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0, 8.0]


# ---- Threads -------------------------------------------------------------------------


def test_threads_may_record_and_call_one_function_at_once():
    def f(x, y):
        total = x * 0
        for k in range(8):
            total = total + (x * k if x * k > y else y)
        return total

    compiled = ad.compile(f)
    points = [(0.3 * i, 0.7 * j) for i in range(8) for j in range(8)]
    wanted = [f(*p) for p in points]
    found: dict[int, list[Any]] = {}
    start = threading.Barrier(6)

    def work(me: int) -> None:
        start.wait()
        turned = points[me:] + points[:me]
        found[me] = [(p, compiled(*p), compiled.grad(*p)) for p in turned * 3]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    table = dict(zip(points, wanted, strict=True))
    gradient = {p: ad.grad(f)(*p) for p in points}
    for results in found.values():
        for p, value, slope in results:
            assert value == pytest.approx(table[p], rel=1e-14)
            assert slope == pytest.approx(gradient[p], rel=1e-14)


def test_a_function_may_be_dropped_while_it_runs():
    holder: list[Any] = []

    def f(x):
        holder.clear()
        gc.collect()
        return x * 2 if x > 0 else x

    holder.append(ad.compile(f))
    assert holder[0](1.0) == 2.0
    gc.collect()


# ---- What there is to look at --------------------------------------------------------


def test_paths_show_lines_and_how_many_calls_took_each():
    @ad.compile
    def f(x):
        if x > 0:
            return x
        return -x

    for x in (1.0, 2.0, 3.0, -1.0):
        f(x)
    assert [n_used for _, n_used in f.paths] == [3, 1]
    text = str(f.paths)
    assert "f: 2 paths" in text
    assert "taken by 3 calls" in text
    assert text.count("test_compile.py") == 2


def test_paths_of_a_function_not_called_yet_say_so():
    assert "no paths yet" in str(ad.compile(lambda x: x).paths)
