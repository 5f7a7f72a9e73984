"""Neural networks: functions, and modules that keep their parameters.

>>> import autodiff as ad
>>> net = ad.nn.Sequential(ad.nn.Linear(2, 8), ad.nn.Tanh(), ad.nn.Linear(8, 1))
>>> loss = ad.nn.functional.mse_loss(net(ad.zeros(4, 2)), ad.ones(4, 1))
>>> loss.backward()
>>> all(p.grad is not None for p in net.parameters())
True
"""

from autodiff.nn import (
    containers,
    elementwise,
    functional,
    init,
    layers,
    recurrent,
    utils,
)
from autodiff.nn.containers import *  # noqa: F403
from autodiff.nn.elementwise import *  # noqa: F403
from autodiff.nn.layers import *  # noqa: F403
from autodiff.nn.module import Module, Parameter
from autodiff.nn.recurrent import *  # noqa: F403

__all__ = [
    "Module",
    "Parameter",
    "functional",
    "init",
    "utils",
    *containers.__all__,
    *elementwise.__all__,
    *layers.__all__,
    *recurrent.__all__,
]
