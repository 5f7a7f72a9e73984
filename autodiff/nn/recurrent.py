"""Recurrent layers: a cell for one step, and the same over sequences."""

from __future__ import annotations

from typing import Any

import autodiff.nn.functional as F  # noqa: N812 - PyTorch's word
from autodiff._core import Tensor
from autodiff.creation import zeros
from autodiff.errors import ArgumentError, ShapeError
from autodiff.nn.layers import learned
from autodiff.nn.module import Module
from autodiff.shape import cat, chunk, flip, stack, swapaxes, unbind

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


def _rnn_step(from_input: Any, from_state: Any, state: Any, activation: Any) -> Any:
    return activation(from_input + from_state)


def _gru_step(from_input: Any, from_state: Any, state: Any, activation: Any) -> Any:
    i_r, i_z, i_n = chunk(from_input, 3, -1)
    h_r, h_z, h_n = chunk(from_state, 3, -1)
    reset, update = F.sigmoid(i_r + h_r), F.sigmoid(i_z + h_z)
    new = F.tanh(i_n + reset * h_n)
    return new + update * (state - new)


def _lstm_step(from_input: Any, from_state: Any, state: Any, activation: Any) -> Any:
    i, f, g, o = chunk(from_input + from_state, 4, -1)
    c = F.sigmoid(f) * state[1] + F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(c), c


_ACTIVATIONS = {"tanh": F.tanh, "relu": F.relu}


def _activation(nonlinearity: str) -> Any:
    if nonlinearity not in _ACTIVATIONS:
        raise ArgumentError(
            f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}"
        )
    return _ACTIVATIONS[nonlinearity]


# ---- One step ------------------------------------------------------------------------


class _Cell(Module):
    n_gates = 1
    has_two_states = False
    step = staticmethod(_rnn_step)
    activation: Any = None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        n = self.n_gates * hidden_size
        self.weight_ih = learned((n, input_size), hidden_size)
        self.weight_hh = learned((n, hidden_size), hidden_size)
        self.bias_ih = learned((n,), hidden_size) if bias else None
        self.bias_hh = learned((n,), hidden_size) if bias else None

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state for an input and the state before, 0 by default."""
        name = type(self).__name__
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name} takes inputs of {self.input_size} features, got shape "
                f"{tuple(input.shape)}"
            )
        expected = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            hx = zeros(*expected)
            hx = (hx, hx) if self.has_two_states else hx
        for h in hx if self.has_two_states else (hx,):
            if tuple(h.shape) != expected:
                raise ShapeError(
                    f"{name} needs a state of shape {expected}, got {tuple(h.shape)}"
                )
        from_input = F.linear(input, self.weight_ih, self.bias_ih)
        h = hx[0] if self.has_two_states else hx
        from_state = F.linear(h, self.weight_hh, self.bias_hh)
        return type(self).step(from_input, from_state, hx, self.activation)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """One step of a plain recurrent network: h' = f(W_ih x + W_hh h).

    Parameters
    ----------
    input_size, hidden_size
        Extents of the last axis of the input and of the state.
    bias
        Whether there are biases, b_ih and b_hh.
    nonlinearity
        f: ``'tanh'`` or ``'relu'``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity, self.activation = nonlinearity, _activation(nonlinearity)


class GRUCell(_Cell):
    """One step of a gated recurrent unit.

    Parameters
    ----------
    input_size, hidden_size
        Extents of the last axis of the input and of the state.
    bias
        Whether the gates have one.

    Notes
    -----
    ``r = s(W_ir x + W_hr h)``, ``z = s(W_iz x + W_hz h)``, ``n = tanh(W_in x + r (W_hn
    h))``, ``h' = (1 - z) n + z h`` (K. Cho et al., 2014), biases understood.

    Examples
    --------
    >>> import autodiff as ad
    >>> cell = ad.nn.GRUCell(3, 2)
    >>> cell(ad.zeros(5, 3)).shape
    (5, 2)
    """

    n_gates = 3
    step = staticmethod(_gru_step)


class LSTMCell(_Cell):
    """One step of a long short-term memory: (h', c') from x and (h, c).

    Parameters
    ----------
    input_size, hidden_size
        Extents of the last axis of the input and of both states.
    bias
        Whether the gates have one.

    Notes
    -----
    ``c' = s(f) c + s(i) tanh(g)``, ``h' = s(o) tanh(c')``, where i, f, g and o are
    W x + U h (S. Hochreiter and J. Schmidhuber, 1997; F. Gers et al., 2000).
    """

    n_gates = 4
    has_two_states = True
    step = staticmethod(_lstm_step)


# ---- Sequences -----------------------------------------------------------------------


