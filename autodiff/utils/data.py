"""Data in batches, with PyTorch's words.

>>> import autodiff as ad
>>> from autodiff.utils.data import DataLoader, TensorDataset
>>> pairs = TensorDataset(ad.arange(5).reshape(5, 1), ad.arange(5))
>>> [tuple(x.shape) for x, y in DataLoader(pairs, batch_size=2)]
[(2, 1), (2, 1), (1, 1)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autodiff._core import Tensor
from autodiff.creation import randperm, tensor
from autodiff.errors import ArgumentError
from autodiff.indexing import take
from autodiff.shape import stack

__all__ = ["DataLoader", "Dataset", "Subset", "TensorDataset", "random_split"]


class Dataset:
    """Examples by number: a subclass has `__getitem__` and `__len__`."""

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")


class TensorDataset(Dataset):
    """Rows of tensors of one length, as tuples."""

    def __init__(self, *tensors: Any) -> None:
        lengths = {len(t) for t in tensors}
        if len(lengths) != 1:
            raise ArgumentError(
                f"TensorDataset takes tensors of one length, got {sorted(lengths)}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """Some examples of a data set, by their numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Any, lengths: Sequence[float]) -> list[Subset]:
    """Return subsets of random examples: of so many, or of shares that add up to 1."""
    n = len(dataset)
    sizes = [int(length) for length in lengths]
    if sum(lengths) == 1 and n != 1:
        sizes = [int(n * share) for share in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != n:
        raise ArgumentError(
            f"random_split: lengths {list(lengths)} must add up to the {n} examples, "
            "or to 1"
        )
    order = [int(i) for i in randperm(n)]
    ends = np.cumsum(sizes)
    return [
        Subset(dataset, order[end - size : end])
        for size, end in zip(sizes, ends, strict=True)
    ]


def _together(examples: list[Any]) -> Any:
    """Return examples as one: numbers and tensors stacked, containers by part."""
    first = examples[0]
    if isinstance(first, Tensor):
        return stack(examples)
    if isinstance(first, dict):
        return {key: _together([x[key] for x in examples]) for key in first}
    if isinstance(first, (tuple, list)):
        return [_together(list(part)) for part in zip(*examples, strict=True)]
    if isinstance(first, (str, bytes)):
        return examples
    return tensor(np.asarray(examples))


class DataLoader:
    """Go over a data set in batches.

    Parameters
    ----------
    dataset
        What has `__getitem__` and `__len__`: a `Dataset`, a tensor, a list.
    batch_size
        How many examples make a batch.
    shuffle
        Whether the order is random, another each time; `manual_seed` restarts it.
    drop_last
        Whether a last batch that is smaller is left out.
    collate_fn
        Makes a batch of a list of examples; by default tensors are stacked.
    num_workers, pin_memory
        Accepted; everything is in this process.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be positive, got {batch_size!r}")
        self.dataset, self.batch_size = dataset, batch_size
        self.shuffle, self.drop_last, self.collate_fn = shuffle, drop_last, collate_fn

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        order = randperm(n).numpy().astype(int) if self.shuffle else np.arange(n)
        for first in range(0, n, self.batch_size):
            chosen = order[first : first + self.batch_size]
            if len(chosen) < self.batch_size and self.drop_last:
                return
            yield self._batch(chosen)

    def _batch(self, chosen: Any) -> Any:
        if type(self.dataset) is TensorDataset and self.collate_fn is None:
            return [take(t, chosen, 0) for t in self.dataset.tensors]
        collate = self.collate_fn or _together
        return collate([self.dataset[int(i)] for i in chosen])

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)
