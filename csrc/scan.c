/*
 * scan.c - see scan.h: where things stand.
 */
#include "scan.h"

#include <stdlib.h>

ad_scan *ad_scan_new(const ad_scan *like)
{
    ad_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return NULL;
    *scan = *like;
    scan->refs = 1;
    ad_program_keep(scan->body);
    return scan;
}

void ad_scan_drop(ad_scan *scan)
{
    if (scan == NULL || --scan->refs > 0)
        return;
    ad_program_drop(scan->body);
    free(scan);
}

uint32_t ad_scan_value_of(const ad_scan *s, ad_scan_part part, uint32_t k)
{
    const uint32_t *outputs = s->body->outputs + s->has_exit;
    switch (part) {
    case AD_SCAN_CARRY:
    case AD_SCAN_KEPT: return s->n_shared + k;
    case AD_SCAN_ROWS: return outputs[s->n_carry + k];
    case AD_SCAN_SUMS: return outputs[s->n_carry + s->n_out_rows + k];
    case AD_SCAN_DONE: break;
    }
    return 0;
}

/* Elements of a whole part. */
static int64_t part_size(const ad_scan *s, ad_scan_part part, uint32_t k)
{
    const bool has_rows = part == AD_SCAN_ROWS || part == AD_SCAN_KEPT;
    if (part == AD_SCAN_DONE)
        return 1;
    return ad_program_size(s->body, ad_scan_value_of(s, part, k)) *
           (has_rows ? s->n_steps : 1);
}

int64_t ad_scan_offset(const ad_scan *s, ad_scan_part part, uint32_t k)
{
    const uint32_t counts[] = {s->n_carry, s->n_out_rows, s->n_out_sums, s->has_exit};
    int64_t at = 0;
    for (int before = 0; before <= (int)part; before++) {
        const uint32_t n = before < (int)part ? counts[before] : k;
        for (uint32_t j = 0; j < n; j++)
            at += part_size(s, (ad_scan_part)before, j);
    }
    return at;
}

int64_t ad_scan_size(const ad_scan *s)
{
    return ad_scan_offset(s, AD_SCAN_KEPT, s->keeps_carry ? s->n_carry : 0);
}
