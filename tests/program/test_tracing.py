"""Functions that choose, index, change in place and forget, while they are recorded."""

from __future__ import annotations

import bisect
import copy
import gc
import threading
from typing import Any

import numpy as np
import pytest
from program.tracing import check, eager, replayed, same, trace

import autodiff as ad
from autodiff import _core
from autodiff.errors import TraceError

X = np.array([0.3, -0.7, 0.7, 0.1])
NEAR = np.array([0.31, -0.72, 0.73, 0.12])
OTHERS = [
    NEAR,
    np.array([0.9, 0.2, -0.4, 0.5]),
    np.array([-0.3, -0.3, 0.0, 0.0]),
    np.array([0.7, 0.7, 0.7, 0.1]),
    np.array([0.5, np.nan, 0.1, 0.4]),
    np.array([np.inf, 1.0, -np.inf, 1.0]),
]
W = np.array([0.5, -0.25, 0.0, 2.0])


def _assigned(x: Any) -> Any:
    out = ad.zeros(3)
    out[0] = x[1]
    out[1:] = x[2:] * 2
    return out * x[0]


def _masked(x: Any) -> Any:
    y = x * 2
    y[y < 0] = 0.0
    y[y > 1.2] = x[0]
    return y


def _accumulated(x: Any) -> Any:
    total = ad.tensor(0.0)
    for part in x:
        total += part * part
    total *= x[0]
    return total


def _while(x: Any) -> Any:
    n = 0
    y = x.sum()
    while y < 10:
        y, n = y * 2 + 1, n + 1
    return y * n


def _at_mask(x: Any) -> Any:
    y = x * 1
    y[x > 0.2] = x[x > 0.2] * 2
    return y


