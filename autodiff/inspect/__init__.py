"""Looking into graphs and gradients: what there is, and why something is not.

>>> import autodiff as ad
>>> w = ad.tensor(2.0, requires_grad=True)
>>> print(ad.inspect.tree(w * w, names={"w": w}))
mul () = 4, grad 1
|-- w () = 2, grad 4
`-- w, see above
"""

from autodiff.inspect.drawing import to_dot, to_svg
from autodiff.inspect.gradients import GradientReport, LayerReport, gradient_report
from autodiff.inspect.graph import Graph, tree
from autodiff.inspect.reason import why_no_grad

__all__ = [
    "GradientReport",
    "Graph",
    "LayerReport",
    "gradient_report",
    "to_dot",
    "to_svg",
    "tree",
    "why_no_grad",
]
