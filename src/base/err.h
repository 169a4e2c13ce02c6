/* What went wrong, in one sentence for people and one code for programs.
 * A function that can fail returns 0 or a negative ERR_ code and, when a person will read it, fills
 * a struct err that the caller owns. Passing NULL means that nobody will read it. */
#ifndef DOORBELL_BASE_ERR_H
#define DOORBELL_BASE_ERR_H

enum {
    ERR_INVALID = -1,   /* what we were given is wrong */
    ERR_IO = -2,        /* the system or a peer failed */
    ERR_NOT_FOUND = -3, /* there is no such thing */
    ERR_BUSY = -4,      /* somebody else holds it */
    ERR_REFUSED = -5,   /* not allowed */
    ERR_LIMIT = -6,     /* too much, too many, too long */
    ERR_TIMEOUT = -7,   /* the deadline passed */
    ERR_NOT_NOW = -8,   /* the wrong moment, or the wrong version */
};

struct err {
    int code;
    char text[512]; /* a sentence without a newline; never a secret */
};

/* Fills `err` (may be NULL) and returns `code`, so that callers can write `return err_set(...)`. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence that is there. */
void err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
