/* What becomes of a request on its way here: doctor and setup ask the public address as a phone
 * does, with a nonce that they got over the control socket, and learn over that socket what arrived
 * (cli > doctor/probes.h). So they see what only this side sees: the path, the host, the scheme and
 * the client's address after the last proxy.
 *
 * A stranger learns nothing: the answer is the same with a nonce as without, with a right one as
 * with a wrong one. A nonce has 128 random bits, is good for one request and for a minute. */
#ifndef DOORBELL_WEB_WITNESS_H
#define DOORBELL_WEB_WITNESS_H

#include <jansson.h>

#include "web/public_url.h"

#define WITNESS_HEADER "Doorbell-Check"

enum {
    WITNESS_NONCE_SIZE = 33, /* 32 hexadecimal digits */
    WITNESS_MOST = 8,        /* at once, two of each look; a new one replaces the oldest */
    WITNESS_MS = 60 * 1000,
};

struct sighting {
    bool at_root;                   /* at "/", where registrations are taken */
    bool is_tls;                    /* ours */
    bool lacks_tls;                 /* and should have been: it was refused */
    bool is_forwarded, is_trusted;  /* by a proxy; and what that says is believed */
    bool names_client;              /* it says whose request it was */
    char host[TOLD_HOST_SIZE];      /* as the linking page would take it; "": none can be read */
    char scheme[PROXY_SCHEME_SIZE]; /* that it says it had outside; "": it says none */
    char peer[ADDRESS_TEXT_SIZE];   /* who handed it to us; "": it came through a Unix socket */
};

struct witness {
    struct expected {
        char nonce[WITNESS_NONCE_SIZE]; /* "": none */
        int64_t until_ms;
        bool seen;
        struct sighting sighting;
    } expected[WITNESS_MOST];
    size_t next;
};

/* Zero is a witness that expects nothing. */
void witness_expect(struct witness *witness, int64_t now_ms, char nonce[WITNESS_NONCE_SIZE]);
/* At every request; `lacks_tls`: it is refused for that. */
void witness_look(struct witness *witness, const struct proxies *proxies,
                  const struct request *request, bool lacks_tls, int64_t now_ms);
/* {"seen": false} or {"seen": true, "at_root", "tls", "lacks_tls", "forwarded", "trusted",
 * "names_client", "host", "scheme", "peer"}, once: what was seen is forgotten then. */
json_t *witness_tell(struct witness *witness, const char *nonce, int64_t now_ms);

#endif
