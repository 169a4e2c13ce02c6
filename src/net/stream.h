/* One TCP connection to a messenger's server on our loop, with TLS by OpenSSL where it is wanted:
 * a client. It connects to one address, or takes the socket that won the connector's race, shakes
 * hands, hands over what arrives and sends what it is given. Lean while nothing happens: OpenSSL's
 * buffers and its own are given back. Whoever opens one owns it and frees it. Events are never
 * delivered from inside a call; the owner may free it from inside any of them. OpenSSL writes to a
 * socket that is gone as anybody does: SIGPIPE must be ignored. */
#ifndef DOORBELL_NET_STREAM_H
#define DOORBELL_NET_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "net/address.h"

enum stream_end_kind {
    STREAM_UNREACHABLE, /* no TCP or no TLS in time, or it ended during the TLS handshake */
    STREAM_TLS,         /* the certificate or the handshake; no TLS on this port */
    STREAM_UNTIMELY,    /* the certificate is not valid yet, or no more */
    STREAM_ENDED,       /* it was open, and the other side ended it in order or not */
};

struct stream_end {
    enum stream_end_kind kind;
    char text[128]; /* for people, printable; a part of a sentence, without a full stop */
};

struct stream_events {
    /* TCP and TLS stand. `protocol` is what ALPN chose ("h2"), or "". */
    void (*open)(void *arg, const char *protocol);
    /* `bytes` is the stream's only until this returns. */
    void (*received)(void *arg, const uint8_t *bytes, size_t length);
    /* What had to wait (stream_unsent) is with the kernel, too; once for many writes. May be NULL.
     */
    void (*sent)(void *arg);
    /* Exactly once, unless it is freed before. Only stream_free may be called after it. */
    void (*ended)(void *arg, const struct stream_end *end);
};

struct stream_target {
    SSL_CTX *tls;              /* see tls_fault_watch; NULL: clear text, for tests on loopback */
    const char *host;          /* whose certificate it must be; SNI where it is a name */
    const unsigned char *alpn; /* as SSL_set_alpn_protos takes it; NULL: none */
    unsigned alpn_length;
    int64_t connect_timeout_ms;   /* TCP */
    int64_t handshake_timeout_ms; /* TLS */
};

struct stream;

/* `connected` is a non-blocking TCP socket that is connected to `address` already, which becomes
 * the stream's, or -1. `target` is copied but for what it points to, which must outlive the call
 * only (an SSL_CTX is held by OpenSSL itself). `events` must outlive the stream. Never NULL: what
 * fails at once is told like all else. */
struct stream *stream_open(struct loop *loop, const struct stream_target *target,
                           const struct address *address, int connected,
                           const struct stream_events *events, void *arg);

/* Sends what the socket takes now and keeps the rest, at most STREAM_UNSENT_MAX: ERR_LIMIT, and
 * nothing taken, beyond that. ERR_NOT_NOW where it is not open or has ended, also where this write
 * was what showed it: what had arrived before, and then `ended`, is still delivered. */
enum { STREAM_UNSENT_MAX = 1024 * 1024 };
int stream_write(struct stream *stream, const void *bytes, size_t length);
size_t stream_unsent(const struct stream *stream);

/* For who will not write for a while: lets the kernel send TCP's acknowledgement, which is not any
 * message's, of what has arrived now. Otherwise it may do so inside the next read, where what
 * arrives then waits for it. */
void stream_acknowledge(struct stream *stream);

/* Gives back the buffers that a quiet stream does not need. They come back by themselves. */
void stream_idle(struct stream *stream);

/* At once and without any further event. */
void stream_free(struct stream *stream);
/* Without any further event, too, but what was written still goes out, then TLS's own end and
 * TCP's; it waits a moment for the other side's. After STREAM_LINGER_MS it is dropped. It frees
 * itself while the loop turns, as loop_fini lets it. Where it is not open: like stream_free. */
enum { STREAM_LINGER_MS = 5000 };
void stream_finish(struct stream *stream);

#endif
