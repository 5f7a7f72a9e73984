"""The names of the package, for type checkers and editors.

At run time __init__.py takes the rows of the op table from the core. A checker cannot
see that, so tools/gen_ops.py lists them here; the rest is written by hand.
"""

import builtins as _builtins
from typing import Any as _Any
from typing import TypeAlias as _TypeAlias

import numpy as _np

from autodiff import autograd as autograd
from autodiff import cuda as cuda
from autodiff import distributions as distributions
from autodiff import errors as errors
from autodiff import functional as functional
from autodiff import inspect as inspect
from autodiff import linalg as linalg
from autodiff import nn as nn
from autodiff import optim as optim
from autodiff import programs as programs
from autodiff import sparse as sparse
from autodiff import special as special
from autodiff import testing as testing
from autodiff import utils as utils
from autodiff._core import Tensor as Tensor
from autodiff._core import (
    _BinaryRow,
    _OrderRow,
    _PowerRow,
    _TernaryRow,
    _UnaryRow,
)
from autodiff._core import enable_grad as enable_grad
from autodiff._core import no_grad as no_grad
from autodiff._core import ops as ops
from autodiff._core import tape_info as tape_info
from autodiff.autograd import Function as Function
from autodiff.autograd import backward as backward
from autodiff.autograd import detect_anomaly as detect_anomaly
from autodiff.autograd import inference_mode as inference_mode
from autodiff.autograd import is_grad_enabled as is_grad_enabled
from autodiff.autograd import set_detect_anomaly as set_detect_anomaly
from autodiff.autograd import set_grad_enabled as set_grad_enabled
from autodiff.autograd import tangent as tangent
from autodiff.creation import LongTensor as LongTensor
from autodiff.creation import arange as arange
from autodiff.creation import as_tensor as as_tensor
from autodiff.creation import bernoulli as bernoulli
from autodiff.creation import device as device
from autodiff.creation import double as double
from autodiff.creation import empty as empty
from autodiff.creation import empty_like as empty_like
from autodiff.creation import eye as eye
from autodiff.creation import float32 as float32
from autodiff.creation import float64 as float64
from autodiff.creation import from_numpy as from_numpy
from autodiff.creation import full as full
from autodiff.creation import full_like as full_like
from autodiff.creation import get_default_dtype as get_default_dtype
from autodiff.creation import linspace as linspace
from autodiff.creation import manual_seed as manual_seed
from autodiff.creation import multinomial as multinomial
from autodiff.creation import normal as normal
from autodiff.creation import ones as ones
from autodiff.creation import ones_like as ones_like
from autodiff.creation import rand as rand
from autodiff.creation import rand_like as rand_like
from autodiff.creation import randint as randint
from autodiff.creation import randn as randn
from autodiff.creation import randn_like as randn_like
from autodiff.creation import randperm as randperm
from autodiff.creation import set_default_dtype as set_default_dtype
from autodiff.creation import tensor as tensor
from autodiff.creation import zeros as zeros
from autodiff.creation import zeros_like as zeros_like
from autodiff.errors import AnomalyError as AnomalyError
from autodiff.errors import ArgumentError as ArgumentError
from autodiff.errors import AutodiffError as AutodiffError
from autodiff.errors import ConvergenceError as ConvergenceError
from autodiff.errors import CopyWarning as CopyWarning
from autodiff.errors import GradcheckError as GradcheckError
from autodiff.errors import GradientLossError as GradientLossError
from autodiff.errors import GradientLossWarning as GradientLossWarning
from autodiff.errors import GraphError as GraphError
from autodiff.errors import LinAlgError as LinAlgError
from autodiff.errors import NotDifferentiableError as NotDifferentiableError
from autodiff.errors import PrecisionWarning as PrecisionWarning
from autodiff.errors import ShapeError as ShapeError
from autodiff.errors import ThreadError as ThreadError
from autodiff.fit import fit as fit
from autodiff.fit.api import least_squares as least_squares
from autodiff.functional.custom import custom_jvp as custom_jvp
from autodiff.functional.custom import custom_vjp as custom_vjp
from autodiff.functional.custom import stop_gradient as stop_gradient
from autodiff.functional.gradients import grad as grad
from autodiff.functional.gradients import hvp as hvp
from autodiff.functional.gradients import jvp as jvp
from autodiff.functional.gradients import value_and_grad as value_and_grad
from autodiff.functional.gradients import vjp as vjp
from autodiff.functional.implicit import fixed_point as fixed_point
from autodiff.functional.implicit import root as root
from autodiff.functional.jacobians import hessian as hessian
from autodiff.functional.jacobians import jacobian as jacobian
from autodiff.functional.remat import checkpoint as checkpoint
from autodiff.functions import add as add
from autodiff.functions import allclose as allclose
from autodiff.functions import clamp as clamp
from autodiff.functions import clip as clip
from autodiff.functions import count_nonzero as count_nonzero
from autodiff.functions import div as div
from autodiff.functions import eq as eq
from autodiff.functions import equal as equal
from autodiff.functions import ge as ge
from autodiff.functions import gt as gt
from autodiff.functions import is_tensor as is_tensor
from autodiff.functions import isclose as isclose
from autodiff.functions import isfinite as isfinite
from autodiff.functions import isinf as isinf
from autodiff.functions import isnan as isnan
from autodiff.functions import le as le
from autodiff.functions import lerp as lerp
from autodiff.functions import logical_and as logical_and
from autodiff.functions import logical_not as logical_not
from autodiff.functions import logical_or as logical_or
from autodiff.functions import logical_xor as logical_xor
from autodiff.functions import lt as lt
from autodiff.functions import masked_fill as masked_fill
from autodiff.functions import ne as ne
from autodiff.functions import nonzero as nonzero
from autodiff.functions import numel as numel
from autodiff.functions import round as round
from autodiff.functions import softplus as softplus
from autodiff.functions import sub as sub
from autodiff.functions import where as where
from autodiff.indexing import diag as diag
from autodiff.indexing import gather as gather
from autodiff.indexing import index_select as index_select
from autodiff.indexing import masked_select as masked_select
from autodiff.indexing import pad as pad
from autodiff.indexing import repeat as repeat
from autodiff.indexing import repeat_interleave as repeat_interleave
from autodiff.indexing import roll as roll
from autodiff.indexing import take as take
from autodiff.indexing import take_along_dim as take_along_dim
from autodiff.indexing import tile as tile
from autodiff.indexing import tril as tril
from autodiff.indexing import triu as triu
from autodiff.linear import addmm as addmm
from autodiff.linear import bmm as bmm
from autodiff.linear import dot as dot
from autodiff.linear import einsum as einsum
from autodiff.linear import inner as inner
from autodiff.linear import matmul as matmul
from autodiff.linear import mm as mm
from autodiff.linear import mv as mv
from autodiff.linear import outer as outer
from autodiff.linear import tensordot as tensordot
from autodiff.linear import trace as trace
from autodiff.linear import vdot as vdot
from autodiff.order import all as all
from autodiff.order import amax as amax
from autodiff.order import amin as amin
from autodiff.order import any as any
from autodiff.order import argmax as argmax
from autodiff.order import argmin as argmin
from autodiff.order import argsort as argsort
from autodiff.order import max as max
from autodiff.order import median as median
from autodiff.order import min as min
from autodiff.order import sort as sort
from autodiff.order import topk as topk
from autodiff.override import grad_reverse as grad_reverse
from autodiff.override import gradient_override as gradient_override
from autodiff.programs.compiled import compile as compile
from autodiff.programs.loops import fori_loop as fori_loop
from autodiff.programs.loops import scan as scan
from autodiff.programs.loops import while_loop as while_loop
from autodiff.programs.saved import load as load
from autodiff.programs.vmapped import map as map
from autodiff.programs.vmapped import vmap as vmap
from autodiff.reduce import cumprod as cumprod
from autodiff.reduce import cumsum as cumsum
from autodiff.reduce import log_softmax as log_softmax
from autodiff.reduce import logsumexp as logsumexp
from autodiff.reduce import mean as mean
from autodiff.reduce import norm as norm
from autodiff.reduce import prod as prod
from autodiff.reduce import softmax as softmax
from autodiff.reduce import std as std
from autodiff.reduce import sum as sum
from autodiff.reduce import var as var
from autodiff.report import nan_report as nan_report
from autodiff.shape import broadcast_to as broadcast_to
from autodiff.shape import cat as cat
from autodiff.shape import chunk as chunk
from autodiff.shape import concat as concat
from autodiff.shape import concatenate as concatenate
from autodiff.shape import diagonal as diagonal
from autodiff.shape import expand as expand
from autodiff.shape import flatten as flatten
from autodiff.shape import flip as flip
from autodiff.shape import hstack as hstack
from autodiff.shape import meshgrid as meshgrid
from autodiff.shape import moveaxis as moveaxis
from autodiff.shape import movedim as movedim
from autodiff.shape import narrow as narrow
from autodiff.shape import permute as permute
from autodiff.shape import ravel as ravel
from autodiff.shape import reshape as reshape
from autodiff.shape import select as select
from autodiff.shape import split as split
from autodiff.shape import squeeze as squeeze
from autodiff.shape import stack as stack
from autodiff.shape import swapaxes as swapaxes
from autodiff.shape import swapdims as swapdims
from autodiff.shape import t as t
from autodiff.shape import transpose as transpose
from autodiff.shape import unbind as unbind
from autodiff.shape import unflatten as unflatten
from autodiff.shape import unsqueeze as unsqueeze
from autodiff.shape import view as view
from autodiff.shape import vstack as vstack
from autodiff.tensor import clone as clone
from autodiff.tensor import detach as detach

