/*
 * vm_scan.h - loops, for vm_*.c only.
 */
#ifndef AD_VM_SCAN_H
#define AD_VM_SCAN_H

#include "scan.h"
#include "vm_code.h"

ad_status ad_vm_scan(const ad_run *run, const ad_job *job);

/* Scratch of a loop with this body: elements that each lane needs. */
int64_t ad_vm_scan_scratch(const ad_code *body);

#endif
