"""Exact derivatives of ordinary Python maths, at C speed, in a small package.

>>> import autodiff as ad
>>> w = ad.tensor(8.0, requires_grad=True)
>>> loss = (w * 2.0 - 5.0) ** 2
>>> loss.backward()
>>> w.grad
tensor(44.)
"""

from typing import Any as _Any

import numpy as _np

from autodiff import (
    _core, autograd, errors, functions, linalg, special, tensor as _methods, testing,
)  # fmt: skip
from autodiff._core import Tensor, ops, tape_info
from autodiff.autograd import (
    Function, backward, detect_anomaly, enable_grad, inference_mode, is_grad_enabled,
    no_grad, set_detect_anomaly, set_grad_enabled, tangent,
)  # fmt: skip
from autodiff.creation import (
    LongTensor, arange, as_tensor, bernoulli, device, double, empty, empty_like, eye,
    float32, float64, from_numpy, full, full_like, get_default_dtype, linspace,
    manual_seed, multinomial, normal, ones, ones_like, rand, rand_like, randint, randn,
    randn_like, randperm, set_default_dtype, tensor, zeros, zeros_like,
)  # fmt: skip
from autodiff.errors import (
    AnomalyError, ArgumentError, AutodiffError, ConvergenceError, CopyWarning,
    GradcheckError,
    GradientLossError, GradientLossWarning, GraphError, LinAlgError,
    NotDifferentiableError, PrecisionWarning, ShapeError, ThreadError,
)  # fmt: skip
from autodiff.functions import (
    allclose, clamp, clip, count_nonzero, eq, equal, ge, gt, is_tensor, isclose,
    isfinite, isinf, isnan, le, lerp, logical_and, logical_not, logical_or,
    logical_xor, lt, masked_fill, ne, nonzero, numel, where,
)  # fmt: skip
from autodiff.indexing import (
    diag, gather, index_select, masked_select, pad, repeat, repeat_interleave, roll,
    take, take_along_dim, tile, tril, triu,
)  # fmt: skip
from autodiff.linear import (
    addmm, bmm, dot, einsum, inner, matmul, mm, mv, outer, tensordot, trace, vdot,
)  # fmt: skip
from autodiff.order import (
    all, amax, amin, any, argmax, argmin, argsort, max, median, min, sort, topk,
)  # fmt: skip
from autodiff.override import grad_reverse, gradient_override
from autodiff.report import nan_report
from autodiff.reduce import (
    cumprod, cumsum, log_softmax, logsumexp, mean, norm, prod, softmax, std, sum, var,
)  # fmt: skip
from autodiff.shape import (
    broadcast_to, cat, chunk, concat, concatenate, diagonal, expand, flatten, flip,
    hstack, meshgrid, moveaxis, movedim, narrow, permute, ravel, reshape, select, split,
    squeeze, stack, swapaxes, swapdims, t, transpose, unbind, unflatten, unsqueeze,
    view, vstack,
)  # fmt: skip

__version__ = "0.1.0"

# Every elementwise row under every name; some with the options of their relatives.
globals().update(_core.FUNCTIONS)
globals().update(functions.OPTIONED)

pi = 3.141592653589793
e = 2.718281828459045
inf = float("inf")
nan = float("nan")

# PyTorch's types. Of what is asked for in them, whole numbers and lower precisions are
# float64 too, and bools are masks.
DoubleTensor = FloatTensor = Tensor
_TYPES = {
    "float16": "float16", "half": "float16", "float": "float32", "int64": "int64",
    "long": "int64", "int32": "int32", "int": "int32", "uint8": "uint8", "bool": "bool",
}  # fmt: skip
globals().update({name: _np.dtype(dtype) for name, dtype in _TYPES.items()})

clone, detach = _methods.clone, _methods.detach
del _methods


_NOT_HERE = frozenset("func jit".split())

# Transforms of functions, imported when first asked for: a script that sweeps does not
# wait for them.
_LATER = {
    name: f"autodiff.{module}"
    for module, names in {
        "fit": "fit",
        "fit.api": "least_squares",
        "functional.custom": "custom_jvp custom_vjp stop_gradient",
        "functional.gradients": "grad hvp jvp value_and_grad vjp",
        "functional.implicit": "fixed_point root",
        "functional.jacobians": "hessian jacobian",
        "functional.remat": "checkpoint",
        "programs.compiled": "compile",
        "programs.loops": "fori_loop scan while_loop",
        "programs.saved": "load",
        "programs.vmapped": "map vmap",
    }.items()
    for name in names.split()
}
_MODULES = (
    "cuda", "distributions", "functional", "inspect", "nn", "optim", "programs",
    "sparse", "utils",
)  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})


def __getattr__(name: str) -> _Any:
    import importlib

    if name in _LATER:
        found = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        return importlib.import_module(f"autodiff.{name}")
    if name == "__all__":
        builtin = ("float", "int", "bool")  # of these `import *` would be the end
        public = (known for known in __dir__() if not known.startswith("_"))
        return [known for known in public if known not in builtin]
    if name == "save":
        raise AttributeError(
            "module 'autodiff' has no 'save': pickle.dump(model.state_dict(), file) "
            "keeps a model, f.save(path) a compiled function"
        )
    if name in _NOT_HERE:
        raise AttributeError(
            f"module 'autodiff' has no {name!r}: this version differentiates by "
            "backward(), grad(f) and their kin; see Limits in the README"
        )
    import difflib

    known = [*(k for k, v in globals().items() if callable(v)), *_LATER]
    close = difflib.get_close_matches(name, known, 1, cutoff=0.75)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise AttributeError(f"module 'autodiff' has no attribute {name!r}{hint}")