class _Recurrent(Module):
    cell: type[_Cell] = RNNCell
    activation: Any = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        if num_layers < 1 or hidden_size < 1:
            raise ArgumentError(
                f"{type(self).__name__}: num_layers and hidden_size must be positive, "
                f"got {num_layers} and {hidden_size}"
            )
        if not 0.0 <= dropout <= 1.0:
            raise ArgumentError(f"dropout must be in [0, 1], got {dropout!r}")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        n, reach = self.cell.n_gates * hidden_size, hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for end in self._ends(layer):
                setattr(self, f"weight_ih_{end}", learned((n, width), reach))
                setattr(self, f"weight_hh_{end}", learned((n, hidden_size), reach))
                if bias:
                    setattr(self, f"bias_ih_{end}", learned((n,), reach))
                    setattr(self, f"bias_hh_{end}", learned((n,), reach))

    def _ends(self, layer: int) -> list[str]:
        """Return how the names of a layer's parameters end, for each direction."""
        return [f"l{layer}", f"l{layer}_reverse"][: 1 + self.bidirectional]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the last layer's state at every step, and all layers' last states."""
        x = swapaxes(input, 0, 1) if self.batch_first and input.ndim == 3 else input
        fits = x.ndim in (2, 3) and x.shape[-1] == self.input_size and x.shape[0] > 0
        if not fits:
            raise ShapeError(
                f"{type(self).__name__} takes (length, batch, {self.input_size}) or "
                f"(length, {self.input_size})"
                + (", the batch first" if self.batch_first else "")
                + f"; got shape {tuple(input.shape)}"
            )
        states = self._states(hx, x)
        last: list[Any] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = F.dropout(x, self.dropout)
            runs = []
            for end in self._ends(layer):
                steps, state = self._run(x, states[len(last)], end)
                runs.append(steps)
                last.append(state)
            x = runs[0] if len(runs) == 1 else cat(runs, -1)
        output = swapaxes(x, 0, 1) if self.batch_first and x.ndim == 3 else x
        return output, self._joined(last)

    def _run(self, x: Tensor, state: Any, end: str) -> tuple[Tensor, Any]:
        """Return the states of one layer in one direction, and the last."""
        is_reverse = end.endswith("reverse")
        own = vars(self)
        from_input = F.linear(x, own[f"weight_ih_{end}"], own.get(f"bias_ih_{end}"))
        weight, bias = own[f"weight_hh_{end}"], own.get(f"bias_hh_{end}")
        found = []
        for row in unbind(flip(from_input, 0) if is_reverse else from_input):
            h = state[0] if self.cell.has_two_states else state
            from_state = F.linear(h, weight, bias)
            state = self.cell.step(row, from_state, state, self.activation)
            found.append(state[0] if self.cell.has_two_states else state)
        return stack(found[::-1] if is_reverse else found), state

    def _states(self, hx: Any, x: Tensor) -> list[Any]:
        """Return the first state of each layer and direction, checked."""
        n = self.num_layers * (1 + self.bidirectional)
        expected = (n, *x.shape[1:-1], self.hidden_size)
        if hx is None:
            hx = (
                (zeros(*expected),) * 2
                if self.cell.has_two_states
                else zeros(*expected)
            )
        both = tuple(hx) if self.cell.has_two_states else (hx,)
        for h in both:
            if tuple(h.shape) != expected:
                raise ShapeError(
                    f"{type(self).__name__} needs states of shape {expected}, got "
                    f"{tuple(h.shape)}"
                )
        rows = [unbind(h) for h in both]
        return list(zip(*rows, strict=True)) if len(rows) > 1 else list(rows[0])

    def _joined(self, last: list[Any]) -> Any:
        if not self.cell.has_two_states:
            return stack(last)
        return tuple(stack(part) for part in zip(*last, strict=True))

    def extra_repr(self) -> str:
        """Return the settings."""
        options = {"num_layers": 1, "batch_first": False, "bidirectional": False}
        said = [
            f"{k}={vars(self)[k]}" for k, v in options.items() if vars(self)[k] != v
        ]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *said])


class RNN(_Recurrent):
    """`RNNCell` over sequences, in several layers and both directions on request.

    Parameters
    ----------
    input_size, hidden_size
        Extents of the last axis of the input and of the states.
    num_layers
        Each layer after the first reads the states of the one before.
    nonlinearity
        ``'tanh'`` or ``'relu'``.
    bias
        Whether there are biases.
    batch_first
        Whether the input is (batch, length, input_size), not (length, batch,
        input_size); without a batch (length, input_size).
    dropout
        Share of elements dropped between layers while training.
    bidirectional
        Whether each layer also runs from the end; states are then side by side.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
        )
        self.nonlinearity, self.activation = nonlinearity, _activation(nonlinearity)


class GRU(_Recurrent):
    """`GRUCell` over sequences; parameters as of `RNN`, without a nonlinearity.

    Examples
    --------
    >>> import autodiff as ad
    >>> output, last = ad.nn.GRU(3, 4, batch_first=True)(ad.zeros(2, 5, 3))
    >>> output.shape, last.shape
    ((2, 5, 4), (1, 2, 4))
    """

    cell = GRUCell


class LSTM(_Recurrent):
    """`LSTMCell` over sequences; parameters as of `RNN`, without a nonlinearity.

    Examples
    --------
    >>> import autodiff as ad
    >>> output, (h, c) = ad.nn.LSTM(3, 4, num_layers=2)(ad.zeros(5, 2, 3))
    >>> output.shape, h.shape, c.shape
    ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    cell = LSTMCell