FUNCTIONS = {
    "if": lambda x: x[0] * 2 if x[1] > 0 else -x[0],
    "while": _while,
    "builtin max": lambda x: max(x[0], x[1] * 2, x[2]),
    "builtin sorted": lambda x: ad.stack(sorted(x)),
    "chained comparison": lambda x: x[0] if -0.5 < x[1] < 0.5 else x[1],
    "bisect": lambda x: bisect.bisect([-0.5, 0.0, 0.5], x[0]) * x[1],
    "not": lambda x: 1.0 if not x[3] else x[0],
    "int": lambda x: int(x[0] * 10) * x[1],
    "floor divide": lambda x: (x * 10) // 3,
    "range of int": lambda x: sum((x[1] for _ in range(int(abs(x[0]) * 8))), x[2]),
    "index": lambda x: [1.0, 2.0, 3.0][round(x[0])] * x[1],
    "0-d index tensor": lambda x: x[(x > 0).sum() - 1],
    "integer index tensor": lambda x: x[ad.argsort(x)],
    "mask index": lambda x: x[x > 0].sum(),
    "mask of several": lambda x: x[(x > -0.5) & ~(x > 0.5) | (x < -2)].sum(),
    "mask slice": lambda x: x[1:][(x > 0)[1:]].sum(),
    "xor": lambda x: (x > 0) ^ (x > 0.5),
    "mask with an array": lambda x: np.array([True, True, False, False]) & (x > 0),
    "mask with a bool": lambda x: (x > 0) & True,
    "mask times x": lambda x: (x > 0) * x + (x <= 0) * x * x,
    "any": lambda x: x if (x > 0.6).any() else -x,
    "all": lambda x: x if (x > -0.6).all() else -x,
    "any along": lambda x: (x.reshape(2, 2) > 0.2).any(1),
    "builtin all": lambda x: x if all(x > -0.6) else -x,
    "count": lambda x: (x > 0).sum() * x,
    "in": lambda x: x if 0.7 in x else -x,
    "where positions": lambda x: x[ad.where(x > 0)[0]].sum(),
    "where of a mask": lambda x: ad.where((x > 0) & (x < 0.5), x, 0.0),
    "equal": lambda x: x if ad.equal(x, x.flip(0)) else -x,
    "isnan": lambda x: ad.where(ad.isnan(x), 0.0, x),
    "astype": lambda x: (x > 0).astype(float) * x,
    "astype int": lambda x: (x > 0).astype(int) * x,
    "assigned": _assigned,
    "masked assignment": _masked,
    "accumulated": _accumulated,
    "detach": lambda x: x.detach() * x,
    "data": lambda x: x.data + x,
    "median along": lambda x: tuple(x.reshape(2, 2).median(1)),
    "median": lambda x: x[:3].median(),
    "max along": lambda x: tuple(x.reshape(2, 2).max(0)),
    "argmax of all": lambda x: x.reshape(2, 2).argmax() * x,
    "argmin along": lambda x: x.reshape(2, 2).argmin(1),
    "sort down": lambda x: tuple(x.sort(descending=True)),
    "topk least": lambda x: tuple(x.topk(3, largest=False)),
    "topk all": lambda x: tuple(x.topk(4)),
    "topk none": lambda x: tuple(x.topk(0)),
    "norm 3": lambda x: x.norm(3), "norm 0": lambda x: x.norm(0),
    "norm 1": lambda x: x.norm(1), "norm inf": lambda x: x.norm(np.inf),
    "norm along": lambda x: x.reshape(2, 2).norm(dim=1, keepdim=True),
    "logsumexp along": lambda x: ad.logsumexp(x.reshape(2, 2), 1),
    "softmax along": lambda x: ad.softmax(x.reshape(2, 2), 0),
    "std": lambda x: x.std(), "cumprod": lambda x: ad.cumprod(x, 0),
    "copy": lambda x: copy.copy(x) * 2,
    "formatted": lambda x: x * (len(f"{x[0]:.2f}") > 0),
    # NumPy
    "np.where": lambda x: np.where(x > 0, x, W),
    "np.isfinite": lambda x: np.where(np.isfinite(x), x, 0.0),
    "np.signbit": lambda x: np.signbit(x), "np.isinf": lambda x: np.isinf(x),
    "np.logical_and": lambda x: np.logical_and(x > 0, W),
    "np.logical_or": lambda x: np.logical_or(x > 0, W > 0),
    "np.logical_xor": lambda x: np.logical_xor(x, W),
    "np.logical_not": lambda x: np.logical_not(x),
    "np.less": lambda x: np.less(x, W), "np.greater": lambda x: np.greater(W, x),
    "np.less of a list": lambda x: np.less(x, [0.0, 1.0, 0.5, 0.0]),
    "np.argmax": lambda x: np.argmax(x) * x, "np.argsort": lambda x: x[np.argsort(-x)],
    "np.sort": lambda x: np.sort(x), "np.median": lambda x: np.median(x[:3]),
    "np.any": lambda x: x if np.any(x > 0.6) else -x,
    "np.all": lambda x: np.all(x > 0) * x,
    "np.count_nonzero": lambda x: np.count_nonzero(x > 0) * x,
    "np.nonzero": lambda x: x[np.nonzero(x > 0)].sum(),
    "np.array_equal": lambda x: np.array_equal(x, x[::-1]) * x,
    "np.allclose": lambda x: np.allclose(x, 0.0, 0.0, 0.8) * x,
    "np.isclose": lambda x: np.isclose(x, W, 0.5, 0.1),
    "np.searchsorted": lambda x: np.searchsorted([-0.5, 0.0, 0.5], x) * x,
    "np.searchsorted right": lambda x: np.searchsorted([-0.7, 0.3], x, "right") * x,
    "np.maximum": lambda x: np.maximum(x, W),
    "np.clip": lambda x: np.clip(x, -0.5, x[2]),
    "np.linalg.norm": lambda x: np.linalg.norm(x),
    "np.full_like": lambda x: np.full_like(x, x[0]),
    "slice by value": lambda x: x[: (x > 0).sum()].sum(),
    "list by value": lambda x: [1.0, 2.0, 3.0, 4.0, 5.0][(x > 0).sum()] * x,
    "array by value": lambda x: W[(x > 0.2).sum()] * x,
    "take by value": lambda x: x.take((x > 0) * 1),
    "shape by value": lambda x: ad.zeros((x > 0).sum() + 1).sum() + x,
    "np.float64 on the left": lambda x: np.float64(2.0) * x + (np.float64(0.2) > x),
    "new_full": lambda x: x.new_full((2,), x[0]),
    "new_tensor": lambda x: x.new_tensor([x[0], 1.0]),
    "two-axis mask": lambda x: x.reshape(2, 2)[x.reshape(2, 2) > 0].sum(),
    "mask in a tuple": lambda x: x.reshape(2, 2)[x[:2] > 0, 1].sum(),
    "vector at a mask": lambda x: _at_mask(x),
    "clamp in place": lambda x: (x * 1).clamp_(-0.5, x[2]),
    "unary in place": lambda x: (x * 1).sin_(),
    "copy in place": lambda x: ad.zeros(4).copy_(x) * x,
    "fill in place": lambda x: ad.zeros(4).fill_(x[1]) * x,
    "zero in place": lambda x: (x * 1).zero_() + x,
    "is None": lambda x: x if x is not None and x != None else -x,  # noqa: E711
    "object array": lambda x: np.array([x[0], x[1] * 2], dtype=object).sum(),
    "lstsq": lambda x: tuple(ad.linalg.lstsq(x.reshape(4, 1), W)),
    "lstsq of a square": lambda x: tuple(ad.linalg.lstsq(x.reshape(2, 2), W[:2])),
    "lstsq of deficient": lambda x: ad.linalg.lstsq(
        ad.stack([x, 0 * x], 1), W
    ).residuals.sum(),
    "det": lambda x: ad.linalg.det(x.reshape(2, 2)),
    "solve": lambda x: ad.linalg.solve(x.reshape(2, 2) + 3 * np.eye(2), x[:2]),
    "slogdet": lambda x: tuple(ad.linalg.slogdet(x.reshape(2, 2))),
    "svdvals": lambda x: ad.linalg.svdvals(x.reshape(2, 2)),
    "matrix norm": lambda x: ad.linalg.norm(x.reshape(2, 2), 2),
    "np.interp by hand": lambda x: W[int(np.searchsorted([-0.5, 0.5], x[0]))] * x[1],
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_record_is_right_or_a_guard_says_that_it_is_not(name: str) -> None:
    try:
        check(FUNCTIONS[name], X, OTHERS)
    except (ValueError, OverflowError, ArithmeticError, IndexError, RuntimeError):
        check(FUNCTIONS[name], X, OTHERS[:4])  # the function itself fails at infinity


@pytest.mark.parametrize("name", FUNCTIONS)
def test_guards_hold_at_a_point_with_the_same_choices(name: str) -> None:
    if name not in ("in", "np.searchsorted right", "bisect"):
        assert replayed(trace(FUNCTIONS[name], X), NEAR)[1]


CHOICES = {
    "argmax": lambda x: ad.argmax(x) * x,
    "argsort": lambda x: ad.argsort(x) * x,
    "mask": lambda x: x[x > 0].sum(),
    "median": lambda x: x.median(0).indices * x,
    "ties": lambda x: ad.median(x[:3]),
    "topk": lambda x: x.topk(1).values,
    "if": lambda x: x[0] if x[1] > x[2] else x[3],
}


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("seed", range(4))
def test_a_guard_flips_exactly_where_the_answer_changes(name: str, seed: int) -> None:
    # Whole numbers, so that ties are frequent.
    draw = np.random.default_rng(seed).integers(-1, 2, (12, 4)).astype(float)
    traced = trace(CHOICES[name], draw[0])
    for at in draw[1:]:
        found, holds = replayed(traced, at)
        assert not holds or same(found, eager(CHOICES[name], at))


def test_first_of_ties_is_part_of_the_choice() -> None:
    traced = trace(lambda x: ad.argmax(x) + 0 * x[0], np.array([1.0, 3.0, 2.0]))
    assert replayed(traced, np.array([1.0, 3.0, 3.0]))[1]
    assert not replayed(traced, np.array([3.0, 3.0, 2.0]))[1]


def test_a_guard_knows_its_line() -> None:
    traced = trace(lambda x: x if x > 0 else -x, 1.0)
    ((outcome, line),) = traced.program.guards
    assert outcome == 1.0
    assert "test_tracing.py" in line


def test_a_guard_inside_a_library_function_has_the_user_s_line() -> None:
    ((_, line),) = trace(lambda x: x.sort().values, X).program.guards
    assert "test_tracing.py" in line


# ---- What has no derivative ----------------------------------------------------------


def _gradient(function: Any, at: Any) -> Any:
    traced = trace(function, at)
    n = len(traced.program.output_shapes)
    outputs, _ = traced.program.reverse([True]).evaluate([at, *[1.0] * n])
    return outputs[-1].item()


def _without_grad(x: Any) -> Any:
    with ad.no_grad():
        y = x * x
    return y * x


@pytest.mark.parametrize(
    "function",
    [lambda x: x.detach() ** 2 * x, lambda x: x.data**2 * x, _without_grad],
    ids=["detach", "data", "no_grad"],
)
def test_a_stopped_value_replays_and_has_no_derivative(function: Any) -> None:
    assert replayed(trace(function, 3.0), 2.0)[0][0] == 8.0
    assert _gradient(function, 3.0) == 9.0


def test_detach_in_place_stops_what_follows() -> None:
    def function(x: Any) -> Any:
        y = x * x
        y.detach_()
        return y * x

    assert replayed(trace(function, 3.0), 2.0)[0][0] == 8.0
    assert _gradient(function, 3.0) == 9.0


def test_a_shift_of_softmax_has_no_derivative_of_its_own() -> None:
    traced = trace(lambda x: ad.softmax(x, 0)[0], X)
    outputs, _ = traced.program.reverse([True]).evaluate([NEAR, 1.0])
    x = ad.tensor(NEAR, requires_grad=True)
    ad.softmax(x, 0)[0].backward()
    np.testing.assert_allclose(outputs[1].numpy(), x.grad.numpy(), rtol=1e-13)


def test_a_norm_has_its_gradient_at_other_scales() -> None:
    traced = trace(ad.norm, X)
    at = NEAR * 1e200
    outputs, _ = traced.program.reverse([True]).evaluate([at, 1.0])
    np.testing.assert_allclose(
        outputs[1].numpy(), at / np.linalg.norm(at / 1e200) / 1e200
    )


# ---- In place ------------------------------------------------------------------------


def test_a_function_may_change_its_own_argument() -> None:
    def function(x: Any) -> Any:
        x[0] = x[1] * 2
        x *= 3
        return x

    given = ad.tensor(X)
    traced = trace(function, given)
    assert given.tolist() == X.tolist()
    found, _ = replayed(traced, NEAR)
    assert same(found, [np.array([-1.44, -0.72, 0.73, 0.12]) * 3])


def test_a_constant_that_is_changed_later_is_what_it_was() -> None:
    def function(x: Any) -> Any:
        y = ad.zeros(2)
        first = y + x
        y += 1
        second = y * x
        return first, second

    check(function, 2.0, [3.0])


def test_data_of_outside_that_changes_after_recording_is_what_it_was() -> None:
    data = ad.tensor([1.0, 2.0])
    traced = trace(lambda x: data * x, 1.0)
    data[0] = 7.0
    assert same(replayed(traced, 2.0)[0], [np.array([2.0, 4.0])])


OUTSIDE = ad.tensor([1.0, 2.0])
NUMBER = ad.tensor(1.0)
LEAF = ad.tensor([1.0, 2.0], requires_grad=True)


def _update_number(x: Any) -> Any:
    with ad.no_grad():
        NUMBER.mul_(2.0)
    return x


def _update_leaf(x: Any) -> Any:
    with ad.no_grad():
        LEAF.sub_(x)
    return x


def _change_under_no_grad(x: Any) -> Any:
    y = x * 2
    with ad.no_grad():
        y += 1
    return y


def _change_detached(x: Any) -> Any:
    y = x * 2
    z = y.detach()
    z += 1
    return y


def _change_data(x: Any) -> Any:
    y = x * 2
    y.data.fill_(0.0)
    return y


CHANGES = {
    "index": lambda x: OUTSIDE.__setitem__(0, x),
    "add": lambda x: OUTSIDE.add_(x),
    "number": lambda x: NUMBER.add_(1.0),
    "number under no_grad": _update_number,
    "leaf": _update_leaf,
    "fill": lambda x: OUTSIDE.fill_(x),
    "copy": lambda x: OUTSIDE.copy_(x),
    "zero": lambda x: OUTSIDE.zero_(),
    "under no_grad": _change_under_no_grad,
    "detached": _change_detached,
    "data": _change_data,
    "unary": lambda x: OUTSIDE.exp_(),
    "numpy out": lambda x: np.add(OUTSIDE, x, out=OUTSIDE),
    "unary ufunc out": lambda x: np.exp(OUTSIDE, out=OUTSIDE),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_place_that_a_replay_would_miss_is_refused(name: str) -> None:
    with pytest.raises(TraceError):
        trace(CHANGES[name], 1.0)
    assert OUTSIDE.tolist() == [1.0, 2.0]
    assert (NUMBER.item(), LEAF.tolist()) == (1.0, [1.0, 2.0])


def _alias_of_array(x: Any) -> Any:
    y = ad.zeros(2)
    z = y.detach()
    y[0] = x
    return z


def _alias_of_number(x: Any) -> Any:
    y = ad.tensor(0.0)
    z = y.detach()
    y += x
    return z


def _view(x: Any) -> Any:
    y = ad.zeros(2)
    z = y.view(2, 1)
    y[0] = x
    return z


@pytest.mark.parametrize("function", [_alias_of_array, _alias_of_number, _view])
def test_a_change_that_another_tensor_would_share_is_refused(function: Any) -> None:
    with pytest.raises(RuntimeError, match="shares its memory"):
        trace(function, 1.0)


# ---- Tensors with gradient of outside, and values that get out ---------------------


def test_a_leaf_of_outside_is_an_input_of_the_program() -> None:
    w = ad.tensor(2.0, requires_grad=True)
    traced = trace(lambda x: x * w if w > 0 else x, 3.0)
    assert traced.captured == [w]
    with ad.no_grad():
        w.copy_(5.0)
    assert replayed(traced, 3.0) == ([15.0], True)


def test_a_leaf_of_outside_is_no_plain_number_inside() -> None:
    w = ad.tensor(2.0, requires_grad=True)
    with pytest.raises(TraceError):
        trace(lambda x: x * w.item(), 3.0)


def _leaked() -> Any:
    kept: list[Any] = []
    trace(lambda x: kept.append(x * 2) or x, 1.0)
    return kept[0]


USES = {
    "add": lambda x: x + 1,
    "compare": lambda x: x > 0,
    "bool": bool,
    "float": float,
    "int": int,
    "item": lambda x: x.item(),
    "array": np.asarray,
    "detach": lambda x: x.detach(),
    "sum": lambda x: x.sum(),
    "backward": lambda x: x.backward(),
    "grad": lambda x: ad.autograd.grad(x, x),
    "hook": lambda x: x.register_hook(print),
    "grad_fn": lambda x: x.grad_fn,
    "in place": lambda x: x.add_(1.0),
    "operand in place": lambda x: ad.tensor(1.0).add_(x),
    "where": lambda x: ad.where(x, 1.0, 2.0),
    "index": lambda x: [1, 2, 3][x],
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("mode", [ad.enable_grad, ad.no_grad])
def test_a_value_that_got_out_cannot_be_used(name: str, mode: Any) -> None:
    x = _leaked()
    with mode(), pytest.raises(TraceError, match="after that has ended"):
        USES[name](x)


def test_a_value_that_got_out_can_be_printed_and_collected() -> None:
    x = _leaked()
    assert repr(x) == "tensor(2., traced=True)"
    del x
    gc.collect()


def test_a_value_of_an_inner_function_cannot_be_used_in_the_outer() -> None:
    def outer(x: Any) -> Any:
        return _leaked() * x

    with pytest.raises(TraceError, match="after that has ended"):
        trace(outer, 1.0)


@pytest.mark.parametrize("name", USES)
def test_another_thread_cannot_use_a_value(name: str) -> None:
    caught: list[BaseException] = []

    def use(x: Any) -> None:
        try:
            USES[name](x)
        except BaseException as error:
            caught.append(error)

    def function(x: Any) -> Any:
        thread = threading.Thread(target=use, args=(x * 2,))
        thread.start()
        thread.join()
        return x

    trace(function, 1.0)
    assert isinstance(caught[0], TraceError)


def test_a_mask_of_an_outer_function_stays_a_mask_in_an_inner_one() -> None:
    kept: list[Any] = []

    def outer(x: Any) -> Any:
        mask = x > 0
        inner = trace(lambda y: y[mask].sum() + y[1:][mask[1:]].sum(), x.shape[0] * X)
        kept.append(inner)
        return x

    trace(outer, X)
    (inner,) = kept
    outputs, found = inner.program.evaluate([NEAR, X > 0])
    assert outputs[0].item() == pytest.approx(0.31 + 2 * 0.73 + 2 * 0.12)
    assert found == [outcome for outcome, _ in inner.program.guards]


def test_an_array_of_bools_is_a_mask_inside() -> None:
    traced = trace(lambda x, mask: x[mask].sum(), X, X > 0)
    assert replayed(traced, NEAR, X > 0)[0] == [pytest.approx(0.31 + 0.73 + 0.12)]
    assert not replayed(traced, NEAR, X < 0)[1]


REFUSED_OF_MASKS = {
    "sum in place": lambda m: m.__iadd__(m.clone()),
    "sum with an array": lambda m: m + (X > 0),
    "product": lambda m: m @ m,
    "dot": lambda m: np.dot(m, m),
    "diff": lambda m: np.diff(m),
    "and with integers": lambda m: m & np.array([1, 2, 0, 4]),
    "and with numbers": lambda m: m & 2.0,
    "sum of a product": lambda m: m * m + m,
    "product with an array as an index": lambda m: ad.zeros(4)[m * (X > 0)],
}


@pytest.mark.parametrize("name", REFUSED_OF_MASKS)
def test_arithmetic_that_numpy_does_otherwise_on_bools_is_refused(name: str) -> None:
    with pytest.raises(TypeError):
        trace(lambda x: REFUSED_OF_MASKS[name](x > 0), X)


def test_recording_ends_when_the_function_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 // 0, 1.0)
    assert not _core.is_tracing()
    x = ad.tensor(1.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.item() == 2.0


def test_switching_anomaly_detection_inside_is_harmless() -> None:
    def function(x: Any) -> Any:
        ad.set_detect_anomaly(False)
        y = x * 2
        with ad.detect_anomaly():
            return y + x

    assert replayed(trace(function, 1.0), 2.0)[0] == [6.0]


def test_collecting_inside_is_harmless() -> None:
    def function(x: Any) -> Any:
        y = x * 2
        _core.collect()
        gc.collect()
        return y + x

    assert replayed(trace(function, 1.0), 2.0)[0] == [6.0]


def test_an_element_of_a_plain_array_is_refused() -> None:
    def function(x: Any) -> Any:
        out = np.zeros(2)
        out[0] = x
        return out

    with pytest.raises((TraceError, ValueError)):
        trace(function, 1.0)


def test_an_object_array_keeps_its_tensors() -> None:
    check(lambda x: ad.tensor(np.array([x, x * 2], dtype=object)), 1.0, [2.0])
