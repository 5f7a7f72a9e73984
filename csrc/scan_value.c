/*
 * scan_value.c - see scan_value.h.
 */
#include "scan_value.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "builder.h"
#include "scan.h"
#include "vm.h"

/* A program with the loop as its only instruction. */
static ad_status as_program(ad_tape *tape, int n_args, const ad_value *args,
                            const ad_attr *attr, ad_program **program)
{
    ad_builder *b = ad_builder_new(false);
    ad_value *inputs = calloc((size_t)n_args + 1, sizeof *inputs), z;
    ad_status status = b != NULL && inputs != NULL ? AD_OK : AD_NO_MEMORY;
    for (int k = 0; k < n_args && status == AD_OK; k++) {
        uint32_t value;
        status = ad_builder_input(b, args[k].array, &value);
        if (status == AD_OK)
            inputs[k] = ad_builder_value(b, value);
    }
    if (status == AD_OK)
        status = ad_apply(b->tape, AD_OP_SCAN, n_args, inputs, attr, &z);
    if (status == AD_OK) {
        status = ad_builder_finish(b, 1, &z, false, program);
        ad_value_drop(&z);
    }
    if (status != AD_OK && b != NULL)
        tape->message = b->tape->message;
    if (inputs != NULL)
        ad_values_drop(n_args, inputs);
    free(inputs);
    ad_builder_free(b);
    return status;
}

static ad_status run(ad_tape *tape, const ad_code *code, int n_args,
                     const ad_value *args, ad_array *to)
{
    double *ws = malloc((size_t)(ad_code_workspace(code, 1) + 1) * sizeof *ws);
    if (ws == NULL)
        return AD_NO_MEMORY;
    ad_code_prepare(code, ws, 1);
    for (int k = 0; k < n_args; k++) {
        const ad_array *a = args[k].array;
        ad_code_load(code, ws, (uint32_t)k, a != NULL ? a->data : &args[k].scalar);
    }
    ad_status status = ad_code_run(code, ws, 1, 1, true, tape->matmul, &tape->message);
    if (status == AD_OK && to->size > 0)
        memcpy(to->data, ws + ad_code_output(code, 0), (size_t)to->size * sizeof *ws);
    free(ws);
    return status;
}

ad_status ad_scan_value(ad_tape *tape, int n_args, const ad_value *args,
                        const ad_attr *attr, ad_value *out)
{
    const int64_t size = ad_scan_size(attr->scan);
    ad_program *program = NULL;
    ad_code *code = NULL;
    *out = (ad_value){0.0, ad_array_new(1, &size), AD_NONE};
    ad_status status = out->array != NULL ? AD_OK : AD_NO_MEMORY;
    if (status == AD_OK)
        status = as_program(tape, n_args, args, attr, &program);
    if (status == AD_OK && (code = ad_code_new(program)) == NULL)
        status = AD_NO_MEMORY;
    if (status == AD_OK)
        ad_code_set_linalg(code, tape->linalg);
    if (status == AD_OK)
        status = run(tape, code, n_args, args, out->array);
    ad_code_free(code);
    ad_program_drop(program);
    if (status != AD_OK)
        ad_value_drop(out);
    return status;
}
