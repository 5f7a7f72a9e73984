/*
 * status.c - text of the status table. No state. Anyone may call it.
 */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *exception;
    const char *text;
} rows[] = {
#define STATUS(code, exception, text) {exception, text},
#include "status.def"
#undef STATUS
};

const char *ad_status_exception(ad_status status)
{
    return rows[status].exception;
}

const char *ad_status_text(ad_status status)
{
    return rows[status].text;
}

ad_status ad_fail(ad_message *message, ad_status status, const char *format, ...)
{
    if (message != NULL) {
        va_list list;
        va_start(list, format);
        vsnprintf(message->text, sizeof message->text, format, list);
        va_end(list);
    }
    return status;
}
