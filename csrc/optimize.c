/*
 * optimize.c - see optimize.h.
 */
#include "optimize.h"

#include <math.h>

/* The gradient that counts: of what is minimised, with the weights' own decay. */
static inline double slope(double g, double x, double decay, bool is_maximizing)
{
    return (is_maximizing ? -g : g) + decay * x;
}

void ad_step_sgd(const ad_sgd *how, int64_t n, int64_t count, double *x,
                 const double *g, double *velocity)
{
    if (how->momentum == 0.0) {
        for (int64_t i = 0; i < n; i++)
            x[i] -= how->rate * slope(g[i], x[i], how->decay, how->is_maximizing);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double d = slope(g[i], x[i], how->decay, how->is_maximizing);
        double v =
            count == 1 ? d : how->momentum * velocity[i] + (1.0 - how->dampening) * d;
        velocity[i] = v;
        x[i] -= how->rate * (how->is_nesterov ? d + how->momentum * v : v);
    }
}

void ad_step_adam(const ad_adam *how, int64_t n, int64_t count, double *x,
                  const double *g, double *mean, double *square, double *largest)
{
    const double bias1 = 1.0 - pow(how->beta1, (double)count);
    const double root2 = sqrt(1.0 - pow(how->beta2, (double)count));
    const double rate = how->rate / bias1;
    const double coupled = how->is_decoupled ? 0.0 : how->decay;
    const double shrink = how->is_decoupled ? 1.0 - how->rate * how->decay : 1.0;
    for (int64_t i = 0; i < n; i++) {
        double d = slope(g[i], x[i], coupled, how->is_maximizing);
        mean[i] += (1.0 - how->beta1) * (d - mean[i]);
        square[i] = how->beta2 * square[i] + (1.0 - how->beta2) * d * d;
        double s = square[i];
        if (how->is_amsgrad)
            s = largest[i] = largest[i] > s ? largest[i] : s;
        x[i] = shrink * x[i] - rate * (mean[i] / (sqrt(s) / root2 + how->tiny));
    }
}

void ad_step_rmsprop(const ad_rmsprop *how, int64_t n, double *x, const double *g,
                     double *square, double *mean, double *velocity)
{
    const double rest = 1.0 - how->alpha;
    for (int64_t i = 0; i < n; i++) {
        double d = slope(g[i], x[i], how->decay, how->is_maximizing);
        square[i] = how->alpha * square[i] + rest * d * d;
        double s = square[i];
        if (how->is_centered) {
            mean[i] += rest * (d - mean[i]);
            s -= mean[i] * mean[i];
        }
        d /= sqrt(s) + how->tiny;
        if (how->momentum > 0.0)
            d = velocity[i] = how->momentum * velocity[i] + d;
        x[i] -= how->rate * d;
    }
}

void ad_step_adagrad(const ad_adagrad *how, int64_t n, int64_t count, double *x,
                     const double *g, double *sum)
{
    const double rate = how->rate / (1.0 + (double)(count - 1) * how->rate_decay);
    for (int64_t i = 0; i < n; i++) {
        double d = slope(g[i], x[i], how->decay, how->is_maximizing);
        sum[i] += d * d;
        x[i] -= rate * (d / (sqrt(sum[i]) + how->tiny));
    }
}
