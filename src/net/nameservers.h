/* The setting net.nameservers, read once and strictly. */
#ifndef DOORBELL_NET_NAMESERVERS_H
#define DOORBELL_NET_NAMESERVERS_H

#include "config/config.h"

/* Fills `csv` with "address:port,[address]:port", which the caller frees, or with NULL when none is
 * set. ERR_INVALID or ERR_LIMIT with a sentence that names the entry. */
int nameservers_read(char **csv, const struct strings *entries, struct err *err);

#endif
