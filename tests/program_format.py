"""Programs and their bytes, made by hand: what recorded functions would not give."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autodiff import _core

MAGIC = b"\x89adp\r\n\x1a\n"
NONE = 0xFFFFFFFF


def record(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the Program of a function at these arguments."""
    recording = _core.Recording()
    recording.begin()
    try:
        outputs = function(*[recording.input(value) for value in arguments])
        many = isinstance(outputs, (tuple, list))
        return recording.finish(list(outputs) if many else [outputs])
    finally:
        recording.end()


def checksum(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def sealed(data: bytes) -> bytes:
    """Return the bytes with their checksum behind them."""
    return data + struct.pack("<Q", checksum(data))


@dataclass
class Extra:
    """Attributes of an instruction, in the order of the file."""

    strides: Sequence[int] = ()
    axis: int = 0
    offset: int = 0
    flags: int = 0
    index: Sequence[int] | None = None
    value: tuple[Sequence[int], Sequence[float]] | None = None
    loop: tuple[int, int, Sequence[int], "Draft"] | None = None
    snapshots: Sequence[int] = ()

    def to_bytes(self) -> bytes:
        flags = self.flags | 8 * (self.index is not None)
        flags |= 16 * (self.value is not None) | 32 * (self.loop is not None)
        data = struct.pack("<BBiq", flags, len(self.strides), self.axis, self.offset)
        data += struct.pack(f"<{len(self.strides)}q", *self.strides)
        if self.index is not None:
            n = len(self.index)
            data += struct.pack(f"<{1 + n}q", n, *self.index)
        if self.value is not None:
            shape, elements = self.value
            data += shape_bytes(shape)
            data += struct.pack(f"<{len(elements)}d", *elements)
        if self.loop is not None:
            n_steps, flags, counts, body = self.loop
            data += struct.pack("<qB5I", n_steps, flags, *counts)
            data += struct.pack(f"<{len(self.snapshots)}q", *self.snapshots)
            data += body.inner_bytes()
        return data


def shape_bytes(shape: Sequence[int]) -> bytes:
    return struct.pack(f"<B{len(shape)}q", len(shape), *shape)


@dataclass
class Draft:
    """A program that need not be one; every field may be wrong."""

    n_inputs: int = 0
    shapes: list[Sequence[int]] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    operands: list[int] = field(default_factory=list)
    instructions: list[tuple[str, Sequence[int], int, int, float]] = field(
        default_factory=list
    )
    outputs: list[int] = field(default_factory=list)
    guards: list[tuple[int, float]] = field(default_factory=list)
    version: int = 1

    def input(self, shape: int = 0) -> None:
        self.n_inputs += 1
        self.add("input", shape=shape)

    def add(
        self,
        op: str,
        *args: int,
        shape: int = 0,
        extra: Any = None,
        number: float = 0.0,
    ) -> None:
        """Append an instruction; `extra` is an Extra, or a number in the file."""
        if isinstance(extra, Extra):
            self.extras.append(extra)
            extra = len(self.extras) - 1
        at = NONE if extra is None else extra
        self.instructions.append((op, args, shape, at, number))

    def to_bytes(self) -> bytes:
        return sealed(MAGIC + struct.pack("<I", self.version) + self.inner_bytes())

    def inner_bytes(self) -> bytes:
        names = list(dict.fromkeys(op for op, *_ in self.instructions))
        data = struct.pack("<I", len(names))
        for name in names:
            data += struct.pack("<B", len(name)) + name.encode()
        data += struct.pack("<II", 0, len(self.shapes))
        data += b"".join(map(shape_bytes, self.shapes))
        data += struct.pack("<I", len(self.extras))
        data += b"".join(extra.to_bytes() for extra in self.extras)
        n = len(self.operands)
        data += struct.pack(f"<I{n}I", n, *self.operands)
        data += struct.pack("<II", self.n_inputs, len(self.instructions))
        for op, args, shape, extra, number in self.instructions:
            args = list(args)
            data += struct.pack("<HI", names.index(op), len(args))
            data += struct.pack(f"<{len(args)}I", *args)
            data += struct.pack("<III", shape, extra, 0)
            if op == "const" and shape == 0:
                data += struct.pack("<d", number)
        data += struct.pack(f"<I{len(self.outputs)}I", len(self.outputs), *self.outputs)
        data += struct.pack("<I", len(self.guards))
        for value, outcome in self.guards:
            data += struct.pack("<IId", value, 0, outcome)
        return data

    def load(self) -> Any:
        return _core.program_from_bytes(self.to_bytes())
