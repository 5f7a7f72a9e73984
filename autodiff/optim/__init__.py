"""Optimisers and schedules, with PyTorch's words."""

from autodiff.optim import lr_scheduler
from autodiff.optim.first_order import SGD, Adagrad, Adam, AdamW, RMSprop
from autodiff.optim.lbfgs import LBFGS
from autodiff.optim.optimizer import Optimizer

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
]
