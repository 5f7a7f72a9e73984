/*
 * simplify_scan.c - see simplify_scan.h. The new loop has the same operands and a body
 * with that one output; the old one goes if nothing else reads it.
 */
#include "simplify_scan.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "scan.h"

static bool is_contiguous(const ad_program *p, uint32_t i)
{
    const ad_array *shape = ad_program_shape(p, i);
    const ad_extra *extra = &p->extras[p->instr[i].extra];
    int64_t strides[AD_MAX_NDIM + 1];
    if (shape == NULL || extra->n_strides != shape->ndim)
        return false;
    ad_shape_strides(shape->ndim, shape->shape, shape->ndim, shape->shape, strides);
    return memcmp(strides, extra->attr.strides,
                  (size_t)shape->ndim * sizeof *strides) == 0;
}

/* The loop of whose result x is a run of elements, from *offset on; or AD_NONE. */
static uint32_t find_loop(const ad_program *p, uint32_t x, int64_t *offset)
{
    *offset = 0;
    for (;;) {
        const ad_instr *instr = &p->instr[x];
        if (instr->op == AD_OP_SCAN)
            return x;
        if (instr->op == AD_OP_STRIDED && is_contiguous(p, x))
            *offset += p->extras[instr->extra].attr.offset;
        else if (instr->op != AD_OP_RESHAPE)
            return AD_NONE;
        x = instr->args[0];
    }
}

/* The body's value of which these are the rows, or AD_NONE. */
static uint32_t find_rows(const ad_scan *s, int64_t offset, int64_t size)
{
    if (s->n_carry > 0 || s->has_exit || s->has_count || size != s->n_steps)
        return AD_NONE;
    for (uint32_t k = 0; k < s->n_out_rows; k++) {
        const uint32_t value = ad_scan_value_of(s, AD_SCAN_ROWS, k);
        if (ad_scan_offset(s, AD_SCAN_ROWS, k) == offset &&
            ad_program_shape(s->body, value) == NULL)
            return value;
    }
    return AD_NONE;
}

/* The program with one value for its output. */
static ad_status with_output(const ad_program *body, uint32_t value,
                             ad_program **program)
{
    ad_builder *b = ad_builder_new(false);
    ad_value *inputs = calloc((size_t)body->n_inputs + 1, sizeof *inputs);
    ad_value *values = calloc((size_t)body->n + 1, sizeof *values);
    ad_status status =
        b != NULL && inputs != NULL && values != NULL ? AD_OK : AD_NO_MEMORY;
    for (uint32_t k = 0; k < body->n_inputs && status == AD_OK; k++) {
        uint32_t input;
        status = ad_builder_input(b, ad_program_shape(body, k), &input);
        if (status == AD_OK)
            inputs[k] = ad_builder_value(b, input);
    }
    if (status == AD_OK)
        status = ad_builder_inline(b, body, inputs, values);
    if (status == AD_OK)
        status = ad_builder_finish(b, 1, &values[value], false, program);
    if (values != NULL)
        ad_values_drop(body->n, values);
    if (inputs != NULL)
        ad_values_drop(body->n_inputs, inputs);
    free(inputs);
    free(values);
    ad_builder_free(b);
    return status;
}

/* The loop `at` with another description, whose only result is one sum. */
static ad_status apply_like(ad_builder *b, uint32_t at, const ad_scan *scan,
                            ad_value *out)
{
    const int n = b->program->instr[at].n_args;
    ad_value *args = calloc((size_t)n + 1, sizeof *args), vector;
    if (args == NULL)
        return AD_NO_MEMORY;
    for (int k = 0; k < n; k++)
        args[k] =
            ad_builder_value(b, ad_instr_args(b->program, &b->program->instr[at])[k]);
    ad_attr attr = {.scan = (ad_scan *)scan};
    ad_status status = ad_apply(b->tape, AD_OP_SCAN, n, args, &attr, &vector);
    if (status == AD_OK) {
        const int64_t none[1] = {0};
        const ad_attr first = {.strides = none};
        status = ad_apply(b->tape, AD_OP_STRIDED, 1, &vector, &first, out);
        ad_value_drop(&vector);
    }
    ad_values_drop(n, args);
    free(args);
    return status;
}

bool ad_simplify_sum_of_rows(ad_builder *b, const ad_value *x, ad_value *out)
{
    int64_t offset;
    if (x->entry == AD_NONE || x->array == NULL)
        return false;
    const uint32_t at = find_loop(b->program, x->entry, &offset);
    if (at == AD_NONE)
        return false;
    ad_scan spec = *b->program->extras[b->program->instr[at].extra].attr.scan;
    const uint32_t value = find_rows(&spec, offset, x->array->size);
    ad_program *body = NULL;
    if (value == AD_NONE || with_output(spec.body, value, &body) != AD_OK)
        return false;
    spec.body = body;
    spec.n_out_rows = 0;
    spec.n_out_sums = 1;
    spec.keeps_carry = false;
    ad_scan *scan = ad_scan_new(&spec);
    const bool is_done = scan != NULL && apply_like(b, at, scan, out) == AD_OK;
    ad_scan_drop(scan);
    ad_program_drop(body);
    return is_done;
}
