/*
 * op.h - opcodes and what the table says of each.
 *
 * Invariant: opcodes are dense from 0, elementwise rows first (in the order of
 * ops.def), structural rows after. The info table is filled once, by
 * ad_op_init, before any tape exists, and never changes again.
 */
#ifndef AD_OP_H
#define AD_OP_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ad_op {
#define OP1(id, ...) AD_OP_##id,
#define OP2(id, ...) AD_OP_##id,
#define OP3(id, ...) AD_OP_##id,
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#define OPS(id, ...) AD_OP_##id,
#include "structural.def"
#undef OPS
} ad_op;

/* How an operation lies on the tape; tape.h draws it. */
typedef enum ad_kind {
    AD_KIND_UNARY,
    AD_KIND_X_CONST,
    AD_KIND_CONST_Y,
    AD_KIND_BINARY,
    AD_KIND_NODE,
    AD_KIND_LEAF,
    AD_KIND_FREED,
} ad_kind;

typedef enum ad_smoothness { SMOOTH, KINK, STEP } ad_smoothness;

/* What a set of formulas reads: bits of ad_op_info.uses. */
enum { AD_USES_X = 1, AD_USES_Y = 2, AD_USES_W = 4, AD_USES_Z = 8 };

enum { AD_MAX_ARITY = 3 };

/* A node of a parsed formula (see formula.h). */
typedef struct ad_formula ad_formula;

typedef struct ad_op_info {
    const char *id;
    const char *names;                   /* space-separated, canonical first */
    int n_args;                          /* 0: structural, any number */
    const char *value_text;
    const char *partial_text[AD_MAX_ARITY];
    const char *domain;
    const char *synopsis;
    ad_smoothness smoothness;
    double ulp, ulp_partial;
    bool is_linear;                      /* structural rows only */
    ad_formula *partial[AD_MAX_ARITY];   /* parsed partial_text */
    uint8_t uses[AD_MAX_ARITY];          /* what each partial reads */
    uint8_t absorbs_nan;                 /* bit k: a NaN operand k may become a number
                                            that is not right for all operands k */
    bool partial_is_const[AD_MAX_ARITY]; /* the partial is a number ... */
    double partial_const[AD_MAX_ARITY];  /* ... this one */
} ad_op_info;

int ad_op_count(void);
const ad_op_info *ad_op_get(int op);

/* Canonical name, for messages. */
const char *ad_op_name(int op);

/* For each op, bit `kind` (see tape.h): sweeping a scalar entry of that kind
 * reads a value, so that it cannot be swept again once values are freed. */
const uint8_t *ad_op_saves(void);

/* Opcode of any of a row's names, -1 if there is none. `length` bytes of name. */
int ad_op_find(const char *name, int length);

/* Parse every formula. Returns NULL, or the text of the formula that does not
 * parse (a mistake in ops.def). Call once, before any tape is made. */
const char *ad_op_init(void);

/* Value and partials of an elementwise row on scalars. `k` is the operand. */
double ad_op_value(int op, double x, double y, double w);
double ad_op_partial(int op, int k, double x, double y, double w, double z);

#endif
