"""Functions under the names that PyTorch keeps in ``torch.special``.

All of them are in ``autodiff`` as well; nothing is computed here.

>>> import autodiff as ad
>>> ad.special.expit(ad.tensor(0.0))
tensor(0.5000)
"""

from autodiff._core import FUNCTIONS as _ROWS
from autodiff.functions import round
from autodiff.reduce import log_softmax, logsumexp, softmax

__all__ = [
    "digamma", "erf", "erfc", "exp2", "expit", "expm1", "gammaln", "log1p", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "ndtr", "polygamma", "psi", "round", "sinc",
    "softmax", "xlog1py", "xlogy",
]  # fmt: skip

digamma = _ROWS["digamma"]
erf = _ROWS["erf"]
erfc = _ROWS["erfc"]
exp2 = _ROWS["exp2"]
expit = _ROWS["expit"]
expm1 = _ROWS["expm1"]
gammaln = _ROWS["gammaln"]
log1p = _ROWS["log1p"]
log_ndtr = _ROWS["log_ndtr"]
logit = _ROWS["logit"]
ndtr = _ROWS["ndtr"]
polygamma = _ROWS["polygamma"]
psi = _ROWS["psi"]
sinc = _ROWS["sinc"]
xlog1py = _ROWS["xlog1py"]
xlogy = _ROWS["xlogy"]
