/*
 * rules_linalg.c - adjoints and tangents of the rows of linalg.h; called by rules.c.
 *
 * A rule is written as a formula: each helper applies one operation through
 * ad_apply and returns its value, borrowed from the `work` that keeps all of them
 * until the rule ends. After a failure the rest of a formula does nothing. X' is
 * the transpose. Formulas: Giles, "Collected matrix derivative results for forward
 * and reverse mode" (2008); Murray, arXiv 1602.07527 (CHOLESKY); Golub and Pereyra,
 * SIAM J. Numer. Anal. 10 (1973), 413-432 (LSTSQ).
 *
 * CHOLESKY and EIGH read one triangle of x, but x is meant to be symmetric: tangents
 * are made symmetric, x_dot -> (x_dot + x_dot') / 2, and so are adjoints.
 *
 * size: all rules are written with the same helpers, which would be public otherwise.
 */
#include <math.h>
#include <string.h>

#include "apply.h"
#include "linalg.h"
#include "minors.h"
#include "rules.h"

enum { MAX_TERMS = 64 }; /* the longest formula, SVD's, has some 40 */

typedef struct work {
    ad_tape *tape;
    ad_status status;
    int n;
    ad_value made[MAX_TERMS];
} work;

static const ad_value NOTHING = {0.0, NULL, AD_NONE};

/* ---- One operation each ------------------------------------------------------------ */

static ad_value keep(work *w, ad_status status, ad_value v)
{
    w->status = status;
    if (status != AD_OK)
        return NOTHING;
    w->made[w->n++] = v;
    return v;
}

static bool is_off(work *w)
{
    if (w->status == AD_OK && w->n == MAX_TERMS)
        w->status = AD_NO_MEMORY;
    return w->status != AD_OK;
}

static ad_value apply(work *w, int op, int n_args, const ad_value *args,
                      const ad_attr *attr)
{
    ad_value v = NOTHING;
    if (is_off(w))
        return NOTHING;
    ad_status status = ad_apply(w->tape, op, n_args, args, attr, &v);
    return keep(w, status, v);
}

static ad_value unary(work *w, int op, ad_value a)
{
    const ad_attr attr = {0};
    return apply(w, op, 1, &a, &attr);
}

static ad_value binary(work *w, int op, ad_value a, ad_value b)
{
    const ad_value args[2] = {a, b};
    return apply(w, op, 2, args, NULL);
}

static ad_value add(work *w, ad_value a, ad_value b)
{
    return binary(w, AD_OP_ADD, a, b);
}

static ad_value sub(work *w, ad_value a, ad_value b)
{
    return binary(w, AD_OP_SUB, a, b);
}

static ad_value mul(work *w, ad_value a, ad_value b)
{
    return binary(w, AD_OP_MUL, a, b);
}

/* partial * adjoint, by the sweep rule: 0 where either is 0. */
static ad_value guarded(work *w, ad_value a, ad_value b)
{
    return binary(w, AD_OP_GUARDED_MUL, a, b);
}

static ad_value halved(work *w, ad_value a)
{
    return mul(w, a, (ad_value){0.5, NULL, AD_NONE});
}

static ad_value matmul(work *w, ad_value a, bool trans_a, ad_value b, bool trans_b)
{
    const ad_value args[2] = {a, b};
    const ad_attr attr = {.trans_x = trans_a, .trans_y = trans_b};
    return apply(w, AD_OP_MATMUL, 2, args, &attr);
}

/* u v', or its transpose. */
static ad_value outer(work *w, ad_value u, ad_value v, bool trans)
{
    return trans ? matmul(w, v, false, u, true) : matmul(w, u, false, v, true);
}

/* SOLVE or LSTSQ with the options of `attr`, for x or its transpose. */
static ad_value solved(work *w, int op, const ad_attr *attr, ad_value x, bool trans,
                       ad_value y)
{
    const ad_value args[2] = {x, y};
    const ad_attr own = {.trans_x = trans, .is_lenient = attr->is_lenient};
    return apply(w, op, 2, args, &own);
}

static ad_value shaped(work *w, int op, ad_value a, int ndim, const int64_t *shape,
                       const int64_t *strides, int64_t offset)
{
    ad_array *ghost = ndim > 0 ? ad_array_ghost(ndim, shape) : NULL;
    if (ndim > 0 && ghost == NULL)
        w->status = AD_NO_MEMORY;
    const ad_attr attr = {.offset = offset, .strides = strides, .shape = ghost};
    ad_value v = apply(w, op, 1, &a, &attr);
    ad_array_drop(ghost);
    return v;
}

