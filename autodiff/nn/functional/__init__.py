"""Functions of neural networks, with PyTorch's signatures.

>>> import autodiff as ad
>>> import autodiff.nn.functional as F
>>> F.softmax(ad.tensor([0.0, 0.0]), dim=0)
tensor([0.5000, 0.5000])
"""

from autodiff.indexing import pad
from autodiff.nn.functional.activation import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)  # fmt: skip
from autodiff.nn.functional.convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    unfold,
)  # fmt: skip
from autodiff.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)  # fmt: skip
from autodiff.nn.functional.normalization import (
    batch_norm,
    dropout,
    dropout2d,
    layer_norm,
)  # fmt: skip
from autodiff.nn.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)  # fmt: skip
from autodiff.nn.functional.vector import (
    cosine_similarity,
    embedding,
    linear,
    normalize,
    one_hot,
)  # fmt: skip

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d",
    "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy",
    "dropout", "dropout2d", "elu", "embedding", "gelu", "hardtanh", "huber_loss",
    "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
    "logsigmoid", "max_pool1d", "max_pool2d", "mse_loss", "nll_loss", "normalize",
    "one_hot", "pad", "relu", "relu6", "selu", "sigmoid", "silu", "smooth_l1_loss",
    "softmax", "softplus", "softsign", "tanh", "unfold",
]  # fmt: skip
