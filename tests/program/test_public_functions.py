"""Every public function of tensors, in a function that is being recorded: the record
is right at other points, or a guard says that it is not, or recording is refused."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from program.tracing import check, replayed, trace

import autodiff as ad
from autodiff import _core
from autodiff.errors import TraceError

X = np.array([0.3, -0.7, 0.7, 0.1])
OTHERS = [
    np.array([0.31, -0.72, 0.73, 0.12]),  # every choice as before
    np.array([0.9, 0.2, -0.4, 0.5]),
    np.array([-0.3, -0.3, 0.0, 0.0]),
    np.array([0.5, np.nan, 0.1, 0.4]),
    np.array([np.inf, 1.0, -np.inf, 1.0]),
]
W = ad.tensor([0.5, -0.25, 0.0, 2.0])

CALLS: dict[str, Any] = {
    # creation
    "tensor": lambda x: ad.tensor([x[0], x[1] * 2, 1.0]),
    "as_tensor": ad.as_tensor, "LongTensor": lambda x: ad.LongTensor([x[0] * 9, x[1]]),
    "full": lambda x: ad.full((2, 3), x[1]),
    "full_like": lambda x: ad.full_like(x, x[0] * 2),
    "linspace": lambda x: ad.linspace(x[0], x[2], 5),
    "zeros_like": lambda x: ad.zeros_like(x) + x,
    "ones_like": lambda x: ad.ones_like(x) + x,
    "empty_like": lambda x: ad.empty_like(x) + x,
    "clone": ad.clone, "detach": ad.detach, "stop_gradient": ad.stop_gradient,
    "grad_reverse": lambda x: ad.grad_reverse(x, 0.5),
    # questions and masks
    "isnan": ad.isnan, "isinf": ad.isinf, "isfinite": ad.isfinite,
    "eq": lambda x: ad.eq(x, W), "ne": lambda x: ad.ne(x, W),
    "lt": lambda x: ad.lt(x, W),
    "le": lambda x: ad.le(x, W), "gt": lambda x: ad.gt(x, W),
    "ge": lambda x: ad.ge(W, x),
    "isclose": lambda x: ad.isclose(x, x[0], 0.5, 0.1),
    "allclose": lambda x: 1.0 * ad.allclose(x, x[0], 0.5, 0.1),
    "equal": lambda x: 1.0 * ad.equal(x, x.flip(0)),
    "all": lambda x: ad.all(x > 0), "any": lambda x: ad.any(x > 0.6),
    "where": lambda x: ad.where(x > 0, x, -2.0 * x),
    "masked_fill": lambda x: ad.masked_fill(x, x < 0, 5.0),
    "masked_select": lambda x: ad.masked_select(x, x > 0).sum(),
    "numel": lambda x: ad.numel(x) * x, "is_tensor": lambda x: ad.is_tensor(x) * x,
    "logical_and": lambda x: ad.logical_and(x > 0, W),
    "logical_or": lambda x: ad.logical_or(x > 0, W),
    "logical_xor": lambda x: ad.logical_xor(x > 0, W),
    "logical_not": lambda x: ad.logical_not(x > 0),
    "nonzero": lambda x: x[ad.nonzero(x > 0).squeeze(1)].sum(),
    "count_nonzero": lambda x: ad.count_nonzero(x > 0),
    # order
    "argmax": lambda x: ad.argmax(x) * x, "argmin": lambda x: ad.argmin(x) * x,
    "argsort": lambda x: ad.argsort(x) * x, "sort": lambda x: tuple(ad.sort(x)),
    "topk": lambda x: tuple(ad.topk(x, 2)), "median": lambda x: ad.median(x),
    "max": lambda x: tuple(ad.max(x, 0)), "min": lambda x: tuple(ad.min(x, 0)),
    "amax": ad.amax, "amin": ad.amin,
    # reductions
    **{n: getattr(ad, n) for n in "sum mean prod var std norm".split()},
    "cumsum": lambda x: ad.cumsum(x, 0), "cumprod": lambda x: ad.cumprod(x, 0),
    "logsumexp": lambda x: ad.logsumexp(x, 0), "softmax": lambda x: ad.softmax(x, 0),
    "log_softmax": lambda x: ad.log_softmax(x, 0),
    # elements by position
    "gather": lambda x: ad.gather(x, 0, 1 * (x > 0)),
    "take": lambda x: ad.take(x, ad.argsort(x)),
    "index_select": lambda x: ad.index_select(x, 0, ad.argsort(x)),
    "take_along_dim": lambda x: ad.take_along_dim(x, ad.argsort(x), 0),
    "diag": ad.diag, "roll": lambda x: ad.roll(x, 1),
    "repeat": lambda x: ad.repeat(x, 2),
    "tile": lambda x: ad.tile(x, 2), "pad": lambda x: ad.pad(x, (1, 2)),
    "repeat_interleave": lambda x: ad.repeat_interleave(x, 2),
    "tril": lambda x: ad.tril(x.reshape(2, 2)),
    "triu": lambda x: ad.triu(x.reshape(2, 2)),
    # shapes
    "reshape": lambda x: ad.reshape(x, 2, 2), "view": lambda x: ad.view(x, 2, 2),
    "flatten": ad.flatten, "unflatten": lambda x: ad.unflatten(x, 0, (2, 2)),
    "ravel": ad.ravel, "squeeze": lambda x: ad.squeeze(x.reshape(1, 4)),
    "unsqueeze": lambda x: ad.unsqueeze(x, 0), "expand": lambda x: ad.expand(x, 2, 4),
    "broadcast_to": lambda x: ad.broadcast_to(x, (2, 4)),
    "permute": lambda x: ad.permute(x.reshape(2, 2), 1, 0),
    "transpose": lambda x: ad.transpose(x.reshape(2, 2), 0, 1),
    "swapaxes": lambda x: ad.swapaxes(x.reshape(2, 2), 0, 1),
    "swapdims": lambda x: ad.swapdims(x.reshape(2, 2), 0, 1),
    "movedim": lambda x: ad.movedim(x.reshape(2, 2), 0, 1),
    "moveaxis": lambda x: ad.moveaxis(x.reshape(2, 2), 0, 1),
    "t": lambda x: ad.t(x.reshape(2, 2)), "flip": ad.flip,
    "diagonal": lambda x: ad.diagonal(x.reshape(2, 2)),
    "narrow": lambda x: ad.narrow(x, 0, 1, 2), "select": lambda x: ad.select(x, 0, 1),
    "cat": lambda x: ad.cat([x, W]), "concat": lambda x: ad.concat([x, W]),
    "concatenate": lambda x: ad.concatenate([x, W]),
    "stack": lambda x: ad.stack([x, W]),
    "hstack": lambda x: ad.hstack([x, W]), "vstack": lambda x: ad.vstack([x, W]),
    "split": lambda x: ad.split(x, 2), "chunk": lambda x: ad.chunk(x, 2),
    "unbind": ad.unbind, "meshgrid": lambda x: ad.meshgrid(x, W),
    # products
    "matmul": lambda x: ad.matmul(x.reshape(2, 2), W.reshape(2, 2)),
    "mm": lambda x: ad.mm(x.reshape(2, 2), W.reshape(2, 2)),
    "addmm": lambda x: ad.addmm(x, x.reshape(4, 1), x.reshape(1, 4), alpha=2),
    "bmm": lambda x: ad.bmm(x.reshape(1, 2, 2), x.reshape(1, 2, 2)),
    "mv": lambda x: ad.mv(x.reshape(2, 2), x[:2]), "dot": lambda x: ad.dot(x, W),
    "vdot": lambda x: ad.vdot(x, x), "inner": lambda x: ad.inner(x, x),
    "outer": lambda x: ad.outer(x, W), "trace": lambda x: ad.trace(x.reshape(2, 2)),
    "tensordot": lambda x: ad.tensordot(x, W, 1),
    "einsum": lambda x: ad.einsum("i,j->ij", x, x),
    # with options
    "lerp": lambda x: ad.lerp(x, W, 0.3), "clip": lambda x: ad.clip(x, -0.5, 0.5),
    "clamp": lambda x: ad.clamp(x, x[1], 0.5),
    "div": lambda x: ad.div(x, 0.25, rounding_mode="floor"),
    "round": lambda x: ad.round(x, decimals=1), "softplus": lambda x: ad.softplus(x, 2),
    "add": lambda x: ad.add(x, W, alpha=x[0]), "sub": lambda x: ad.sub(x, W, alpha=2),
    "fma": lambda x: ad.fma(x, W, x), "polygamma": lambda x: ad.polygamma(1, x),
}  # fmt: skip

# Refused, with a sentence that says what to use instead.
REFUSED = {
    "tensor of a tensor": lambda x: ad.tensor(x),
    "arange": lambda x: ad.arange(x[0]),
    "asarray": lambda x: np.asarray(x),
    "bernoulli": lambda x: ad.bernoulli(x * 0 + 0.5),
    "multinomial": lambda x: ad.multinomial(x * x, 1),
    "normal": lambda x: ad.normal(x, 1.0),
    "array of scalars": lambda x: np.array([x[0], x[1]]),
    "float": lambda x: float(x[0]),
    "complex": lambda x: complex(x[0]),
    "item": lambda x: x[0].item(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "detached numpy": lambda x: x.detach().numpy(),
    "data as an array": lambda x: np.asarray(x.data),
    "math": lambda x: __import__("math").sin(x[0]),
    "old formatting": lambda x: "%f" % x[0],  # noqa: UP031
    "backward": lambda x: x.sum().backward(),
    "ad.backward": lambda x: ad.backward(x.sum()),
    "autograd.grad": lambda x: ad.autograd.grad(x.sum(), x),
    "tangent": lambda x: ad.tangent(x, x, ad.ones(4)),
    "register_hook": lambda x: x.register_hook(print),
    "retain_grad": lambda x: x.retain_grad(),
    "grad_fn": lambda x: x.grad_fn,
    "requires_grad_": lambda x: x.requires_grad_(),
    "requires_grad_(False)": lambda x: x.requires_grad_(False),
    "nan_report": lambda x: ad.nan_report(x.sum()),
    "deepcopy": lambda x: __import__("copy").deepcopy(x),
    "pickle": lambda x: __import__("pickle").dumps(x),
    "data = ": lambda x: setattr(x, "data", W),
    "sum of masks": lambda x: (x > 0) + (x < 0.5),
    "product of masks as an index": lambda x: x[(x > 0) * (x < 0.5)],
    "list of values as an index": lambda x: x[[x[0] * 0, 1]],
}  # fmt: skip

EXEMPT = set(
    # no operands that are tensors
    "Function arange backward bernoulli device multinomial normal randint randperm "
    "clone copy detect_anomaly double empty enable_grad eye "
    "from_numpy inference_mode is_grad_enabled manual_seed no_grad ones ops rand "
    "rand_like randn randn_like set_detect_anomaly set_grad_enabled tape_info zeros "
    "nan_report tangent dtype fit get_default_dtype set_default_dtype load".split()
)


def _public() -> list[str]:
    return [
        name
        for name, value in vars(ad).items()
        if not name.startswith("_") and callable(value) and not inspect.isclass(value)
        and str(getattr(value, "__module__", "")).split(".")[1:2] not in _TRANSFORMS
        and name not in EXEMPT
    ]  # fmt: skip


# Functions of functions have tests of their own.
_TRANSFORMS = [["programs"], ["functional"], ["testing"]]


def _call(name: str) -> Any:
    if name in CALLS:
        return CALLS[name]
    row = next(row for row in _core.ops() if name in row.names)
    operands = row.n_args - 1
    return lambda x: getattr(ad, name)(
        x, *[x + 0.25 * (k + 1) for k in range(operands)]
    )


@pytest.mark.parametrize("name", _public())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_public_function_records_guards_or_refuses(name: str) -> None:
    check(_call(name), X, OTHERS)


@pytest.mark.parametrize("name", _public())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_guards_hold_where_every_choice_is_as_before(name: str) -> None:
    if name in ("allclose", "equal", "round", "div"):
        return
    assert replayed(trace(_call(name), X), OTHERS[0])[1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused(name: str) -> None:
    with pytest.raises(TraceError) as caught:
        trace(REFUSED[name], X)
    assert re.search(r"use|give|write|instead|combine|as \w+\(", str(caught.value))
