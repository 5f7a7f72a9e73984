/*
 * status.h - the one result type of the core.
 *
 * Invariant: a function that can fail returns an ad_status and changes nothing
 * that its caller can see when the status is not AD_OK. A sentence for the user
 * may be left in an ad_message. May be included by anyone.
 */
#ifndef AD_STATUS_H
#define AD_STATUS_H

typedef enum ad_status {
#define STATUS(code, exception, text) AD_##code,
#include "status.def"
#undef STATUS
} ad_status;

enum { AD_MESSAGE_BYTES = 512 };

/* The sentence that goes with the last failure; empty: use the table's. */
typedef struct ad_message {
    char text[AD_MESSAGE_BYTES];
} ad_message;

/* Name of the Python exception class, and the default sentence. */
const char *ad_status_exception(ad_status status);
const char *ad_status_text(ad_status status);

/* Write a sentence (printf-style) and return `status`, so that a failing
 * function can say `return ad_fail(...)`. `message` may be NULL. */
ad_status ad_fail(ad_message *message, ad_status status, const char *format, ...);

#endif
