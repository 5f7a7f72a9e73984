"""What every optimiser has: groups of parameters, state, and checks.

State is one flat array for each quantity over all parameters of a group, a part for
each; the steps are loops in C. A step with a bad setting or a gradient that does not
fit changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, ShapeError

__all__ = ["Optimizer", "check_number"]

Array = npt.NDArray[np.float64]


def check_number(
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = math.inf,
    *,
    open_low: bool = False,
) -> float:
    """Return a setting as a float.

    Raises
    ------
    ArgumentError
        If it is NaN or outside its range.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    inside = low < number if open_low else low <= number
    if not (inside and number <= high and (math.isfinite(number) or high < math.inf)):
        bracket = "above" if open_low else "from"
        limit = "" if high == math.inf else f" to {high:g}"
        raise ArgumentError(
            f"{name} must be a finite number {bracket} {low:g}{limit}, got {value!r}"
        )
    return number


class Optimizer:
    """Base of the optimisers.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Leaves that require grad; or groups ``{"params": [...], "lr": ...}`` with
        settings of their own.
    defaults : dict
        Settings for groups that have none.

    Attributes
    ----------
    param_groups : list of dict
        Parameters and settings; settings may be changed between steps.

    Raises
    ------
    ArgumentError
        If there is no parameter, one comes twice, or one is no leaf with grad.
    """

    kind = ""

    def __init__(self, params: Any, defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._states: list[list[Array]] = []
        self._counts: list[npt.NDArray[np.int64]] = []
        self._check(self.defaults)
        if isinstance(params, Tensor):
            raise ArgumentError(
                "an optimiser takes an iterable of tensors, got one tensor; write "
                f"{type(self).__name__}([tensor], ...)"
            )
        found = list(params)
        if not found:
            raise ArgumentError(
                f"{type(self).__name__} got no parameters; was .parameters() of a "
                "module without any passed, or an iterator used up before?"
            )
        groups = found if isinstance(found[0], dict) else [{"params": found}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with settings of their own.

        Raises
        ------
        ArgumentError
            As the constructor; nothing is added then.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise ArgumentError(
                f'a group is a dict {{"params": [...], ...}}, got {param_group!r}'
            )
        group = {**self.defaults, **param_group}
        given = group["params"]
        params = [given] if isinstance(given, Tensor) else list(given)
        unknown = set(group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise ArgumentError(
                f"{type(self).__name__} has no setting {sorted(unknown)[0]!r}; known: "
                f"{', '.join(self.defaults)}"
            )
        self._check(group)
        seen = {id(p) for g in self.param_groups for p in g["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise ArgumentError(
                    f"parameter {i} is a {type(p).__name__}; a tensor is expected"
                )
            if not p.is_leaf:
                raise ArgumentError(
                    f"parameter {i} is not a leaf: it was computed, so a step could "
                    "not move it; optimise what it was computed from, or a .detach() "
                    "of it"
                )
            if id(p) in seen:
                raise ArgumentError(f"parameter {i} appears twice; give it once")
            seen.add(id(p))
        group["params"] = params
        self.param_groups.append(group)
        size = sum(p.numel() for p in params)
        self._states.append(self._new_states(group, size))
        self._counts.append(np.zeros(len(params), dtype=np.int64))

    def _check(self, group: Mapping[str, Any]) -> None:
        """Raise `ArgumentError` for a setting that makes no sense."""
        raise NotImplementedError

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        """Return the flat arrays that a group of so many elements needs."""
        raise NotImplementedError

    def _how(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings under the core's names."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to 0."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Called first: sets gradients and returns the loss.

        Returns
        -------
        Tensor or None
            What the closure returned.

        Raises
        ------
        ArgumentError, ShapeError
            If a setting was changed to nonsense, or a gradient has another shape than
            its parameter; nothing has moved then.
        """
        loss = None
        if closure is not None:
            was = _core.set_recording(1)
            try:
                loss = closure()
            finally:
                _core.set_recording(was)
        ready = [self._ready(group) for group in self.param_groups]
        was = _core.set_recording(0)
        try:
            for group, grads, counts, states in zip(
                self.param_groups, ready, self._counts, self._states, strict=True
            ):
                how = self._how(group)
                _core.optimizer_step(
                    self.kind, group["params"], grads, counts, states, how
                )
        finally:
            _core.set_recording(was)
        return loss

    def _ready(self, group: Mapping[str, Any]) -> list[Tensor | None]:
        """Return the gradients of a group, once everything about it is right."""
        self._check(group)
        grads = []
        for i, p in enumerate(group["params"]):
            grad = p.grad
            if grad is not None and tuple(grad.shape) != tuple(p.shape):
                raise ShapeError(
                    f"parameter {i} has shape {tuple(p.shape)} and a gradient of shape "
                    f"{tuple(grad.shape)}; set .grad to None after a change of .data"
                )
            grads.append(grad)
        return grads

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state, copied; parameters are numbered."""
        groups, first = [], 0
        for group in self.param_groups:
            own = {k: v for k, v in group.items() if k != "params"}
            n = len(group["params"])
            groups.append({**own, "params": list(range(first, first + n))})
            first += n
        return {
            "state": [[a.copy() for a in arrays] for arrays in self._states],
            "steps": [counts.copy() for counts in self._counts],
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and state.

        Raises
        ------
        ArgumentError
            If they are of other parameters; nothing has changed then.
        """
        missing = {"param_groups", "state", "steps"} - set(state_dict)
        if missing:
            raise ArgumentError(
                f"the state has no {sorted(missing)[0]!r}; give what state_dict() of a "
                f"{type(self).__name__} returned"
            )
        groups, states = state_dict["param_groups"], state_dict["state"]
        counts = state_dict["steps"]
        ours = [len(g["params"]) for g in self.param_groups]
        theirs = [len(g["params"]) for g in groups]
        if ours != theirs:
            raise ArgumentError(
                f"the state is of groups of {theirs} parameters, this optimiser has "
                f"groups of {ours}"
            )
        sizes = [[a.size for a in arrays] for arrays in self._states]
        given = [[np.size(a) for a in arrays] for arrays in states]
        if sizes != given:
            raise ArgumentError(
                f"the state has {given} numbers for the groups, {sizes} are expected: "
                "parameters of other shapes, or another optimiser"
            )
        for own, group in zip(self.param_groups, groups, strict=True):
            self._check({**own, **{k: v for k, v in group.items() if k != "params"}})
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({k: v for k, v in group.items() if k != "params"})
        self._states = [[np.array(a, dtype=float) for a in arrays] for arrays in states]
        self._counts = [np.array(c, dtype=np.int64) for c in counts]

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            own = {k: v for k, v in group.items() if k != "params"}
            settings = ", ".join(f"{k}={v}" for k, v in own.items())
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"
