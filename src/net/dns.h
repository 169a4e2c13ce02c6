/* One c-ares channel as a guest on our loop: its sockets are polled, its time-outs sit in one
 * timer. What it asks cannot be taken back, only forgotten; c-ares finishes it and nobody hears of
 * it. */
#ifndef DOORBELL_NET_DNS_H
#define DOORBELL_NET_DNS_H

#include "base/err.h"
#include "base/loop.h"
#include "net/address.h"

struct dns;
struct question;

struct dns_options {
    const char *lookups;     /* "f": the file of hosts, "b": nameservers */
    const char *nameservers; /* "address:port" separated by commas; NULL: the system's */
    int64_t timeout_ms;      /* for all tries at one nameserver together */
};

/* `status` is one of c-ares (ARES_SUCCESS with at least one address). Called from within c-ares: it
 * must not touch the same struct dns again. Maybe before dns_ask returns. */
typedef void dns_fn(void *arg, int status, const struct address_list *found);

struct dns *dns_new(struct loop *loop, const struct dns_options *options, struct err *err);
void dns_free(struct dns *dns); /* forgets what is under way; never from within a dns_fn */

/* `family` is AF_INET, AF_INET6 or AF_UNSPEC. *question stays filled until it is answered or
 * forgotten, so the caller keeps it where it does not move. */
void dns_ask(struct dns *dns, const char *host, int family, struct question **question, dns_fn *fn,
             void *arg);
void dns_forget(struct question **question); /* fine when there is none */

#endif
