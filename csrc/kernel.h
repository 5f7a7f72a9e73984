/*
 * kernel.h - elementwise kernels over contiguous runs, one per row of ops.def.
 *
 * A kernel knows nothing of shapes: every pointer is to n elements, those of
 * operands that a formula does not name may be anything. Which SIMD variant runs
 * is chosen by the processor at hand.
 */
#ifndef AD_KERNEL_H
#define AD_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* z = op(x, y, w) */
typedef void (*ad_primal_kernel)(int64_t n, const double *x, const double *y,
                                 const double *w, double *restrict z);

/* p = partial of op in its operand k, at x, y, w with the result z */
typedef void (*ad_partial_kernel)(int64_t n, const double *x, const double *y,
                                  const double *w, const double *z, double *restrict p);

/* Opcodes from AD_OP_RESHAPE on are those of pairs.def here, in its order. */
ad_primal_kernel ad_kernel_primal(int op);
ad_partial_kernel ad_kernel_partial(int op, int k);

/*
 * out = p * g, or out += that with `adds`, by the sweep rule: 0 where either is
 * exactly 0, unless is_strict asks for the plain IEEE product. out may be p or g.
 */
void ad_kernel_product(int64_t n, const double *p, const double *g, double *out,
                       bool is_strict, bool adds);

/* A row or a pair on slots of a workspace, in which each slot is n_lanes doubles. There
 * are two opcodes for two ways to run it. */
enum { AD_FAST, AD_GUARDED };

typedef struct ad_step {
    uint16_t op[2];
    uint32_t z, x, y, w;
} ad_step;

/*
 * Run steps over the first n_used lanes, a multiple of 8, up to the first that is no
 * cheap row; returns that one. No result overlaps an operand.
 */
const ad_step *ad_kernel_steps(const ad_step *step, int mode, int64_t n_lanes,
                               int64_t n_used, double *ws);

/*
 * Long runs may be done in blocks that stay in the nearest cache. An element's last
 * bit may hang on how far it is from the end, where kernels go on without SIMD; so
 * blocks are whole vectors, and none is shorter than the least of the last.
 */
enum { AD_BLOCK = 256, AD_BLOCK_LAST = 64, AD_BLOCK_MOST = AD_BLOCK + AD_BLOCK_LAST };

/* Length of the next block when `rest` elements are left. */
static inline int64_t ad_block_length(int64_t rest, int64_t block)
{
    return rest < block + AD_BLOCK_LAST ? rest : block;
}

/* c (m, n) += a (m, k) @ b (k, n), all in C order; an operand that is transposed
 * lies in memory as (k, m) or (n, k). */
void ad_kernel_matmul(int64_t m, int64_t n, int64_t k, const double *a, bool trans_a,
                      const double *b, bool trans_b, double *restrict c);

/* c = a @ b for each of n_lanes products, whose elements lie side by side. */
void ad_kernel_matmul_lanes(int64_t m, int64_t n, int64_t k, const double *a,
                            bool trans_a, const double *b, bool trans_b,
                            int64_t n_lanes, double *restrict c);

/* to = value; to = 0 + x, which turns -0 to 0; to += x, which may be `to` itself */
void ad_kernel_fill(int64_t n, double value, double *to);
void ad_kernel_add_zero(int64_t n, const double *x, double *to);
void ad_kernel_add(int64_t n, const double *x, double *to);

/* to[i] = x[at[i]], and 0 where at[i] is negative */
void ad_kernel_gather(int64_t n, const int64_t *restrict at, const double *restrict x,
                      double *restrict to);

bool ad_kernel_has_nan(int64_t n, const double *v);

/* differs[i] = guard, and outcome[i] = v[i], where v[i] is not `wanted` and differs[i] is
 * negative; is there one? */
bool ad_kernel_differs(int64_t n, const double *v, double wanted, int32_t guard,
                       int32_t *differs, double *outcome);

/* Sum of n elements, pairwise: error grows with log n. */
double ad_kernel_sum(int64_t n, const double *x);

/* to[l] += the same sum of each of n_lanes lanes; element i of lane l at
 * x[i * n_lanes + l]. */
void ad_kernel_sum_lanes(int64_t n, int64_t n_lanes, const double *x, double *to);

/* The same sums of what comes in pieces: all but the last are whole blocks. */
enum { AD_SUM_BLOCK = 128, AD_SUM_DEPTH = 64 };

typedef struct ad_sum {
    int64_t n_lanes;
    int64_t n_blocks; /* so far */
    int depth;        /* levels of the stack in use */
    double *stack;    /* AD_SUM_DEPTH * n_lanes, the caller's */
} ad_sum;

void ad_sum_start(ad_sum *sum, int64_t n_lanes, double *stack);
void ad_sum_feed(ad_sum *sum, int64_t n, const double *x);
void ad_sum_end(const ad_sum *sum, double *to);

#endif
