"""What the examples of the gallery share: two sets of data, and small pictures.

`digits.npz` is the test set of "Optical Recognition of Handwritten Digits" by E.
Alpaydin and C. Kaynak (UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49, CC BY 4.0), which scikit-learn has as `load_digits`:
1797 images of 8x8 pixels, each the number of dark dots, 0 to 16, in a square of 4x4.
"""

import sys
from pathlib import Path

import numpy as np

COLORS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"]


def digits():
    """Return images (1797, 1, 8, 8) with pixels in 0 to 1, and labels (1797,)."""
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        images, labels = file["images"], file["labels"]
    return images[:, None] / 16.0, labels.astype(int)


def moons(n, *, angle=0.0, noise=0.1, seed=0):
    """Return two half moons in each other, turned: points (n, 2) and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    t = np.pi * rng.random(n)
    upper = np.stack([np.cos(t), np.sin(t)], axis=1)
    lower = np.stack([1.0 - np.cos(t), 0.5 - np.sin(t)], axis=1)
    points = np.where(labels[:, None] == 0, upper, lower) - [0.5, 0.25]
    points += noise * rng.standard_normal((n, 2))
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return points @ np.array([[c, s], [-s, c]]), labels


def picture(*panels):
    """Write panels side by side as SVG to the path on the command line, if any.

    A panel is (title, {name: series}); a series is an array (n,), drawn as a line, or
    (n, 2), drawn as points.
    """
    if len(sys.argv) < 2:
        return
    size, gap = 220, 30
    parts = []
    for number, (title, series) in enumerate(panels):
        left = number * (size + gap)
        parts += _panel(left, size, title, series)
    width, height = len(panels) * (size + gap), size + 60
    Path(sys.argv[1]).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {width} {height}" '
        f'width="{width}" font-family="sans-serif" font-size="11">\n'
        f'<rect x="-10" width="{width}" height="{height}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n",
        encoding="utf-8",
    )


def _panel(left, size, title, series):
    """Return the elements of one panel: frame, title, bounds, and each series."""
    drawn = {}
    for name, values in series.items():
        values = np.asarray(values, float)
        is_line = values.ndim == 1
        ys = values if is_line else values[:, 1]
        xs = np.arange(len(ys)) if is_line else values[:, 0]
        thin = slice(None, None, -(-len(ys) // 200))  # as many as can be seen
        drawn[name] = is_line, xs[thin], ys[thin]
    all_x = np.concatenate([xs for _, xs, _ in drawn.values()])
    all_y = np.concatenate([ys for _, _, ys in drawn.values()])
    x0, x1 = all_x.min(), max(all_x.max(), all_x.min() + 1e-9)
    y0, y1 = all_y.min(), max(all_y.max(), all_y.min() + 1e-9)
    parts = [
        f'<text x="{left}" y="14" font-weight="bold">{title}</text>',
        f'<rect x="{left}" y="20" width="{size}" height="{size}" fill="none" '
        'stroke="#bbb"/>',
        f'<text x="{left + 2}" y="31" fill="#888">{y1:.3g}</text>',
        f'<text x="{left + 2}" y="{size + 17}" fill="#888">{y0:.3g}</text>',
    ]
    for number, (name, (is_line, xs, ys)) in enumerate(drawn.items()):
        color = COLORS[number % len(COLORS)]
        px = np.rint(left + 4 + (xs - x0) / (x1 - x0) * (size - 8)).astype(int)
        py = np.rint(16 + size - (ys - y0) / (y1 - y0) * (size - 8)).astype(int)
        if is_line:
            path = " ".join(f"{a},{b}" for a, b in zip(px, py, strict=True))
            parts.append(f'<polyline points="{path}" fill="none" stroke="{color}"/>')
        else:
            dots = "".join(f"M{a} {b}h0" for a, b in zip(px, py, strict=True))
            parts.append(
                f'<path d="{dots}" stroke="{color}" stroke-width="4" '
                'stroke-linecap="round" opacity="0.6"/>'
            )
        x, y = left + 115 * (number % 2), size + 34 + 14 * (number // 2)
        parts.append(f'<text x="{x}" y="{y}" fill="{color}">{name}</text>')
    return parts
