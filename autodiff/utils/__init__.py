"""What scripts need around a model: `autodiff.utils.data`."""

from autodiff.utils import data

__all__ = ["data"]
