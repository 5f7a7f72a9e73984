"""Problems and settings that optimisers are followed on, ours and PyTorch's."""

import numpy as np

SETTINGS = {
    "SGD": {"lr": 0.02},
    "SGD momentum": {"lr": 0.01, "momentum": 0.9, "dampening": 0.3},
    "SGD nesterov": {"lr": 0.01, "momentum": 0.9, "nesterov": True},
    "SGD decay": {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.1},
    "SGD maximize": {"lr": 1e-4, "maximize": True},
    "Adam": {"lr": 0.05},
    "Adam decay": {"lr": 0.05, "weight_decay": 0.1, "betas": (0.8, 0.99)},
    "Adam amsgrad": {"lr": 0.05, "amsgrad": True},
    "AdamW": {"lr": 0.05},
    "AdamW amsgrad": {"lr": 0.05, "amsgrad": True, "weight_decay": 0.2},
    "RMSprop": {"lr": 0.002},
    "RMSprop everything": {
        "lr": 0.01, "momentum": 0.8, "centered": True, "weight_decay": 0.1,
    },
    "Adagrad": {"lr": 0.1},
    "Adagrad decay": {
        "lr": 0.3, "lr_decay": 0.05, "weight_decay": 0.1,
        "initial_accumulator_value": 0.2,
    },
    "LBFGS": {"lr": 0.1, "max_iter": 4},
    "LBFGS wolfe": {"max_iter": 3, "history_size": 5, "line_search_fn": "strong_wolfe"},
    "LBFGS long": {"max_iter": 20, "line_search_fn": "strong_wolfe"},
}  # fmt: skip


def trajectory(module, name, steps=100):
    """All parameters after each of so many steps, shape (steps, 8)."""
    random = np.random.default_rng(5)
    data = module.tensor(random.standard_normal((20, 3)))
    target = module.tensor(random.standard_normal(20))
    weight = module.tensor(random.standard_normal((3, 2)), requires_grad=True)
    shift = module.tensor(random.standard_normal(2), requires_grad=True)
    unused = module.tensor(random.standard_normal(2), requires_grad=True)
    scale = module.tensor(0.5, requires_grad=True, dtype=module.float64)
    params = [weight, unused, shift, scale]
    optimizer = getattr(module.optim, name.split()[0])(params, **SETTINGS[name])

    def closure():
        optimizer.zero_grad()
        hidden = module.tanh(data @ weight + shift)
        loss = ((scale * hidden.sum(1) - target) ** 2).mean() + 0.01 * (weight**4).sum()
        # Held together, so that rounding does not grow from step to step.
        loss = loss + 0.2 * ((weight**2).sum() + (shift**2).sum() + scale**2)
        loss.backward()
        return loss

    rows = []
    for _ in range(steps):
        optimizer.step(closure)
        rows.append(np.concatenate([np.ravel(p.detach().numpy()) for p in params]))
    return np.array(rows)
