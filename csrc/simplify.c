/*
 * simplify.c - see simplify.h.
 */
#include "simplify.h"

#include <string.h>

#include "apply.h"
#include "builder.h"
#include "runs.h"
#include "simplify_scan.h"

/* A constant of this value and no shape. */
static bool is_number(const ad_value *v, double number)
{
    return v->entry == AD_NONE && v->array == NULL && v->scalar == number;
}

static bool is_operand(const ad_value *x, ad_value *out)
{
    *out = *x;
    if (x->array != NULL)
        ad_array_keep(x->array);
    return true;
}

static bool becomes(ad_tape *tape, int op, int n_args, const ad_value *x,
                    const ad_value *y, ad_value *out)
{
    ad_value args[2] = {*x, n_args > 1 ? *y : *x};
    return ad_apply(tape, op, n_args, args, NULL, out) == AD_OK;
}

/* The instruction that made a value, if that is `op`. */
static const ad_instr *made_by(const ad_tape *tape, const ad_value *v, int op)
{
    const ad_program *p = ad_builder_of(tape)->program;
    return v->entry != AD_NONE && p->instr[v->entry].op == op ? &p->instr[v->entry]
                                                              : NULL;
}

/* x^y for a few constant y; the bits are those of the rows POW and POW_D. */
static bool simplify_power(ad_tape *tape, int op, const ad_value *args, ad_value *out)
{
    const ad_value *x = &args[0], *y = &args[1], two = {2.0, NULL, AD_NONE},
                   three = {3.0, NULL, AD_NONE};
    if (op == AD_OP_POW)
        return is_number(y, 1.0)   ? is_operand(x, out)
               : is_number(y, 2.0) ? becomes(tape, AD_OP_SQUARE, 1, x, NULL, out)
                                   : false;
    if (is_number(y, 2.0))
        return becomes(tape, AD_OP_MUL, 2, &two, x, out);
    ad_value square;
    if (!is_number(y, 3.0) || !becomes(tape, AD_OP_SQUARE, 1, x, NULL, &square))
        return false;
    bool done = becomes(tape, AD_OP_MUL, 2, &three, &square, out);
    ad_value_drop(&square);
    return done;
}

static bool simplify_product(ad_tape *tape, const ad_value *args, ad_value *out)
{
    for (int k = 0; k < 2; k++) {
        if (is_number(&args[k], 1.0))
            return is_operand(&args[1 - k], out);
        if (is_number(&args[k], -1.0))
            return becomes(tape, AD_OP_NEG, 1, &args[1 - k], NULL, out);
    }
    return false;
}

/* A constant that is zero neither contributes to a sweep nor needs its guard. */
static bool simplify_guarded(ad_tape *tape, const ad_value *args, ad_value *out)
{
    for (int k = 0; k < 2; k++) {
        if (is_number(&args[k], 0.0) && args[1 - k].array == NULL) {
            *out = (ad_value){0.0, NULL, AD_NONE};
            return true;
        }
    }
    return simplify_product(tape, args, out);
}

/* A comparison is 0 or 1 already: whether it is not 0, or 1 where it is not 0. */
static bool simplify_mask(ad_tape *tape, int op, const ad_value *args, ad_value *out)
{
    const bool is_same = op == AD_OP_NE
                             ? is_number(&args[1], 0.0)
                             : is_number(&args[1], 1.0) && is_number(&args[2], 0.0);
    if (!is_same || args[0].entry == AD_NONE)
        return false;
    const int from = ad_builder_of(tape)->program->instr[args[0].entry].op;
    return from >= AD_OP_GT && from <= AD_OP_NE && is_operand(&args[0], out);
}

/* A view that shows everything in its order is a reshape; a reshape to the shape that
 * is there already is nothing. */
static bool simplify_reshape(const ad_value *x, const ad_attr *attr, ad_value *out)
{
    const ad_array *shape = attr->shape;
    bool is_same = x->array == NULL || shape == NULL
                       ? x->array == NULL && shape == NULL
                       : ad_array_same_shape(x->array, shape);
    return is_same && is_operand(x, out);
}

/* A view of consecutive elements is one of where they were made. */
static bool simplify_view(ad_tape *tape, const ad_value *x, const ad_attr *attr,
                          ad_value *out)
{
    const ad_builder *b = ad_builder_of(tape);
    const ad_array *shape = attr->shape;
    ad_run_of run = {x->entry, attr->offset, shape != NULL ? shape->size : 1};
    if (x->entry == AD_NONE || run.size == 0 ||
        !ad_runs_is_contiguous(shape, shape != NULL ? shape->ndim : 0, attr->strides) ||
        !ad_runs_follow(b->program, &run))
        return false;
    ad_attr there = *attr;
    there.offset = run.first;
    ad_value source = ad_builder_value(b, run.value);
    const bool is_done =
        source.array == NULL && shape == NULL
            ? is_operand(&source, out)
            : ad_apply(tape, AD_OP_STRIDED, 1, &source, &there, out) == AD_OK;
    ad_value_drop(&source);
    return is_done;
}

