/*
 * program_file.h - programs as bytes, and back.
 *
 * The format is versioned, the same on all machines, and names operations by their
 * names, so that it outlives opcodes. The reader takes nothing on trust: whatever the
 * bytes, it returns a verified program or an error, and allocates no more than a few
 * times their number.
 */
#ifndef AD_PROGRAM_FILE_H
#define AD_PROGRAM_FILE_H

#include "program.h"

/* Bytes that grow. */
typedef struct ad_bytes {
    uint8_t *data;
    size_t n, cap;
    bool has_failed; /* no memory; what is added after that is lost */
} ad_bytes;

/* The upper layer's ids of lines are its own; in a file their texts stand. */
typedef struct ad_line_texts {
    void *context;
    /* Text of an id, good until the next call; NULL: none. Not zero-terminated. */
    const char *(*text)(void *context, uint32_t line, size_t *n);
    uint32_t (*line)(void *context, const char *text, size_t n); /* 0: none */
} ad_line_texts;

/* Append p to `bytes`, whose data the caller frees, also on failure. */
ad_status ad_program_write(const ad_program *p, const ad_line_texts *lines,
                           ad_bytes *bytes);

/* New reference to a verified program. All n bytes are read, or it fails. */
ad_status ad_program_read(const uint8_t *data, size_t n, const ad_line_texts *lines,
                          ad_program **p, ad_message *message);

#endif
