/*
 * op.c - the op table as data, and its rows as scalar functions.
 *
 * Invariant: the tables are written by ad_op_init alone, once, at import.
 */
#include "op.h"

#include <stdio.h>
#include <string.h>

#include "elementary.h"
#include "formula.h"

static ad_op_info infos[] = {
#define OP1(id, names, value, dx, domain, smoothness, ulp, ulp_d, synopsis)     \
    {#id, names, 1, #value, {#dx}, domain, synopsis, smoothness, ulp, ulp_d,    \
     false, {0}, {0}, 0, {0}, {0}},
#define OP2(id, names, value, dx, dy, domain, smoothness, ulp, ulp_d, synopsis) \
    {#id, names, 2, #value, {#dx, #dy}, domain, synopsis, smoothness, ulp,      \
     ulp_d, false, {0}, {0}, 0, {0}, {0}},
#define OP3(id, names, value, dx, dy, dw, domain, smoothness, ulp, ulp_d, synopsis)                                                           \
    {#id, names, 3, #value, {#dx, #dy, #dw}, domain, synopsis, smoothness, ulp, \
     ulp_d, false, {0}, {0}, 0, {0}, {0}},
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#define OPS(id, name, linear, synopsis)                                         \
    {#id, name, 0, "", {0}, "", synopsis, SMOOTH, 0, 0, linear, {0}, {0}, 0, {0}, {0}},
#include "structural.def"
#undef OPS
};

enum { N_OPS = sizeof infos / sizeof infos[0], NAME_BYTES = 24 };

static char name_of[N_OPS][NAME_BYTES];
static uint8_t saves[N_OPS];

_Static_assert(N_OPS < 65536, "an opcode has 16 bits in a tape entry");
_Static_assert(AD_OP_STOP == N_OPS - 1, "structural rows follow elementwise rows");

int ad_op_count(void)
{
    return N_OPS;
}

const ad_op_info *ad_op_get(int op)
{
    return &infos[op];
}

const char *ad_op_name(int op)
{
    return name_of[op];
}

const uint8_t *ad_op_saves(void)
{
    return saves;
}

int ad_op_find(const char *name, int length)
{
    for (int op = 0; op < N_OPS; op++) {
        const char *at = infos[op].names;
        while (*at != '\0') {
            size_t n = strcspn(at, " ");
            if (n == (size_t)length && strncmp(at, name, n) == 0)
                return op;
            at += n + (at[n] == ' ');
        }
    }
    return -1;
}

static const double probes[] = {NAN, -INFINITY, -1.5, -1.0, 0.0, 1.0, 1.5, INFINITY};

enum { N_PROBES = sizeof probes / sizeof probes[0] };

/* With the others fixed: does a NaN operand k give a number, another one another? */
static bool turns_nan(int op, int k, double *v)
{
    v[k] = NAN;
    const double z = ad_op_value(op, v[0], v[1], v[2]);
    for (int i = 1; i < N_PROBES && z == z; i++) {
        v[k] = probes[i];
        if (ad_op_value(op, v[0], v[1], v[2]) != z)
            return true;
    }
    return false;
}

/* Smooth rows pass every NaN on that counts. The others are cheap, and are tried. */
static uint8_t find_absorbed(int op)
{
    uint8_t found = 0;
    const ad_op_info *info = &infos[op];
    for (int k = 0; k < info->n_args && info->smoothness != SMOOTH; k++)
        for (int i = 0; i < N_PROBES * N_PROBES * N_PROBES; i++) {
            double v[] = {probes[i % N_PROBES], probes[i / N_PROBES % N_PROBES],
                          probes[i / N_PROBES / N_PROBES]};
            if (turns_nan(op, k, v)) {
                found |= (uint8_t)(1u << k);
                break;
            }
        }
    return found;
}

const char *ad_op_init(void)
{
    for (int op = 0; op < N_OPS; op++) {
        ad_op_info *info = &infos[op];
        snprintf(name_of[op], NAME_BYTES, "%.*s", (int)strcspn(info->names, " "),
                 info->names);
        for (int k = 0; k < info->n_args; k++) {
            ad_formula *f = ad_formula_parse(info->partial_text[k]);
            if (f == NULL)
                return info->partial_text[k];
            info->partial[k] = f;
            info->uses[k] = ad_formula_uses(f);
            info->partial_is_const[k] = f->kind == AD_FORMULA_NUMBER;
            info->partial_const[k] = f->number;
        }
        info->absorbs_nan = find_absorbed(op);
        bool reads_x = info->uses[0] != 0, reads_y = info->uses[1] != 0;
        saves[op] = (uint8_t)(reads_x << AD_KIND_UNARY | reads_x << AD_KIND_X_CONST |
                              reads_y << AD_KIND_CONST_Y |
                              (reads_x || reads_y) << AD_KIND_BINARY);
    }
    return NULL;
}

double ad_op_value(int op, double x, double y, double w)
{
    (void)y, (void)w;
    switch (op) {
#define OP1(id, names, value, ...)                                              \
    case AD_OP_##id: return value;
#define OP2(id, names, value, ...)                                              \
    case AD_OP_##id: return value;
#define OP3(id, names, value, ...)                                              \
    case AD_OP_##id: return value;
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
    }
    return 0.0; /* structural rows have no scalar value */
}

/* The result is at hand, so the row POW need not take a power again. */
#define _pow_d(x_, y_)                                                           \
    (op == AD_OP_POW ? _pow_d_known(x_, y_, z) : _pow_d(x_, y_))

double ad_op_partial(int op, int k, double x, double y, double w, double z)
{
    (void)x, (void)y, (void)w, (void)z;
    switch (op) {
#define OP1(id, names, value, dx, ...)                                          \
    case AD_OP_##id: return dx;
#define OP2(id, names, value, dx, dy, ...)                                      \
    case AD_OP_##id: return k == 0 ? (dx) : (dy);
#define OP3(id, names, value, dx, dy, dw, ...)                                  \
    case AD_OP_##id: return k == 0 ? (dx) : k == 1 ? (dy) : (dw);
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#undef _pow_d
    }
    return 0.0;
}
