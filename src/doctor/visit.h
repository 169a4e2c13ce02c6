/* One HTTP request that asks for nothing of anybody: how far it came, and what the head of the
 * answer says. Names are looked up as the server does it (net/resolver.h) and connections go where
 * it would go, so that the doctor sees what the server sees. No credentials, no redirects. A visit
 * over HTTP/2 tells of the head the status and Signal's timestamp only.
 *
 * All visits run at once and end by themselves: each has a deadline. */
#ifndef DOORBELL_DOCTOR_VISIT_H
#define DOORBELL_DOCTOR_VISIT_H

#include <openssl/x509.h>

#include "net/resolver.h"
#include "push/policy.h"
#include "push/trust.h"

enum visit_end {
    VISIT_NOT_MADE,   /* nobody asked for it */
    VISIT_ANSWERED,   /* there is a status */
    VISIT_NO_ADDRESS, /* or none of a family that net.family allows: see has_v4, has_v6 */
    VISIT_DENIED,     /* the settings forbid its addresses */
    VISIT_NO_ROUTE,   /* this machine has no network of that family */
    VISIT_NO_CONNECT,
    VISIT_NO_TLS,
    VISIT_NO_ANSWER,
    VISIT_NO_ROAD, /* who answers takes no websockets over HTTP/2, or keeps sending us away */
};

/* What is wrong with a certificate (VISIT_NO_TLS), where that can be told. */
enum visit_flaw {
    VISIT_FLAW_OTHER,
    VISIT_FLAW_EXPIRED, /* or not valid yet */
    VISIT_FLAW_NAME,    /* it is for another name */
    VISIT_FLAW_ISSUER,  /* it leads to no root that is trusted, or not all of the way */
    VISIT_FLAW_NO_TLS,  /* what answers speaks no TLS, or ends the connection there */
};

enum { VISIT_WHY_SIZE = 256, VISIT_SERVER_SIZE = 48, VISIT_PLACE_SIZE = 272 /* a host, a port */ };

struct visit_facts {
    enum visit_end end;
    enum visit_flaw flaw;
    char why[VISIT_WHY_SIZE];     /* printable; empty where `end` says it all */
    char place[VISIT_PLACE_SIZE]; /* where push.connect_to led it; empty: to its own host */
    bool has_v4, has_v6;          /* addresses that were found, whether they may be used or not */
    int status;                   /* 101: the websocket that was asked for, over HTTP/2 as well */
    bool is_kept;    /* of HTTP/2: for such an end links do not turn to HTTP/1.1 (signal/roads.h) */
    bool stamped;    /* has Signal's own timestamp */
    bool challenged; /* by Cloudflare */
    bool has_date;
    int64_t ahead_s;                /* the other side's clock before ours */
    char server[VISIT_SERVER_SIZE]; /* who it says it is, "nginx/1.22.1"; printable */
    bool has_needle;                /* the body holds the text that was looked for */
    char moved_to[URL_ORIGIN_SIZE]; /* origin that a redirect leads to; empty: none, or a path */
};

struct visit_request {
    const char *url; /* http, https, ws or wss */
    enum resolver_lane lane;
    int family; /* AF_UNSPEC: as net.family has it */
    const char *user_agent;
    bool upgrade;    /* asks for a websocket */
    bool over_http2; /* asks for one as the server does it over HTTP/2 (knock.h): `url` is that of
                        signal.http2_url; all that follows is for HTTP/1.1 */
    const char *needle; /* NULL: the body is not read */
    const char *header; /* a whole line; NULL: none */
    const char *json;   /* sent by POST; NULL: it is a GET */
    /* What its certificate must lead to: one of the two, which must outlive the visits. */
    const struct trust *trust;
    X509_STORE *roots;
    /* Whose push.connect_to holds, and where it may lead by policy_check_origin; NULL: anywhere. */
    const struct policy *policy;
    bool is_trusted; /* it may lead anywhere all the same */
};

struct visits;

/* NULL with a sentence. `config` must outlive it. */
struct visits *visits_new(const struct config *config, struct err *err);
void visits_free(struct visits *visits);

/* `facts` is filled by visits_run; what `request` leads to must live until then. */
void visits_add(struct visits *visits, const struct visit_request *request,
                struct visit_facts *facts);
void visits_run(struct visits *visits);

bool visit_answered(const struct visit_facts *facts);
bool visit_opened(const struct visit_facts *facts); /* the websocket that it asked for */
/* 502 to 504: of a proxy that does not reach what is behind it. */
bool visit_is_of_proxy(int status);

#endif
