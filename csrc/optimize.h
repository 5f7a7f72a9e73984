/*
 * optimize.h - steps of the optimisers: parameters move against their gradients.
 *
 * Plain loops over the n elements of one parameter x, its gradient g and its part of
 * the optimiser's state; they know no tape and no tensor. `x`, `g` and the states do
 * not overlap. `count` is how many steps this parameter has taken, this one included.
 */
#ifndef AD_OPTIMIZE_H
#define AD_OPTIMIZE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ad_sgd {
    double rate, momentum, dampening, decay;
    bool is_nesterov, is_maximizing;
} ad_sgd;

/* velocity: unused without momentum. */
void ad_step_sgd(const ad_sgd *how, int64_t n, int64_t count, double *x,
                 const double *g, double *velocity);

typedef struct ad_adam {
    double rate, beta1, beta2, tiny, decay;
    bool is_decoupled; /* AdamW: the decay bypasses the moments */
    bool is_amsgrad, is_maximizing;
} ad_adam;

/* mean and square: moving averages of the gradient and its square; largest: of the
 * latter, unused unless is_amsgrad. */
void ad_step_adam(const ad_adam *how, int64_t n, int64_t count, double *x,
                  const double *g, double *mean, double *square, double *largest);

typedef struct ad_rmsprop {
    double rate, alpha, tiny, decay, momentum;
    bool is_centered, is_maximizing;
} ad_rmsprop;

void ad_step_rmsprop(const ad_rmsprop *how, int64_t n, double *x, const double *g,
                     double *square, double *mean, double *velocity);

typedef struct ad_adagrad {
    double rate, rate_decay, decay, tiny;
    bool is_maximizing;
} ad_adagrad;

void ad_step_adagrad(const ad_adagrad *how, int64_t n, int64_t count, double *x,
                     const double *g, double *sum);

#endif
