/*
 * formula.c - recursive-descent parser of the formula columns.
 *
 * Precedence, loosest first: ?:  ||  &&  comparisons  + -  * /  unary - !  atom.
 * The input is ops.def, part of the program: a formula that does not parse is a
 * mistake of ours, found at import by ad_op_init. Depth is that of the source.
 */
#include "formula.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *at;
    bool failed;
} parser;

static ad_formula *parse_select(parser *p);

static ad_formula *node(parser *p, ad_formula_kind kind)
{
    ad_formula *f = calloc(1, sizeof *f);
    if (f == NULL)
        p->failed = true;
    else
        f->kind = kind;
    return f;
}

static void skip_spaces(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* Take `token` if it is next. '<' must not take the head of '<='. */
static bool take(parser *p, const char *token)
{
    size_t n = strlen(token);
    skip_spaces(p);
    if (strncmp(p->at, token, n) != 0)
        return false;
    if (n == 1 && strchr("<>!=", token[0]) && p->at[1] == '=')
        return false;
    p->at += n;
    return true;
}

/* A call of `op`, which takes ownership of its operands. */
static ad_formula *call(parser *p, int op, ad_formula *a, ad_formula *b)
{
    ad_formula *f = node(p, AD_FORMULA_CALL);
    if (f == NULL || a == NULL || op < 0) {
        p->failed = true;
        ad_formula_free(a);
        ad_formula_free(b);
        free(f);
        return NULL;
    }
    f->op = op;
    f->child[0] = a;
    f->child[1] = b;
    return f;
}

static ad_formula *parse_name(parser *p)
{
    const char *start = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '_')
        p->at++;
    int length = (int)(p->at - start);
    if (length == 1 && strchr("xywz", *start)) {
        ad_formula *f = node(p, AD_FORMULA_OPERAND);
        if (f != NULL)
            f->index = (int)(strchr("xywz", *start) - "xywz");
        return f;
    }
    int op = ad_op_find(start, length);
    ad_formula *f = node(p, AD_FORMULA_CALL);
    if (f == NULL || op < 0 || !take(p, "(")) {
        p->failed = true;
        return f;
    }
    f->op = op;
    int n_args = ad_op_get(op)->n_args;
    for (int k = 0; k < n_args && !p->failed; k++) {
        f->child[k] = parse_select(p);
        if (!take(p, k + 1 < n_args ? "," : ")"))
            p->failed = true;
    }
    return f;
}

static ad_formula *parse_atom(parser *p)
{
    skip_spaces(p);
    if (take(p, "(")) {
        ad_formula *f = parse_select(p);
        if (!take(p, ")"))
            p->failed = true;
        return f;
    }
    if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        char *end;
        ad_formula *f = node(p, AD_FORMULA_NUMBER);
        if (f != NULL)
            f->number = strtod(p->at, &end), p->at = end;
        return f;
    }
    if (isalpha((unsigned char)*p->at) || *p->at == '_')
        return parse_name(p);
    p->failed = true;
    return NULL;
}

static ad_formula *parse_unary(parser *p)
{
    if (take(p, "-")) {
        ad_formula *f = parse_unary(p);
        if (f != NULL && f->kind == AD_FORMULA_NUMBER) {
            f->number = -f->number;
            return f;
        }
        return call(p, AD_OP_NEG, f, NULL);
    }
    if (take(p, "!")) {
        ad_formula *f = node(p, AD_FORMULA_NOT);
        if (f != NULL)
            f->child[0] = parse_unary(p);
        return f;
    }
    return parse_atom(p);
}

static ad_formula *parse_product(parser *p)
{
    ad_formula *f = parse_unary(p);
    while (!p->failed) {
        if (take(p, "*"))
            f = call(p, AD_OP_MUL, f, parse_unary(p));
        else if (take(p, "/"))
            f = call(p, AD_OP_DIV, f, parse_unary(p));
        else
            break;
    }
    return f;
}

static ad_formula *parse_sum(parser *p)
{
    ad_formula *f = parse_product(p);
    while (!p->failed) {
        if (take(p, "+"))
            f = call(p, AD_OP_ADD, f, parse_product(p));
        else if (take(p, "-"))
            f = call(p, AD_OP_SUB, f, parse_product(p));
        else
            break;
    }
    return f;
}

static ad_formula *parse_comparison(parser *p)
{
    static const struct {
        const char *token;
        int op;
    } comparisons[] = {
        {"<=", AD_OP_LE}, {">=", AD_OP_GE}, {"==", AD_OP_EQ},
        {"!=", AD_OP_NE}, {"<", AD_OP_LT},  {">", AD_OP_GT},
    };
    ad_formula *f = parse_sum(p);
    for (int i = 0; i < 6 && !p->failed; i++)
        if (take(p, comparisons[i].token))
            return call(p, comparisons[i].op, f, parse_sum(p));
    return f;
}

static ad_formula *parse_logic(parser *p, bool is_or)
{
    ad_formula *f = is_or ? parse_logic(p, false) : parse_comparison(p);
    while (!p->failed && take(p, is_or ? "||" : "&&")) {
        ad_formula *g = node(p, is_or ? AD_FORMULA_OR : AD_FORMULA_AND);
        if (g == NULL)
            break;
        g->child[0] = f;
        g->child[1] = is_or ? parse_logic(p, false) : parse_comparison(p);
        f = g;
    }
    return f;
}

static ad_formula *parse_select(parser *p)
{
    ad_formula *f = parse_logic(p, true);
    if (p->failed || !take(p, "?"))
        return f;
    ad_formula *g = node(p, AD_FORMULA_SELECT);
    if (g == NULL)
        return f;
    g->child[0] = f;
    g->child[1] = parse_select(p);
    if (!take(p, ":"))
        p->failed = true;
    else
        g->child[2] = parse_select(p);
    return g;
}

ad_formula *ad_formula_parse(const char *text)
{
    parser p = {text, false};
    ad_formula *f = parse_select(&p);
    skip_spaces(&p);
    if (!p.failed && *p.at == '\0')
        return f;
    ad_formula_free(f);
    return NULL;
}

void ad_formula_free(ad_formula *formula)
{
    if (formula == NULL)
        return;
    for (int k = 0; k < AD_MAX_ARITY; k++)
        ad_formula_free(formula->child[k]);
    free(formula);
}

uint8_t ad_formula_uses(const ad_formula *formula)
{
    if (formula == NULL)
        return 0;
    if (formula->kind == AD_FORMULA_OPERAND)
        return (uint8_t)(1u << formula->index);
    uint8_t uses = 0;
    for (int k = 0; k < AD_MAX_ARITY; k++)
        uses |= ad_formula_uses(formula->child[k]);
    return uses;
}
