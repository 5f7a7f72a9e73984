"""Modules: functions that keep their parameters.

A module's parameters, buffers and submodules are its attributes, in the order in which
they were set; nothing else is kept about them, so every walk is a walk over attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError

__all__ = ["Module", "Parameter"]


class _ParameterType(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and getattr(x, "_is_parameter", False)


class Parameter(metaclass=_ParameterType):
    """A tensor that a module learns: ``Parameter(data)`` returns a leaf with grad.

    Parameters
    ----------
    data
        Numbers or a tensor; copied.
    requires_grad
        Whether gradients are wanted.

    Examples
    --------
    >>> import autodiff as ad
    >>> p = ad.nn.Parameter(ad.zeros(2))
    >>> p, isinstance(p, ad.nn.Parameter)
    (tensor([0., 0.], requires_grad=True), True)
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Any:
        """Return the leaf."""
        x = as_tensor(data).detach().clone()
        _core.set_requires_grad(x, requires_grad)
        x._is_parameter = True  # type: ignore[attr-defined]
        return x


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` did not meet."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def _is_parameter(module: Module, name: str, value: Any) -> bool:
    return isinstance(value, Parameter)


def _is_buffer(module: Module, name: str, value: Any) -> bool:
    return name in module._buffer_names and value is not None


def _is_saved(module: Module, name: str, value: Any) -> bool:
    return _is_buffer(module, name, value) and name not in module._unsaved


class Module:
    """Base of what has parameters and a `forward`.

    Attributes
    ----------
    training : bool
        Set by `train` and `eval`; dropout and batch normalization look at it.

    Examples
    --------
    >>> import autodiff as ad
    >>> class Line(ad.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = ad.nn.Parameter(2.0)
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> line = Line()
    >>> line(3.0)
    tensor(6., grad_fn=<MulBackward0>)
    >>> [name for name, _ in line.named_parameters()]
    ['slope']
    """

    def __init__(self) -> None:
        self.training = True
        self._buffer_names: set[str] = set()
        self._unsaved: set[str] = set()
        self._hooks: dict[int, Callable[..., Any]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; what is learned or saved is not lost in passing."""
        is_part = isinstance(value, (Parameter, Module))
        if "_hooks" in self.__dict__:
            if is_part:
                self._buffer_names.discard(name)
            elif value is not None:
                self._refuse_loss(name, value)
        elif is_part:
            raise AttributeError(
                f"cannot assign {name!r} before Module.__init__() call: "
                f"{type(self).__name__}.__init__ must call super().__init__() first"
            )
        super().__setattr__(name, value)

    def _refuse_loss(self, name: str, value: Any) -> None:
        """Raise if a parameter, buffer or module would give way to something else."""
        now = vars(self).get(name)
        if name in self._buffer_names:
            if isinstance(value, Tensor):
                return
            kind, expected = "buffer", "autodiff.Tensor"
            cure = "wrap it: autodiff.tensor(...)"
        elif isinstance(now, Parameter):
            kind, expected = "parameter", "autodiff.nn.Parameter"
            cure = (
                f"with autodiff.no_grad(): module.{name}.copy_(...) changes its numbers"
                ", autodiff.nn.Parameter(...) makes another"
            )
        elif isinstance(now, Module):
            kind, expected = "child module", "autodiff.nn.Module"
            cure = f"del module.{name} takes it off"
        else:
            return
        raise TypeError(
            f"cannot assign a '{type(value).__name__}' as {kind} '{name}' ({expected} "
            f"or None expected); {cure}"
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module computes; a subclass says what."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward; define forward(self, ...)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return `forward` of the arguments, as the hooks leave it."""
        if "_hooks" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}.__init__ must call super().__init__()"
            )
        result = self.forward(*args, **kwargs)
        for hook in list(self._hooks.values()):
            changed = hook(self, args, result)
            result = result if changed is None else changed
        return result

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> Any:
        """Call ``hook(module, args, result)`` after `forward`.

        What the hook returns, unless None, replaces the result. The handle that comes
        back takes it off again: ``handle.remove()``.
        """
        handle = _core.RemovableHandle(self._hooks)
        self._hooks[handle.id] = hook
        return handle

    # ---- What there is ---------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Keep a tensor that is state but not learned.

        It is in `state_dict`, unless it is not `persistent`.
        """
        self._buffer_names.add(name)
        (self._unsaved.discard if persistent else self._unsaved.add)(name)
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Any) -> None:
        """Keep a parameter, or None, as an attribute."""
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Keep a module, or None, as an attribute."""
        setattr(self, name, module)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Go over the modules that are attributes."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Go over the modules that are attributes."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Go over this module and all below it, each once."""
        seen: set[int] = set()
        waiting = [(prefix, self)]
        while waiting:
            name, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            below = [
                (f"{name}.{child}" if name else child, part)
                for child, part in module.named_children()
            ]
            waiting += reversed(below)

    def modules(self) -> Iterator[Module]:
        """Go over this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(
        self, is_wanted: Callable[[Module, str, Any], bool], prefix: str, recurse: bool
    ) -> Iterator[Any]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if is_wanted(module, name, value) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Go over the parameters, each once, under names like ``layer.weight``."""
        return self._named(_is_parameter, prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        """Go over the parameters, each once; of this module alone on request."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Go over the buffers."""
        return self._named(_is_buffer, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Go over the buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    # ---- What can be done with it ----------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set `training` here and below; return self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Return ``self.train(False)``."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the parameters, or set them to 0."""
        for p in self.parameters():
            p.zero_grad(set_to_none)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Freeze the parameters, or take that back; return self."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call a function with every module, the lowest first; return self."""
        for module in reversed(list(self.modules())):
            fn(module)
        return self

    def double(self) -> Module:
        """Return self: numbers are float64 anyway."""
        return self

    float = cpu = double

    def cuda(self, device: Any = None) -> Module:
        """Raise: there is one device, the CPU."""
        return self.to("cuda")

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Return self, once `Tensor.to` agrees: there is one dtype and one device."""
        as_tensor(0.0).to(*args, **kwargs)
        return self

    def _state(self) -> dict[str, Tensor]:
        """Return parameters and saved buffers, a shared one under each of its names."""
        return {
            f"{path}.{name}" if path else name: value
            for path, module in self._paths()
            for is_wanted in (_is_parameter, _is_saved)
            for name, value in vars(module).items()
            if is_wanted(module, name, value)
        }

    def _paths(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Go over this module and all below it, a shared one once for each way."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child._paths(f"{prefix}.{name}" if prefix else name)

    def state_dict(self) -> dict[str, Tensor]:
        """Return parameters and buffers by name, detached; they share their memory."""
        return {name: value.detach() for name, value in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Take over parameters and buffers.

        Parameters
        ----------
        state_dict
            Tensors or arrays by name.
        strict
            Whether every name must be met, on both sides.

        Returns
        -------
        IncompatibleKeys
            Names that were not given, and names that are not here; none if `strict`.

        Raises
        ------
        ArgumentError
            If names or shapes do not fit: which, and what was expected. Nothing has
            changed then.
        """
        if not isinstance(state_dict, Mapping):
            raise ArgumentError(
                f"a state is a dict of tensors by name, got {type(state_dict).__name__}"
            )
        own = self._state()
        given = {name: as_tensor(value).detach() for name, value in state_dict.items()}
        missing = [name for name in own if name not in given]
        unexpected = [name for name in given if name not in own]
        faults = []
        if strict:
            faults += [f"missing: {name}" for name in missing]
            faults += [f"not expected: {name}" for name in unexpected]
        faults += [
            f"{name}: shape {tuple(given[name].shape)} for {tuple(value.shape)}"
            for name, value in own.items()
            if name in given and tuple(given[name].shape) != tuple(value.shape)
        ]
        if faults:
            raise ArgumentError(
                f"the state does not fit {type(self).__name__}: {'; '.join(faults)}"
            )
        was = _core.set_recording(0)
        try:
            for name, value in own.items():
                if name in given:
                    value.copy_(given[name])
        finally:
            _core.set_recording(was)
        return IncompatibleKeys(missing, unexpected)

    def extra_repr(self) -> str:
        """Return the settings that `repr` shows."""
        return ""

    def __repr__(self) -> str:
        head, parts = type(self).__name__, list(self.named_children())
        if not parts:
            return f"{head}({self.extra_repr()})"
        lines = [f"({name}): {part!r}".replace("\n", "\n  ") for name, part in parts]
        lines = [self.extra_repr()] * bool(self.extra_repr()) + lines
        return f"{head}(\n  " + "\n  ".join(lines) + "\n)"
