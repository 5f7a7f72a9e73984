/*
 * formula.h - a formula column of ops.def, parsed.
 *
 * A formula is a small tree whose leaves are the operands x, y, w, the result z
 * and numbers, and whose inner nodes are rows of the same table. Recording it on
 * a tape (see apply.h) is how derivatives of any order come from one row.
 */
#ifndef AD_FORMULA_H
#define AD_FORMULA_H

#include "op.h"

typedef enum ad_formula_kind {
    AD_FORMULA_NUMBER,
    AD_FORMULA_OPERAND, /* index 0..3: x, y, w, z */
    AD_FORMULA_CALL,    /* op applied to child[0..n_args) */
    AD_FORMULA_SELECT,  /* child[0] ? child[1] : child[2] */
    AD_FORMULA_AND,
    AD_FORMULA_OR,
    AD_FORMULA_NOT,
} ad_formula_kind;

struct ad_formula {
    ad_formula_kind kind;
    int op;
    int index;
    double number;
    ad_formula *child[AD_MAX_ARITY];
};

/* Parse `text`; NULL when it is not a formula or memory ran out. The caller
 * owns the tree and gives it back to ad_formula_free. */
ad_formula *ad_formula_parse(const char *text);
void ad_formula_free(ad_formula *formula);

/* The AD_USES_ bits of the operands that the formula names. */
uint8_t ad_formula_uses(const ad_formula *formula);

#endif