__version__: str
_Float: _TypeAlias = _builtins.float
_DType: _TypeAlias = _np.dtype[_Any]

DoubleTensor = Tensor
FloatTensor = Tensor
float16: _DType
half: _DType
float: _DType
int64: _DType
long: _DType
int32: _DType
int: _DType
uint8: _DType
bool: _DType
pi: _Float
e: _Float
inf: _Float
nan: _Float

subtract = sub
divide = div
true_divide = div

# gen_ops: rows
neg: _UnaryRow
"""z = -x"""
negative: _UnaryRow
"""z = -x"""
mul: _BinaryRow
"""z = x * y"""
multiply: _BinaryRow
"""z = x * y"""
reciprocal: _UnaryRow
"""z = 1 / x"""
square: _UnaryRow
"""z = x * x"""
fma: _TernaryRow
"""z = x * y + w with one rounding"""
fmod: _BinaryRow
"""remainder of x / y with the sign of x, as C"""
remainder: _BinaryRow
"""remainder of x / y with the sign of y, as Python's %"""
mod: _BinaryRow
"""remainder of x / y with the sign of y, as Python's %"""
floor_mod: _BinaryRow
"""remainder of x / y with the sign of y, as Python's %"""
pow: _PowerRow
"""z = x to the power y"""
power: _PowerRow
"""z = x to the power y"""
float_power: _PowerRow
"""z = x to the power y"""
sqrt: _UnaryRow
"""square root"""
rsqrt: _UnaryRow
"""z = 1 / sqrt(x)"""
cbrt: _UnaryRow
"""cube root"""
hypot: _BinaryRow
"""z = sqrt(x^2 + y^2)"""
exp: _UnaryRow
"""z = e to the power x"""
exp2: _UnaryRow
"""z = 2 to the power x"""
expm1: _UnaryRow
"""z = e^x - 1, accurate near 0"""
log: _UnaryRow
"""natural logarithm"""
log2: _UnaryRow
"""logarithm to base 2"""
log10: _UnaryRow
"""logarithm to base 10"""
log1p: _UnaryRow
"""z = log(1 + x), accurate near 0"""
logaddexp: _BinaryRow
"""z = log(e^x + e^y) without overflow"""
xlogy: _BinaryRow
"""z = x log(y), 0 where x is 0"""
xlog1py: _BinaryRow
"""z = x log(1 + y), 0 where x is 0"""
sin: _UnaryRow
"""sine of x in radians"""
cos: _UnaryRow
"""cosine of x in radians"""
tan: _UnaryRow
"""tangent of x in radians"""
asin: _UnaryRow
"""inverse sine, in [-pi/2, pi/2]"""
arcsin: _UnaryRow
"""inverse sine, in [-pi/2, pi/2]"""
acos: _UnaryRow
"""inverse cosine, in [0, pi]"""
arccos: _UnaryRow
"""inverse cosine, in [0, pi]"""
atan: _UnaryRow
"""inverse tangent, in [-pi/2, pi/2]"""
arctan: _UnaryRow
"""inverse tangent, in [-pi/2, pi/2]"""
atan2: _BinaryRow
"""angle of the point (y, x), in [-pi, pi]"""
arctan2: _BinaryRow
"""angle of the point (y, x), in [-pi, pi]"""
sinc: _UnaryRow
"""z = sin(pi x) / (pi x), 1 at 0"""
deg2rad: _UnaryRow
"""degrees to radians"""
radians: _UnaryRow
"""degrees to radians"""
rad2deg: _UnaryRow
"""radians to degrees"""
degrees: _UnaryRow
"""radians to degrees"""
sinh: _UnaryRow
"""hyperbolic sine"""
cosh: _UnaryRow
"""hyperbolic cosine"""
tanh: _UnaryRow
"""hyperbolic tangent"""
asinh: _UnaryRow
"""inverse hyperbolic sine"""
arcsinh: _UnaryRow
"""inverse hyperbolic sine"""
acosh: _UnaryRow
"""inverse hyperbolic cosine"""
arccosh: _UnaryRow
"""inverse hyperbolic cosine"""
atanh: _UnaryRow
"""inverse hyperbolic tangent"""
arctanh: _UnaryRow
"""inverse hyperbolic tangent"""
sigmoid: _UnaryRow
"""logistic function, 1 / (1 + e^-x)"""
expit: _UnaryRow
"""logistic function, 1 / (1 + e^-x)"""
relu: _UnaryRow
"""z = max(x, 0)"""
logit: _UnaryRow
"""z = log(x / (1 - x))"""
erf: _UnaryRow
"""error function"""
erfc: _UnaryRow
"""z = 1 - erf(x), accurate in the tail"""
ndtr: _UnaryRow
"""normal distribution function"""
log_ndtr: _UnaryRow
"""logarithm of the normal distribution function"""
lgamma: _UnaryRow
"""logarithm of the absolute value of the gamma function"""
gammaln: _UnaryRow
"""logarithm of the absolute value of the gamma function"""
digamma: _UnaryRow
"""logarithmic derivative of the gamma function"""
psi: _UnaryRow
"""logarithmic derivative of the gamma function"""
polygamma: _OrderRow
"""derivative of order x of digamma at y"""
abs: _UnaryRow
"""absolute value"""
absolute: _UnaryRow
"""absolute value"""
fabs: _UnaryRow
"""absolute value"""
sign: _UnaryRow
"""-1, 0 or 1"""
sgn: _UnaryRow
"""-1, 0 or 1"""
floor: _UnaryRow
"""largest whole number not above x"""
ceil: _UnaryRow
"""smallest whole number not below x"""
rint: _UnaryRow
"""nearest whole number, halves to even"""
around: _UnaryRow
"""nearest whole number, halves to even"""
trunc: _UnaryRow
"""x without its fraction"""
fix: _UnaryRow
"""x without its fraction"""
copysign: _BinaryRow
"""size of x with the sign of y"""
maximum: _BinaryRow
"""larger of x and y, NaN if either is"""
minimum: _BinaryRow
"""smaller of x and y, NaN if either is"""
fmax: _BinaryRow
"""larger of x and y, ignoring a NaN"""
fmin: _BinaryRow
"""smaller of x and y, ignoring a NaN"""
# gen_ops: end
