/* A link is how a messenger tells us that something waits for one account. It speaks the
 * messenger's protocol and knows nothing of pushes, the store or other accounts. It never decrypts
 * and keeps no message bytes. One link per account; it makes one connection each time it is started
 * and reports its end with `down`; when to start again is the account's decision (link/life.h).
 * All calls and events happen on the loop. Events are never delivered from inside a call to the
 * link. */
#ifndef DOORBELL_LINK_LINK_H
#define DOORBELL_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_reason {
    LINK_STOPPED,        /* we closed it ourselves (fresh authentication) */
    LINK_UNREACHABLE,    /* no address, no TCP, no TLS, no answer in time */
    LINK_LOST,           /* was up: EOF, reset, no answer to a keep-alive */
    LINK_CLOSED,         /* the server closed and a new connection is in order */
    LINK_SERVER_TROUBLE, /* 5xx, 1011, unexpected statuses */
    LINK_RATE_LIMITED,   /* 429, or any status with Retry-After */
    LINK_SILENT,         /* the handshake succeeded, and the queue was never shown */
    LINK_CONTESTED,      /* somebody else uses the same device (4409) */
    LINK_UNAUTHORIZED, /* the credentials may be dead: told so by the messenger itself (403 with its
                          mark) */
    LINK_MIDDLEBOX,    /* a 403 without the messenger's mark: not the messenger's word */
    LINK_REVOKED,      /* the session was ended, the credentials are probably dead (4401) */
    LINK_CLIENT_REFUSED, /* the messenger wants a newer or another client (499) */
    LINK_PROTOCOL,       /* the server broke the protocol, or says that we did */
    LINK_MISCONFIGURED,  /* wrong path, wrong certificate: nothing a retry mends */
    LINK_UNTIMELY,       /* by our clock its certificate is not valid yet, or no more */
};
enum { LINK_REASONS = LINK_UNTIMELY + 1 };

enum { LINK_TEXT_SIZE = 160 };

struct link_down {
    enum link_reason reason;
    int status;                /* HTTP status of the handshake, 0: none */
    int close_code;            /* websocket close code, 0: none */
    int64_t retry_after_ms;    /* what the server demands, 0: nothing */
    char text[LINK_TEXT_SIZE]; /* one printable sentence for people, with its full stop */
};

/* What the link tells its owner. `arg` is the owner's. */
struct link_events {
    /* A frame came, of whatever kind; what it says comes next. NULL where nobody asks. */
    void (*heard)(void *arg);
    /* The handshake succeeded. Not yet a proof that it is authenticated (signal.md 1.2). */
    void (*up)(void *arg);
    /* A message waits. `ack` names it until this connection ends. `own`: a copy of something that
     * the account's own first device sent. The first one proves that the link is authenticated. */
    void (*waiting)(void *arg, uint64_t ack, bool urgent, bool own);
    /* Everything that waited when we connected was delivered and answered. Proves the link, too. */
    void (*drained)(void *arg);
    /* The connection, or the attempt to make one, is over. Acks that are still held are void: what
     * they name will be delivered again. */
    void (*down)(void *arg, const struct link_down *down);
};

struct seal;
struct link; /* each messenger's own */

struct link_request {
    uint8_t uuid[16];
    uint8_t device;
    const char *password;    /* borrowed for the link's life; opened at each start, and wiped */
    const struct seal *seal; /* NULL: the password is in the clear */
    bool candidate;          /* nobody proved these credentials yet: lower limits apply */
};

struct link_ops {
    const char *messenger; /* "Signal", for people */
    /* How many links may be started and not down at the same time, as things are now, where so many
     * descriptors are for them. NULL: one for each. */
    size_t (*most)(void *messenger, size_t descriptors);
    struct link *(*open)(void *messenger, const struct link_request *request,
                         const struct link_events *events, void *arg);
    void (*start)(struct link *link); /* must be down */
    void (*stop)(struct link *link);  /* ends in `down` with LINK_STOPPED, soon */
    void (*acknowledge)(struct link *link, uint64_t ack);
    /* The machine was away: finds out now, not at the next keep-alive, whether the other side is
     * still there; if not, `down` follows as always. Nothing for a link that is not up. */
    void (*test)(struct link *link);
    void (*promote)(struct link *link); /* the candidate is one no more */
    /* Ends it, too, without an event, also from inside one of its own; a connection is closed in
     * the protocol's manner. */
    void (*free)(struct link *link);
};

const char *link_reason_name(enum link_reason reason); /* "lost", for logs and metrics */
const char *link_reason_text(enum link_reason reason); /* for people, without a full stop */

#endif
