"""The exceptions and warnings of the package, one class for each cause."""

import numpy as np


class AutodiffError(Exception):
    """Base class of every error that this package defines."""


class ShapeError(AutodiffError, RuntimeError, ValueError):
    """Shapes do not fit together.

    Failing: ``ad.ones(2, 3) + ad.ones(4)``. Right: extents equal or 1, counted
    from the last axis: ``ad.ones(2, 3) + ad.ones(3)``.
    """


class ArgumentError(AutodiffError, RuntimeError, ValueError):
    """An option has a value that the operation does not take.

    Failing: ``ad.arange(0, 5, 0)``. Right: a step that leads from start to end.
    """


class LinAlgError(AutodiffError, np.linalg.LinAlgError, RuntimeError):
    """A matrix has no such decomposition: it is singular, or not positive definite.

    Failing: ``ad.linalg.inv(ad.zeros(2, 2))``. Right: a matrix that has an inverse, or
    ``ad.linalg.lstsq``. NumPy's class of the same name catches it too.
    """


class GraphError(AutodiffError, RuntimeError):
    """The recorded graph cannot be swept.

    It was swept before and its values were freed (``retain_graph=True`` keeps
    them), a saved value was changed in place, or there is no graph at all.
    """


class ThreadError(GraphError):
    """Values recorded by two threads meet in one operation.

    Each thread records on its own tape. Share leaves, or ``detach()`` first.
    """


class AnomalyError(GraphError):
    """Under `detect_anomaly`, an operation of the backward sweep made a NaN."""


class NotDifferentiableError(AutodiffError, RuntimeError):
    """The operation has no derivative rule of the kind that was asked for."""


class GradcheckError(AutodiffError, RuntimeError):
    """A gradient differs from the difference quotient of the values."""


class ConvergenceError(AutodiffError, RuntimeError):
    """An iteration has not come to its end within the steps that it was given."""


class TraceError(AutodiffError, TypeError):
    """A function cannot be recorded as a program.

    A value that depends on the function's arguments was asked for as a plain number
    (``math.sin(x)``, ``float(x)``, ``np.asarray(x)``), or used outside of the function
    that was being recorded. Failing: ``ad.compile(lambda x: math.sin(x))``. Right:
    ``ad.compile(lambda x: ad.sin(x))``.
    """


class ProgramError(AutodiffError, ValueError):
    """What was loaded is not a program.

    The bytes are cut off, were changed on the way, or come from a newer version; or
    what they say does not hold together. Nothing of it was run. Right: save it again.
    """


class GradientLossWarning(UserWarning):
    """A value that carries a gradient was converted to a plain number.

    What is computed from the plain number has no gradient. ``.item()``,
    ``.detach()`` and ``.detach().numpy()`` say that this is meant, and are silent.
    """


class GradientLossError(AutodiffError, TypeError):
    """Inside a transform, a value that carries a gradient became a plain number.

    Failing: ``ad.grad(lambda x: math.sin(x))``. Right: ``ad.grad(lambda x:
    ad.sin(x))``, or ``ad.stop_gradient(x)`` where no gradient is to pass.
    """


class CopyWarning(UserWarning):
    """A slice or transpose was changed in place, and what it was taken from was not.

    Failing: ``weight[0].fill_(0.0)``. Right: ``weight[0] = 0.0``; or
    ``weight[0].clone()`` where a copy is meant.
    """


class PrecisionWarning(UserWarning):
    """Another precision was asked for than the one computed in, float64."""