static ad_value transposed(work *w, ad_value a)
{
    int64_t shape[AD_MAX_NDIM], strides[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    const int ndim = a.array->ndim, i = ndim - 2, j = ndim - 1;
    memcpy(shape, a.array->shape, (size_t)ndim * sizeof *shape);
    ad_shape_strides(ndim, shape, ndim, shape, strides);
    shape[i] = a.array->shape[j];
    shape[j] = a.array->shape[i];
    strides[j] = shape[i];
    strides[i] = 1;
    return shaped(w, AD_OP_STRIDED, a, ndim, shape, strides, 0);
}

/* Rows `first` to `first + count` of each matrix. */
static ad_value rows(work *w, ad_value a, int64_t first, int64_t count)
{
    int64_t shape[AD_MAX_NDIM], strides[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    const int ndim = a.array->ndim;
    memcpy(shape, a.array->shape, (size_t)ndim * sizeof *shape);
    ad_shape_strides(ndim, shape, ndim, shape, strides);
    strides[ndim - 2] = shape[ndim - 1]; /* also where there is one row */
    shape[ndim - 2] = count;
    return shaped(w, AD_OP_STRIDED, a, ndim, shape, strides, first * shape[ndim - 1]);
}

/* Joined along the rows. */
static ad_value stacked(work *w, int n, const ad_value *parts)
{
    if (is_off(w))
        return NOTHING;
    const ad_attr attr = {.axis = parts[0].array->ndim - 2};
    return apply(w, AD_OP_CAT, n, parts, &attr);
}

/* The diagonal of each matrix, as a row. */
static ad_value diagonal(work *w, ad_value a)
{
    int64_t shape[AD_MAX_NDIM], strides[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    const int ndim = a.array->ndim;
    memcpy(shape, a.array->shape, (size_t)ndim * sizeof *shape);
    ad_shape_strides(ndim, shape, ndim, shape, strides);
    strides[ndim - 1] = shape[ndim - 1] + 1;
    strides[ndim - 2] = 0;
    shape[ndim - 2] = 1;
    return shaped(w, AD_OP_STRIDED, a, ndim, shape, strides, 0);
}

/* The sum of each matrix: one number, or one for each of a batch. */
static ad_value total(work *w, ad_value a)
{
    int64_t strides[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    const int ndim = a.array->ndim - 2;
    ad_shape_strides(ndim, a.array->shape, ndim, a.array->shape, strides);
    strides[ndim] = strides[ndim + 1] = 0;
    return shaped(w, AD_OP_STRIDED_ADD, a, ndim, a.array->shape, strides, 0);
}

/* A number for each of a batch, with `n` axes of extent 1 more. */
static ad_value lifted(work *w, ad_value a, int n)
{
    int64_t shape[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    int ndim = a.array != NULL ? a.array->ndim : 0;
    if (ndim > 0)
        memcpy(shape, a.array->shape, (size_t)ndim * sizeof *shape);
    for (int i = 0; i < n; i++)
        shape[ndim++] = 1;
    return shaped(w, AD_OP_RESHAPE, a, ndim, shape, NULL, 0);
}

static ad_value summed_to(work *w, ad_value a, const ad_array *shape)
{
    ad_value v = NOTHING;
    if (is_off(w))
        return NOTHING;
    ad_status status = ad_apply_sum_to(w->tape, &a, shape, &v);
    return keep(w, status, v);
}

/* The passive n x n matrix with these values below, on and above its diagonal. */
static ad_value constant(work *w, int64_t n, double below, double on, double above)
{
    if (is_off(w))
        return NOTHING;
    ad_value v = {0.0, ad_array_new(2, (int64_t[]){n, n}), AD_NONE};
    for (int64_t i = 0; v.array != NULL && i < n * n; i++)
        v.array->data[i] = i / n > i % n ? below : i / n == i % n ? on : above;
    return keep(w, v.array != NULL ? AD_OK : AD_NO_MEMORY, v);
}

static ad_value zeros(work *w, int ndim, const int64_t *shape)
{
    if (is_off(w))
        return NOTHING;
    ad_value v = {0.0, ad_array_new(ndim, shape), AD_NONE};
    for (int64_t i = 0; v.array != NULL && i < v.array->size; i++)
        v.array->data[i] = 0.0;
    return keep(w, v.array != NULL ? AD_OK : AD_NO_MEMORY, v);
}

static ad_value symmetric(work *w, ad_value a)
{
    return halved(w, add(w, a, transposed(w, a)));
}

/* ---- x z = y ------------------------------------------------------------------------ */

/* With B = x or x': y_bar = u = B'^-1 z_bar and B_bar = -u z'. */
static ad_value adjoint_solve(work *w, const ad_node *node, int k, ad_value x,
                              ad_value z, ad_value z_bar)
{
    const bool t = node->attr.trans_x;
    ad_value u = solved(w, AD_OP_SOLVE, &node->attr, x, !t, z_bar);
    if (k == 1)
        return u;
    return unary(w, AD_OP_NEG, outer(w, u, z, t));
}

static ad_value tangent_solve(work *w, const ad_node *node, ad_value x, ad_value z,
                              const ad_value *x_dot, const bool *is_active)
{
    const bool t = node->attr.trans_x;
    ad_value right = is_active[1] ? x_dot[1] : NOTHING;
    if (is_active[0]) {
        ad_value moved = matmul(w, x_dot[0], t, z, false);
        right = is_active[1] ? sub(w, right, moved) : unary(w, AD_OP_NEG, moved);
    }
    return solved(w, AD_OP_SOLVE, &node->attr, x, t, right);
}

/*
 * With B = x or x' of constant rank, P its pseudoinverse and r = y - B z:
 *   z_dot = P (y_dot - B_dot z) + P P' B_dot' r + (I - P B) B_dot' P' z
 * and so y_bar = u = P' z_bar, B_bar = -u z' + r (P u)' + (P' z) (z_bar - B' u)'.
 */
static ad_value adjoint_lstsq(work *w, const ad_node *node, int k, ad_value x,
                              ad_value y, ad_value z, ad_value z_bar)
{
    const ad_attr *attr = &node->attr;
    const bool t = attr->trans_x;
    ad_value u = solved(w, AD_OP_LSTSQ, attr, x, !t, z_bar);
    if (k == 1)
        return u;
    ad_value r = sub(w, y, matmul(w, x, t, z, false));
    ad_value rest = sub(w, z_bar, matmul(w, x, !t, u, false));
    ad_value back = outer(w, r, solved(w, AD_OP_LSTSQ, attr, x, t, u), t);
    ad_value side = outer(w, solved(w, AD_OP_LSTSQ, attr, x, !t, z), rest, t);
    return sub(w, add(w, back, side), outer(w, u, z, t));
}

static ad_value tangent_lstsq(work *w, const ad_node *node, ad_value x, ad_value y,
                              ad_value z, const ad_value *x_dot, const bool *is_active)
{
    const ad_attr *attr = &node->attr;
    const bool t = attr->trans_x;
    if (!is_active[0])
        return solved(w, AD_OP_LSTSQ, attr, x, t, x_dot[1]);
    ad_value r = sub(w, y, matmul(w, x, t, z, false));
    ad_value pull = matmul(w, x_dot[0], !t, r, false);
    ad_value side =
        matmul(w, x_dot[0], !t, solved(w, AD_OP_LSTSQ, attr, x, !t, z), false);
    ad_value right =
        sub(w, solved(w, AD_OP_LSTSQ, attr, x, !t, pull),
            add(w, matmul(w, x_dot[0], t, z, false), matmul(w, x, t, side, false)));
    if (is_active[1])
        right = add(w, x_dot[1], right);
    return add(w, solved(w, AD_OP_LSTSQ, attr, x, t, right), side);
}

/* ---- x = z z' ----------------------------------------------------------------------- */

/* With Phi the lower triangle with half the diagonal: x_bar is the symmetric part of
 * z'^-1 Phi(z' z_bar) z^-1. */
static ad_value adjoint_cholesky(work *w, ad_value z, ad_value z_bar)
{
    const ad_attr attr = {0};
    ad_value phi = constant(w, z.array->shape[z.array->ndim - 1], 1.0, 0.5, 0.0);
    ad_value middle = guarded(w, phi, matmul(w, z, true, z_bar, false));
    ad_value left = solved(w, AD_OP_SOLVE, &attr, z, true, symmetric(w, middle));
    return solved(w, AD_OP_SOLVE, &attr, z, true, transposed(w, left));
}

/* z_dot = z Phi(z^-1 x_dot z'^-1). */
static ad_value tangent_cholesky(work *w, ad_value z, ad_value x_dot)
{
    const ad_attr attr = {0};
    ad_value phi = constant(w, z.array->shape[z.array->ndim - 1], 1.0, 0.5, 0.0);
    ad_value left = solved(w, AD_OP_SOLVE, &attr, z, false, symmetric(w, x_dot));
    ad_value middle = solved(w, AD_OP_SOLVE, &attr, z, false, transposed(w, left));
    return matmul(w, z, false, guarded(w, phi, middle), false);
}

/* ---- x = V diag(w) V', x = U diag(s) V' ------------------------------------------------ */

/* 1 / d[i, j] off the diagonal and 0 on it, for d that is 0 on its diagonal. */
static ad_value inverse_gaps(work *w, ad_value d, int64_t n)
{
    ad_value safe = add(w, d, constant(w, n, 0.0, 1.0, 0.0));
    return mul(w, constant(w, n, 1.0, 0.0, 1.0), unary(w, AD_OP_RECIPROCAL, safe));
}

/* A row as a diagonal matrix. */
static ad_value as_diagonal(work *w, ad_value row, int64_t n)
{
    return guarded(w, row, constant(w, n, 0.0, 1.0, 0.0));
}

/* x_bar = V (F o (V' V_bar) + diag(w_bar)) V', its symmetric part, with
 * F[i, j] = 1 / (w[j] - w[i]). F is antisymmetric, so that part is taken first: then
 * equal eigenvalues do no harm where it is 0. */
static ad_value adjoint_eigh(work *w, ad_value z, ad_value z_bar)
{
    const int64_t n = z.array->shape[z.array->ndim - 1];
    ad_value values = rows(w, z, 0, 1), vectors = rows(w, z, 1, n);
    ad_value f = inverse_gaps(w, sub(w, values, transposed(w, values)), n);
    ad_value turn = matmul(w, vectors, true, rows(w, z_bar, 1, n), false);
    turn = halved(w, sub(w, turn, transposed(w, turn)));
    ad_value middle =
        add(w, guarded(w, f, turn), as_diagonal(w, rows(w, z_bar, 0, 1), n));
    return matmul(w, matmul(w, vectors, false, middle, false), false, vectors, true);
}

static ad_value tangent_eigh(work *w, ad_value z, ad_value x_dot)
{
    const int64_t n = z.array->shape[z.array->ndim - 1];
    ad_value values = rows(w, z, 0, 1), vectors = rows(w, z, 1, n);
    ad_value f = inverse_gaps(w, sub(w, values, transposed(w, values)), n);
    ad_value left = matmul(w, vectors, true, symmetric(w, x_dot), false);
    ad_value middle = matmul(w, left, false, vectors, false);
    const ad_value parts[2] = {diagonal(w, middle),
                               matmul(w, vectors, false, guarded(w, f, middle), false)};
    return stacked(w, 2, parts);
}

/* What both rules of the singular values read. */
typedef struct svd_parts {
    int64_t m, n, k;
    ad_value s, u, v;     /* s as a row */
    ad_value f;           /* 1 / (s[j]^2 - s[i]^2), 0 on the diagonal */
    ad_value inverse;     /* 1 / s */
    ad_value sign;        /* 0 where s is: there it is a kink, as that of |x| */
} svd_parts;

static svd_parts take_apart(work *w, const ad_array *x, ad_value z)
{
    svd_parts p = {.m = x->shape[x->ndim - 2], .n = x->shape[x->ndim - 1]};
    p.k = p.m < p.n ? p.m : p.n;
    p.s = rows(w, z, 0, 1);
    p.u = rows(w, z, 1, p.m);
    p.v = rows(w, z, 1 + p.m, p.n);
    ad_value column = transposed(w, p.s);
    ad_value gap = mul(w, sub(w, p.s, column), add(w, p.s, column));
    p.f = inverse_gaps(w, gap, p.k);
    p.inverse = unary(w, AD_OP_RECIPROCAL, p.s);
    p.sign = unary(w, AD_OP_SIGN, p.s);
    return p;
}

/* (I - a a') a_bar / s, with `inner` = a' a_bar: what leads out of the span of a. */
static ad_value outside(work *w, const svd_parts *p, ad_value a, ad_value a_bar,
                        ad_value inner)
{
    ad_value rest = sub(w, a_bar, matmul(w, a, false, inner, false));
    return guarded(w, rest, p->inverse);
}

/* F o (a' a_bar - a_bar' a) */
static ad_value turned(work *w, const svd_parts *p, ad_value inner)
{
    return guarded(w, p->f, sub(w, inner, transposed(w, inner)));
}

static ad_value adjoint_svd(work *w, const ad_array *x, ad_value z, ad_value z_bar)
{
    const svd_parts p = take_apart(w, x, z);
    ad_value s_bar = guarded(w, rows(w, z_bar, 0, 1), p.sign);
    ad_value u_bar = rows(w, z_bar, 1, p.m), v_bar = rows(w, z_bar, 1 + p.m, p.n);
    ad_value in_u = matmul(w, p.u, true, u_bar, false);
    ad_value in_v = matmul(w, p.v, true, v_bar, false);
    ad_value middle = add(w, mul(w, turned(w, &p, in_u), p.s),
                          mul(w, transposed(w, p.s), turned(w, &p, in_v)));
    middle = add(w, middle, as_diagonal(w, s_bar, p.k));
    ad_value left = matmul(w, p.u, false, middle, false);
    if (p.m > p.k)
        left = add(w, left, outside(w, &p, p.u, u_bar, in_u));
    ad_value x_bar = matmul(w, left, false, p.v, true);
    if (p.n > p.k)
        x_bar = add(w, x_bar,
                    matmul(w, p.u, false, outside(w, &p, p.v, v_bar, in_v), true));
    return x_bar;
}

/* With P = U' x_dot V: s_dot is its diagonal, U_dot = U (F o (P S + S P')) and
 * V_dot = V (F o (S P + P' S)), plus what leads out of either span. */
static ad_value tangent_svd(work *w, const ad_array *x, ad_value z, ad_value x_dot)
{
    const svd_parts p = take_apart(w, x, z);
    ad_value on_v = matmul(w, x_dot, false, p.v, false);
    ad_value middle = matmul(w, p.u, true, on_v, false);
    ad_value back = transposed(w, middle);
    ad_value ps = mul(w, middle, p.s), sp = mul(w, transposed(w, p.s), middle);
    ad_value turn_u = guarded(w, p.f, add(w, ps, transposed(w, ps)));
    ad_value turn_v = guarded(w, p.f, add(w, sp, transposed(w, sp)));
    ad_value parts[3] = {guarded(w, diagonal(w, middle), p.sign),
                         matmul(w, p.u, false, turn_u, false),
                         matmul(w, p.v, false, turn_v, false)};
    if (p.m > p.k)
        parts[1] = add(w, parts[1], outside(w, &p, p.u, on_v, middle));
    if (p.n > p.k) {
        ad_value on_u = matmul(w, x_dot, true, p.u, false);
        parts[2] = add(w, parts[2], outside(w, &p, p.v, on_u, back));
    }
    return stacked(w, 3, parts);
}

/* ---- Determinants ------------------------------------------------------------------- */

/* Up to this size minors are few enough to be computed one by one. */
enum { MAX_BY_MINORS = 6 };

/* Elements of each matrix of `a`, of `size` elements, in a shape of `n_axes` axes. */
static ad_value gathered(work *w, ad_value a, int n_batch, int64_t size,
                         const int64_t *at, int n_axes, const int64_t *axes)
{
    int64_t shape[AD_MAX_NDIM];
    if (is_off(w))
        return NOTHING;
    memcpy(shape, a.array->shape, (size_t)n_batch * sizeof *shape);
    memcpy(shape + n_batch, axes, (size_t)n_axes * sizeof *shape);
    const int64_t count = ad_shape_size(n_axes, axes);
    const int64_t n_matrices = ad_shape_size(n_batch, shape);
    ad_array *ghost = ad_array_ghost(n_batch + n_axes, shape);
    ad_index *index = ad_index_new(n_matrices * count);
    ad_value v = NOTHING;
    if (ghost == NULL || index == NULL)
        w->status = AD_NO_MEMORY;
    for (int64_t k = 0; w->status == AD_OK && k < n_matrices * count; k++)
        index->at[k] = k / count * size + at[k % count];
    const ad_attr attr = {.index = index, .shape = ghost};
    v = apply(w, AD_OP_GATHER, 1, &a, &attr);
    ad_array_drop(ghost);
    ad_index_drop(index);
    return v;
}

/* sum over (k, l) of g[k][l] d C[i][j] / d x[k][l], for each (i, j): polynomials in x. */
static ad_value by_minors(work *w, ad_value x, ad_value g)
{
    enum {
        N = MAX_BY_MINORS,
        PAIRS = N * (N - 1) / 2,
        TERMS = N * N * (N - 1) * (N - 1)
    };
    int64_t at[PAIRS * PAIRS * (N - 2) * (N - 2)], minor[TERMS], element[TERMS];
    const int n_batch = x.array->ndim - 2;
    const int64_t n = x.array->shape[n_batch], m = n * (n - 1) / 2;
    const int64_t axes[4] = {n, n, n - 1, n - 1};
    ad_value sign = {0.0, ad_array_new(4, axes), AD_NONE};
    sign = keep(w, sign.array != NULL ? AD_OK : AD_NO_MEMORY, sign);
    if (is_off(w))
        return NOTHING;
    ad_minors_elements(n, at);
    ad_minors_terms(n, minor, sign.array->data, element);
    ad_value minors = n == 3 ? gathered(w, x, n_batch, n * n, at, 1, (int64_t[]){m * m})
                             : unary(w, AD_OP_DET,
                                     gathered(w, x, n_batch, n * n, at, 3,
                                              (int64_t[]){m * m, n - 2, n - 2}));
    minors = gathered(w, minors, n_batch, m * m, minor, 4, axes);
    ad_value moved = gathered(w, g, n_batch, n * n, element, 4, axes);
    return total(w, guarded(w, mul(w, minors, sign), moved));
}

/*
 * Adjoint and tangent of the cofactors C are one map: minors times g, of any order and at
 * singular matrices too. Of large matrices these are too many, and the map is (<C, g> C -
 * C g' C) / det x, which has no value here where x is singular to within rounding: NaN,
 * not a wrong number. |det x| / (|C| |x|) is about the least singular value over the
 * greatest.
 */
static ad_value moved_cofactors(work *w, ad_value x, ad_value c, ad_value g)
{
    const int64_t n = x.array->shape[x.array->ndim - 1];
    if (n < 2)
        return zeros(w, x.array->ndim, x.array->shape);
    if (n == 2)
        return unary(w, AD_OP_COFACTOR, g);
    if (n <= MAX_BY_MINORS && x.array->ndim + 2 <= AD_MAX_NDIM)
        return by_minors(w, x, g);
    ad_value along = lifted(w, total(w, mul(w, c, g)), 2);
    ad_value across = matmul(w, matmul(w, c, false, g, true), false, c, false);
    ad_value det = lifted(w, unary(w, AD_OP_DET, x), 2);
    ad_value size = mul(w, total(w, mul(w, c, c)), total(w, mul(w, x, x)));
    ad_value least = mul(w, lifted(w, size, 2), (ad_value){1e-26, NULL, AD_NONE});
    const ad_value choice[3] = {
        binary(w, AD_OP_GT, mul(w, det, det), least), det, {NAN, NULL, AD_NONE}};
    ad_value divisor = apply(w, AD_OP_WHERE, 3, choice, NULL);
    return binary(w, AD_OP_DIV, sub(w, mul(w, along, c), across), divisor);
}

/* d log |det x| = <x'^-1, x_dot>; NaN where x is singular. */
static ad_value slope_of_log(work *w, ad_value x)
{
    const ad_attr attr = {.is_lenient = true};
    ad_value one = constant(w, x.array->shape[x.array->ndim - 1], 0.0, 1.0, 0.0);
    return solved(w, AD_OP_SOLVE, &attr, x, true, one);
}

static ad_value adjoint_slogdet(work *w, ad_value x, ad_value z_bar)
{
    int64_t shape[AD_MAX_NDIM], strides[AD_MAX_NDIM];
    const int ndim = x.array->ndim;
    memcpy(shape, x.array->shape, (size_t)ndim * sizeof *shape);
    shape[ndim - 2] = 2; /* z_bar's, with an axis of 1 more */
    shape[ndim - 1] = 1;
    ad_shape_strides(ndim, shape, ndim, shape, strides);
    shape[ndim - 2] = 1;
    ad_value g = shaped(w, AD_OP_STRIDED, z_bar, ndim, shape, strides, 1);
    return guarded(w, slope_of_log(w, x), g);
}

static ad_value tangent_slogdet(work *w, ad_value x, ad_value x_dot)
{
    ad_value change = total(w, guarded(w, slope_of_log(w, x), x_dot));
    ad_value parts[2] = {NOTHING, lifted(w, change, 1)};
    if (is_off(w))
        return NOTHING;
    const ad_attr attr = {.axis = parts[1].array->ndim - 1};
    parts[0] = zeros(w, parts[1].array->ndim, parts[1].array->shape);
    return apply(w, AD_OP_CAT, 2, parts, &attr);
}

/* ---- Dispatch -------------------------------------------------------------------------- */

/* What the node saved of operand k. */
static ad_value saved_arg(const ad_node *node, int k)
{
    if (k >= node->n_args)
        return NOTHING;
    return (ad_value){node->args[k].scalar, node->args[k].array, node->args[k].entry};
}

/* Hand over the result and give up what led to it. */
static ad_status finish(work *w, ad_value result, ad_value *out)
{
    if (w->status == AD_OK) {
        *out = result;
        if (out->array != NULL)
            ad_array_keep(out->array);
    }
    while (w->n > 0)
        ad_value_drop(&w->made[--w->n]);
    return w->status;
}

ad_status ad_rule_linalg_adjoint(ad_tape *tape, int op, const ad_node *node, int k,
                                 const ad_value *z, const ad_value *z_bar,
                                 ad_value *out)
{
    work own = {.tape = tape, .status = AD_OK}, *w = &own;
    const ad_value x = saved_arg(node, 0), y = saved_arg(node, 1);
    ad_value x_bar = NOTHING;
    if (op == AD_OP_SOLVE)
        x_bar = adjoint_solve(w, node, k, x, *z, *z_bar);
    else if (op == AD_OP_LSTSQ)
        x_bar = adjoint_lstsq(w, node, k, x, y, *z, *z_bar);
    else if (op == AD_OP_CHOLESKY)
        x_bar = adjoint_cholesky(w, *z, *z_bar);
    else if (op == AD_OP_EIGH)
        x_bar = adjoint_eigh(w, *z, *z_bar);
    else if (op == AD_OP_SVD)
        x_bar = adjoint_svd(w, x.array, *z, *z_bar);
    else if (op == AD_OP_DET)
        x_bar = guarded(w, unary(w, AD_OP_COFACTOR, x), lifted(w, *z_bar, 2));
    else if (op == AD_OP_COFACTOR)
        x_bar = moved_cofactors(w, x, *z, *z_bar);
    else if (op == AD_OP_SLOGDET)
        x_bar = adjoint_slogdet(w, x, *z_bar);
    if (op == AD_OP_SOLVE || op == AD_OP_LSTSQ) /* the others do not broadcast */
        x_bar = summed_to(w, x_bar, node->args[k].array);
    return finish(w, x_bar, out);
}

ad_status ad_rule_linalg_tangent(ad_tape *tape, int op, const ad_node *node,
                                 const ad_value *z, const ad_value *x_dot,
                                 const bool *is_active, ad_value *out)
{
    work own = {.tape = tape, .status = AD_OK}, *w = &own;
    const ad_value x = saved_arg(node, 0), y = saved_arg(node, 1);
    ad_value z_dot = NOTHING;
    if (op == AD_OP_SOLVE)
        z_dot = tangent_solve(w, node, x, *z, x_dot, is_active);
    else if (op == AD_OP_LSTSQ)
        z_dot = tangent_lstsq(w, node, x, y, *z, x_dot, is_active);
    else if (op == AD_OP_CHOLESKY)
        z_dot = tangent_cholesky(w, *z, *x_dot);
    else if (op == AD_OP_EIGH)
        z_dot = tangent_eigh(w, *z, *x_dot);
    else if (op == AD_OP_SVD)
        z_dot = tangent_svd(w, x.array, *z, *x_dot);
    else if (op == AD_OP_DET)
        z_dot = total(w, guarded(w, unary(w, AD_OP_COFACTOR, x), *x_dot));
    else if (op == AD_OP_COFACTOR)
        z_dot = moved_cofactors(w, x, *z, *x_dot);
    else if (op == AD_OP_SLOGDET)
        z_dot = tangent_slogdet(w, x, *x_dot);
    return finish(w, z_dot, out);
}
