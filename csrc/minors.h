/*
 * minors.h - which elements of a matrix its minors are made of; for rules_linalg.c.
 *
 * A minor here leaves out two rows and two columns of an n x n matrix. There is one for
 * each pair of rows and each pair of columns, P = n (n - 1) / 2 of both; pairs are counted
 * with the lower number first, row by row. The derivative of a cofactor is a sum of them:
 *
 *   d C[i][j] / d x[k][l] = +- minor without rows i, k and columns j, l
 */
#ifndef AD_MINORS_H
#define AD_MINORS_H

#include <stdint.h>

/* Elements of x: of each of P * P minors, (n - 2) x (n - 2). */
void ad_minors_elements(int64_t n, int64_t *at);

/* For each (i, j, k, l) with k != i and l != j, in that order, n^2 (n - 1)^2 of them: the
 * minor, its sign, and k n + l. */
void ad_minors_terms(int64_t n, int64_t *minor, double *sign, int64_t *element);

#endif
