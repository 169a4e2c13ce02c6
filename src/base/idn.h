/* Host names that are not ASCII, by the mapping that web browsers have (UTS 46, in libcurl's IDN
 * library). What comes out may be an address or a name of the local network, also where what went
 * in did not look so (fullwidth digits): judge it, never the original. Pure. */
#ifndef DOORBELL_BASE_IDN_H
#define DOORBELL_BASE_IDN_H

#include <stddef.h>

#include "base/err.h"

enum { IDN_ASCII_SIZE = 254 /* RFC 1035, and the terminating zero */ };

/* The xn-- form of UTF-8: letters, digits, "-", "_" and "." only. ERR_INVALID where there is none,
 * or this libcurl cannot tell. */
int idn_to_ascii(char ascii[IDN_ASCII_SIZE], const char *host, size_t length, struct err *err);

#endif
