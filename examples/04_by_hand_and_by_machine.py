"""By hand and by machine: y = wx with its gradient from paper, and from `backward`.

The loss of one example is (xw - t)^2, so d loss / dw = 2x(xw - t). Thirty epochs of
stochastic descent over three examples, with both gradients: not close, but identical,
since the engine multiplies the same numbers.
"""

import autodiff as torch

torch.set_default_dtype(torch.float64)
examples = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]
RATE, EPOCHS = 0.01, 30


def gradient(w, x, t):
    """Return what paper gives for d (xw - t)^2 / dw."""
    return 2 * x * (x * w - t)


by_hand = 1.0
w = torch.tensor(1.0, requires_grad=True)
is_same = True
print("epoch    w by hand    w by machine   loss")
for epoch in range(EPOCHS):
    for x, t in examples:
        by_hand -= RATE * gradient(by_hand, x, t)

        loss = (x * w - t) ** 2
        loss.backward()
        with torch.no_grad():
            w -= RATE * w.grad
        w.grad.zero_()  # or gradients would add up
        is_same = is_same and abs(w.item() - by_hand) <= 1e-15
    if epoch % 6 == 0 or epoch == EPOCHS - 1:
        print(f"{epoch:5} {by_hand:12.8f} {w.item():14.8f}   {loss.item():.2e}")
print("the same after each of", EPOCHS * len(examples), "steps:", is_same)
print("prediction for x = 4:", round((4.0 * w).item(), 4))
