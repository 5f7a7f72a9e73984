/*
 * kernel_sum.c - sums whose error grows with the logarithm of the number of terms.
 *
 * Blocks of AD_SUM_BLOCK elements are added up in eight interleaved sums, blocks in
 * pairs, pairs in pairs of pairs: partial sums of 2^j blocks wait in level j of a
 * stack, as digits of a binary counter. The order depends on the number of elements
 * only: not on lanes, and not on the pieces in which they come.
 *
 *     stack, w lanes in a bundle       bundle 0: level 0 | level 1 | ...
 *     (8, or fewer if there are)       bundle 1: level 0 | level 1 | ...
 */
#include "kernel.h"

#include "kernel_math.h"

enum { WAYS = 8, WIDTH = 8 };

AD_CLONES static double sum_block(int64_t n, const double *x)
{
    double way[WAYS] = {0};
    int64_t i = 0;
    for (; i + WAYS <= n; i += WAYS)
        for (int j = 0; j < WAYS; j++)
            way[j] += x[i + j];
    double sum = ((way[0] + way[1]) + (way[2] + way[3])) +
                 ((way[4] + way[5]) + (way[6] + way[7]));
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

/* The same for WIDTH lanes, whose elements lie `step` apart. */
AD_CLONES static void sum_wide(int64_t n, int64_t step, const double *x, double *to)
{
    double way[WAYS][WIDTH] = {{0}};
    int64_t i = 0;
    for (; i + WAYS <= n; i += WAYS)
        for (int j = 0; j < WAYS; j++)
            for (int l = 0; l < WIDTH; l++)
                way[j][l] += x[(i + j) * step + l];
    for (int l = 0; l < WIDTH; l++)
        to[l] = ((way[0][l] + way[1][l]) + (way[2][l] + way[3][l])) +
                ((way[4][l] + way[5][l]) + (way[6][l] + way[7][l]));
    for (; i < n; i++)
        for (int l = 0; l < WIDTH; l++)
            to[l] += x[i * step + l];
}

/* For fewer: one after the other. */
static void sum_narrow(int64_t n, int64_t width, int64_t step, const double *x,
                       double *to)
{
    double column[AD_SUM_BLOCK];
    for (int64_t l = 0; l < width; l++) {
        for (int64_t i = 0; i < n; i++)
            column[i] = x[i * step + l];
        to[l] = sum_block(n, column);
    }
}

void ad_sum_start(ad_sum *sum, int64_t n_lanes, double *stack)
{
    *sum = (ad_sum){.n_lanes = n_lanes, .stack = stack};
}

static void feed_bundle(int64_t n_blocks, int depth, int64_t n, int64_t width,
                        int64_t step, const double *x, double *stack)
{
    double block[WIDTH];
    if (step == 1)
        block[0] = sum_block(n, x);
    else if (width == WIDTH)
        sum_wide(n, step, x, block);
    else
        sum_narrow(n, width, step, x, block);
    for (; n_blocks & 1; n_blocks >>= 1) {
        depth--;
        for (int64_t l = 0; l < width; l++)
            block[l] = stack[depth * width + l] + block[l];
    }
    for (int64_t l = 0; l < width; l++)
        stack[depth * width + l] = block[l];
}

void ad_sum_feed(ad_sum *sum, int64_t n, const double *x)
{
    const int64_t b = sum->n_lanes;
    for (int64_t i = 0; i < n; i += AD_SUM_BLOCK) {
        const int64_t length = n - i < AD_SUM_BLOCK ? n - i : AD_SUM_BLOCK;
        for (int64_t l = 0; l < b; l += WIDTH)
            feed_bundle(sum->n_blocks, sum->depth, length,
                        b - l < WIDTH ? b - l : WIDTH, b, x + i * b + l,
                        sum->stack + l * AD_SUM_DEPTH);
        for (int64_t blocks = sum->n_blocks++; blocks & 1; blocks >>= 1)
            sum->depth--;
        sum->depth++;
    }
}

void ad_sum_end(const ad_sum *sum, double *to)
{
    const int64_t b = sum->n_lanes;
    for (int64_t l = 0; l < b; l++) {
        const int64_t bundle = l / WIDTH * WIDTH;
        const int64_t width = b - bundle < WIDTH ? b - bundle : WIDTH;
        const double *stack = sum->stack + bundle * AD_SUM_DEPTH + (l - bundle);
        int depth = sum->depth;
        double total = depth > 0 ? stack[--depth * width] : 0.0;
        while (depth > 0)
            total = stack[--depth * width] + total;
        to[l] = total;
    }
}

double ad_kernel_sum(int64_t n, const double *x)
{
    double stack[AD_SUM_DEPTH], total;
    ad_sum sum;
    ad_sum_start(&sum, 1, stack);
    ad_sum_feed(&sum, n, x);
    ad_sum_end(&sum, &total);
    return total;
}

void ad_kernel_sum_lanes(int64_t n, int64_t n_lanes, const double *x, double *to)
{
    for (int64_t l = 0; l < n_lanes; l += WIDTH) {
        const int64_t width = n_lanes - l < WIDTH ? n_lanes - l : WIDTH;
        double stack[AD_SUM_DEPTH * WIDTH];
        int64_t n_blocks = 0;
        int depth = 0;
        for (int64_t i = 0; i < n; i += AD_SUM_BLOCK) {
            const int64_t length = n - i < AD_SUM_BLOCK ? n - i : AD_SUM_BLOCK;
            feed_bundle(n_blocks, depth, length, width, n_lanes, x + i * n_lanes + l,
                        stack);
            for (int64_t blocks = n_blocks++; blocks & 1; blocks >>= 1)
                depth--;
            depth++;
        }
        for (int64_t j = 0; j < width; j++) {
            int at = depth;
            double total = at > 0 ? stack[--at * width + j] : 0.0;
            while (at > 0)
                total = stack[--at * width + j] + total;
            to[l + j] += total;
        }
    }
}
