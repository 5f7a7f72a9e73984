"""checkpoint: forget what a function recorded, and record it again when it is swept.

The call is recorded once to see what it depends on: its arguments and whatever tracked
values it closes over (the frontier of its piece of tape). That piece is dropped; what
stays is one operation with the frontier as inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import GraphError
from autodiff.functional.arguments import check_callable, name_of, wraps
from autodiff.rule import Rule, Shape, pack, pull_back, unpack


def checkpoint(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Return fun, which saves only its arguments and is recorded again by a sweep.

    Parameters
    ----------
    fun
        Returns numbers of any structure. It is called again by every sweep and must
        then do the same: no random numbers, no counters.

    Notes
    -----
    Trades one more evaluation of fun for the memory of its operations. In a function
    that is recorded as a program (`compile`, `vmap`) it changes nothing; `scan` has a
    checkpoint of its own.
    Griewank and Walther, Evaluating Derivatives, chapter 12.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.grad(ad.checkpoint(lambda x: ad.sin(ad.sin(x))))(0.5) == ad.grad(
    ...     lambda x: ad.sin(ad.sin(x)))(0.5)
    True
    """
    check_callable(fun, "checkpoint")

    @wraps(checkpoint, fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not _core.is_recording() or _core.is_tracing():
            return fun(*args, **kwargs)  # a program keeps what it needs
        segment = _Segment(fun, args, kwargs)
        result, outputs, outside = segment.first_run()
        if not outside:
            return result
        values = pack([_core.alias(x, False) for x in outputs]).clone()
        del result, outputs
        made = _core.record_custom(segment, outside, values)
        return tree.unflatten(segment.output, unpack(made, segment.shapes))

    return checkpointed  # type: ignore[no-any-return]


class _Segment(Rule):
    """One call of a checkpointed function."""

    def __init__(
        self, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ):
        self._fun, self._called = fun, name_of(fun)
        leaves, self._structure = tree.flatten((args, kwargs), opaque=True)
        # What the user may change between the runs is copied; tensors are watched.
        self._leaves = [_kept(leaf) for leaf in leaves]
        self._versions = [
            _core.version(x) if isinstance(x, Tensor) else 0 for x in self._leaves
        ]
        self.output = tree.LEAF
        self.shapes: list[Shape] = []
        self._n_outside = 0

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"Checkpoint{self._called}Backward"

    def first_run(self) -> tuple[Any, list[Tensor], list[Tensor]]:
        """Return the result, its leaves as tensors, and what they depend on."""
        [mark], _ = _core.open_inputs([0.0])
        result, outputs = self._run()
        self.shapes = [x.shape for x in outputs]
        outside = _core.frontier(outputs, [mark])
        self._outside = outside
        return result, outputs, outside

    def _run(self) -> tuple[Any, list[Tensor]]:
        leaves = [x.clone() if _moves(x) else _kept(x) for x in self._leaves]
        args, kwargs = tree.unflatten(self._structure, leaves)
        result = self._fun(*args, **kwargs)
        found, self.output = tree.flatten(result, f"the result of {self._called}")
        return result, [as_tensor(leaf) for leaf in found]

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Record the function again and sweep it to what it depends on."""
        for x, version in zip(self._leaves, self._versions, strict=True):
            if isinstance(x, Tensor) and _core.version(x) != version:
                raise GraphError(
                    f"an argument of checkpoint({self._called}) was changed in place "
                    "after the call; it is needed to run the function again"
                )
        _, outputs = _core.call_recorded(self._run, [])
        if [x.shape for x in outputs] != self.shapes:
            raise GraphError(
                f"checkpoint({self._called}): the function returned other shapes when "
                "it ran again; it must do the same each time"
            )
        return pull_back(outputs, unpack(z_bar, self.shapes), self._outside)


def _moves(x: Any) -> bool:
    return isinstance(x, Tensor) and bool(x.requires_grad)


def _kept(x: Any) -> Any:
    return x.copy() if hasattr(x, "dtype") and not isinstance(x, Tensor) else x
