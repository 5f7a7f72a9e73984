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
    if (scan->readback != NULL)
        scan->readback->refs++;
    return scan;
}

ad_readback *ad_readback_new(uint32_t n_loops, uint32_t n_inputs)
{
    ad_readback *readback = calloc(1, sizeof *readback);
    if (readback == NULL)
        return NULL;
    readback->refs = 1;
    readback->loops = calloc((size_t)n_loops + 1, sizeof(ad_scan *));
    readback->carry_of = malloc(((size_t)n_inputs + 1) * sizeof *readback->carry_of);
    if (readback->loops == NULL || readback->carry_of == NULL) {
        ad_readback_drop(readback);
        return NULL;
    }
    for (uint32_t k = 0; k < n_inputs; k++)
        readback->carry_of[k] = AD_NONE;
    return readback;
}

void ad_readback_drop(ad_readback *readback)
{
    if (readback == NULL || --readback->refs > 0)
        return;
    for (uint32_t j = 0; j < readback->n_loops; j++)
        ad_scan_drop(readback->loops[j]);
    free(readback->loops);
    free(readback->carry_of);
    free(readback);
}

void ad_scan_drop(ad_scan *scan)
{
    if (scan == NULL || --scan->refs > 0)
        return;
    ad_program_drop(scan->body);
    ad_readback_drop(scan->readback);
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
    const int64_t size = part == AD_SCAN_DONE
                             ? 1
                             : ad_program_size(s->body, ad_scan_value_of(s, part, k));
    if (part == AD_SCAN_KEPT)
        return size * (s->keeps_few ? s->n_snapshots : s->n_steps);
    return part == AD_SCAN_ROWS ? size * s->n_steps : size;
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
