"""What puts modules together: one after the other, in lists, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autodiff._core import Tensor
from autodiff.errors import ArgumentError
from autodiff.nn.module import Module, Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]


def _replace(parts: Module, index: int, module: Module) -> None:
    """Put a module in the place of the one at a position, under its name."""
    if not isinstance(index, int):
        raise ArgumentError(
            f"{type(parts).__name__}[...] = module takes one position, a whole number; "
            f"got {index!r}"
        )
    if not isinstance(module, Module):
        raise TypeError(
            f"{type(parts).__name__} takes modules, got a '{type(module).__name__}'"
        )
    name = [name for name, _ in parts.named_children()][index]
    setattr(parts, name, module)


class Sequential(Module):
    """Modules one after the other.

    Examples
    --------
    >>> import autodiff as ad
    >>> net = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.Tanh(), ad.nn.Linear(4, 1))
    >>> net(ad.zeros(2, 3)).shape, len(list(net.parameters()))
    ((2, 1), 4)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        parts = modules
        if len(modules) == 1 and isinstance(modules[0], dict):
            named = list(modules[0].items())
        else:
            named = [(str(i), module) for i, module in enumerate(parts)]
        for name, module in named:
            if not isinstance(module, Module):
                raise ArgumentError(
                    f"Sequential takes modules, got a {type(module).__name__}"
                )
            setattr(self, name, module)

    def forward(self, input: Any) -> Any:
        """Return what the last module makes of it."""
        for _, module in self.named_children():
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def append(self, module: Module) -> Sequential:
        """Add a module at the end."""
        setattr(self, str(len(self)), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        parts = list(self.children())[index]
        return Sequential(*parts) if isinstance(index, slice) else parts

    def __setitem__(self, index: int, module: Module) -> None:
        _replace(self, index, module)


class ModuleList(Module):
    """A list of modules whose parameters count."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: Any) -> Any:
        parts = list(self.children())[index]
        return ModuleList(parts) if isinstance(index, slice) else parts

    def __setitem__(self, index: int, module: Module) -> None:
        _replace(self, index, module)


class ModuleDict(Module):
    """Modules by name, whose parameters count."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        setattr(self, name, module)

    def __getitem__(self, name: str) -> Any:
        return dict(self.named_children())[name]

    def __contains__(self, name: str) -> bool:
        return name in self.keys()

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Return the names."""
        return [name for name, _ in self.named_children()]

    def values(self) -> list[Module]:
        """Return the modules."""
        return list(self.children())

    def items(self) -> list[tuple[str, Module]]:
        """Return names and modules."""
        return list(self.named_children())


class ParameterList(Module):
    """A list of parameters."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        for value in values:
            self.append(value)

    def append(self, value: Any) -> ParameterList:
        """Add a parameter, or a tensor as one, at the end."""
        is_parameter = isinstance(value, Parameter)
        setattr(self, str(len(self)), value if is_parameter else Parameter(value))
        return self

    def __len__(self) -> int:
        return len(list(self.parameters(recurse=False)))

    def __iter__(self) -> Iterator[Tensor]:
        return self.parameters(recurse=False)

    def __getitem__(self, index: int) -> Tensor:
        return list(self)[index]
