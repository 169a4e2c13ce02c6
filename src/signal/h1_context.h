/* What the channels of h1.c share: the libwebsockets context, the TLS context, the server's
 * address. Internal to the HTTP/1.1 road. */
#ifndef DOORBELL_SIGNAL_H1_CONTEXT_H
#define DOORBELL_SIGNAL_H1_CONTEXT_H

#include <libwebsockets.h>
#include <openssl/ssl.h>

#include "base/url.h"
#include "signal/h1.h"

struct h1 {
    struct loop *loop;
    struct connector *connector;
    struct lws_context *context;
    struct lws_vhost *vhost;
    SSL_CTX *tls; /* NULL: clear text, for tests on loopback */
    struct url url;
    char host_line[URL_ORIGIN_SIZE]; /* with the port where it is not the scheme's own */
    int64_t connect_timeout_ms, handshake_timeout_ms;
    size_t websockets; /* open ones, those of channels that were freed, too */
    struct timer farewell;
    uv_idle_t undertaker; /* only while it is freed */
    unsigned rounds;
};

/* For a connection that ends without having reached the server. Where connecting fails, at once (no
 * route) or between the event that says "connected" and the look at the socket's error (a reset),
 * libwebsockets (4.1.6, 4.3.5) closes its socket and forgets the watcher, which would stay in the
 * loop for ever. */
void h1_close_forgotten_watcher(struct h1 *h1, struct lws *wsi);

/* h1.c: everything that libwebsockets tells us about a channel's connection. */
int h1_on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
              size_t length);

#endif