static bool is_total(const ad_value *x, const ad_attr *attr)
{
    for (int i = 0; x->array != NULL && i < x->array->ndim; i++)
        if (attr->strides[i] != 0)
            return false;
    return attr->shape == NULL;
}

/* Is v the same number everywhere, a constant or a scalar that was spread? That number. */
static bool is_spread(const ad_tape *tape, const ad_value *v, ad_value *number)
{
    const ad_builder *b = ad_builder_of(tape);
    const ad_instr *spread = made_by(tape, v, AD_OP_STRIDED);
    if (spread != NULL && b->program->instr[spread->args[0]].shape == 0) {
        *number = ad_builder_value(b, spread->args[0]);
        return true;
    }
    if (v->entry != AD_NONE || v->array == NULL || v->array->size == 0)
        return false;
    const double *data = v->array->data;
    for (int64_t i = 1; i < v->array->size; i++)
        if (memcmp(&data[i], data, sizeof *data) != 0)
            return false;
    *number = (ad_value){*data, NULL, AD_NONE};
    return true;
}

/* An operand that is one number everywhere, beside one that has the result's shape by
 * itself, need not be an array. */
static bool simplify_spread(ad_tape *tape, int op, const ad_value *args, ad_value *out)
{
    const ad_array *x = args[0].array, *y = args[1].array;
    if (x == NULL || y == NULL || !ad_array_same_shape(x, y))
        return false;
    for (int k = 0; k < 2; k++) {
        ad_value pair[2] = {args[0], args[1]};
        if (is_spread(tape, &args[k], &pair[k]))
            return ad_apply(tape, op, 2, pair, NULL, out) == AD_OK;
    }
    return false;
}

/* A view of elements that all lie in one of the vectors that were joined is a view of that
 * one. */
static bool simplify_part(ad_tape *tape, const ad_value *x, const ad_attr *attr,
                          ad_value *out)
{
    const ad_builder *b = ad_builder_of(tape);
    const ad_instr *cat = made_by(tape, x, AD_OP_CAT);
    if (cat == NULL || x->array->ndim != 1)
        return false;
    int64_t low = attr->offset, high = attr->offset, begin = 0;
    for (int i = 0; attr->shape != NULL && i < attr->shape->ndim; i++) {
        const int64_t reach = attr->strides[i] * (attr->shape->shape[i] - 1);
        if (attr->shape->shape[i] == 0)
            return false;
        *(reach < 0 ? &low : &high) += reach;
    }
    for (int k = 0; k < cat->n_args; k++) {
        const uint32_t piece = ad_instr_args(b->program, cat)[k];
        const int64_t end = begin + ad_program_size(b->program, piece);
        if (low >= begin && high < end) {
            const ad_value of = ad_builder_value(b, piece);
            ad_attr within = *attr;
            within.offset -= begin;
            const bool is_done =
                ad_apply(tape, AD_OP_STRIDED, 1, &of, &within, out) == AD_OK;
            ad_array_drop(of.array);
            return is_done;
        }
        begin = end;
    }
    return false;
}

bool ad_simplify(ad_tape *tape, int op, int n_args, const ad_value *args,
                 const ad_attr *attr, ad_value *out)
{
    if (n_args == 2 && ad_op_get(op)->n_args == 2 &&
        simplify_spread(tape, op, args, out))
        return true;
    if (op == AD_OP_MUL)
        return simplify_product(tape, args, out);
    if (op == AD_OP_GUARDED_MUL)
        return simplify_guarded(tape, args, out);
    if (op == AD_OP_POW || op == AD_OP_POW_D)
        return simplify_power(tape, op, args, out);
    if (op == AD_OP_DIV && is_number(&args[1], 1.0))
        return is_operand(&args[0], out);
    if (op == AD_OP_NE || op == AD_OP_WHERE)
        return simplify_mask(tape, op, args, out);
    if (op == AD_OP_STRIDED)
        return simplify_view(tape, &args[0], attr, out) ||
               simplify_part(tape, &args[0], attr, out);
    if (op == AD_OP_STRIDED_ADD)
        return is_total(&args[0], attr) &&
               ad_simplify_sum_of_rows(ad_builder_of(tape), &args[0], out);
    if (op == AD_OP_RESHAPE)
        return simplify_reshape(&args[0], attr, out);
    if (op == AD_OP_NEG) {
        const ad_instr *inner = made_by(tape, &args[0], AD_OP_NEG);
        if (inner == NULL)
            return false;
        *out = ad_builder_value(ad_builder_of(tape), inner->args[0]);
        return true;
    }
    return false;
}
