/* What the parts of the HTTP/2 road know of each other: the pool (h2.c), a connection
 * (h2_connection.c), a channel (h2_channel.c). Internal to the HTTP/2 road.
 *
 * A channel waits in the pool's queue until a connection has room for it, is a stream there, and
 * ends. Where a channel's end is settled, its owner hears of it on a later turn of the loop. */
#ifndef DOORBELL_SIGNAL_H2_PARTS_H
#define DOORBELL_SIGNAL_H2_PARTS_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/url.h"
#include "net/stream.h"
#include "signal/h2.h"
#include "signal/websocket.h"

enum { H2_LANES = 2 }; /* enum connector_lane */

struct h2 {
    struct websocket_road road;
    struct loop *loop;
    struct connector *connector;
    SSL_CTX *tls; /* NULL: clear text, for tests on loopback */
    struct url url;
    char authority[URL_ORIGIN_SIZE]; /* with the port where it is not the scheme's own */
    int64_t connect_timeout_ms, handshake_timeout_ms, keepalive_ms, keepalive_timeout_ms, lazy_ms;
    size_t per_connection;
    size_t announced;             /* MAX_CONCURRENT_STREAMS as any server said it last; 0: none */
    struct list queues[H2_LANES]; /* channels that wait for a place */
    size_t queued;
    struct bucket buckets[H2_LANES]; /* how fast streams are opened */
    struct list roomy;               /* connections that take another stream */
    struct list others;              /* in the making, full, or going away */
    size_t in_the_making, standing, serving;
    unsigned failures;     /* connections in a row that came to nothing */
    int64_t rest_until_ms; /* no new connection before */
    size_t turn;           /* of the lanes, when there is a place */
    struct timer pump;
};

enum h2_connection_state {
    H2_DIALLING, /* until TLS stands */
    H2_GREETING, /* until the server's SETTINGS */
    H2_READY,
    H2_LEAVING, /* takes no new streams: GOAWAY, or the limits say so */
};

struct h2_connection {
    struct list node;
    struct h2 *h2;
    struct attempt *attempt; /* its slot among the handshakes; NULL: over */
    struct stream *stream;   /* NULL: not yet */
    nghttp2_session *session;
    struct list channels;
    struct timer timer;            /* SETTINGS are due, a PING or its answer is, or it has failed */
    struct timer flush;            /* what is in no hurry waits until then, or for what is */
    struct transport_end *failure; /* it has failed: what its channels will hear */
    int64_t heard_at_ms, sent_at_ms;
    int64_t answer_by_ms; /* to a PING; 0: none is out */
    size_t streams;       /* that nghttp2 counts, those on their way out among them */
    uint32_t announced;   /* its MAX_CONCURRENT_STREAMS */
    size_t most;          /* what it has shown that it takes, whatever it announces */
    enum h2_connection_state state;
    unsigned unanswered; /* CONNECTs in a row that ran into their deadline */
    bool sent_away;      /* by a GOAWAY that is no ordinary farewell */
    bool served;         /* it has answered a CONNECT */
    bool wipes;          /* what is sent now has credentials in it */
    bool inside;         /* nghttp2: what it wants to send waits until it is left */
    bool due;            /* it wants to: nothing waits any longer for company */
    bool unconfirmed;    /* something arrived, and nothing was sent since */
};

struct channel {
    struct websocket websocket;
    struct list node;                 /* the pool's queue, or its connection's channels */
    struct h2_connection *connection; /* NULL: none */
    struct buf
        *out;   /* frames, until the server's window and the connection take them; NULL: none */
    int32_t id; /* of its stream; 0: none, or closed */
    uint8_t lane;
    uint8_t refusals;
};

/* h2.c */
void h2_enqueue(struct h2 *h2, struct channel *channel);
/* On the next turn: there may be room, or nothing left to hope for. */
void h2_wake(struct h2 *h2);
/* The server wants less of us: no new connection for a while, which doubles. */
void h2_rest(struct h2 *h2);
/* A connection came to nothing before it served anybody: so it is for all that wait, or where
 * others serve, for the `most` that it would have taken. */
void h2_give_up(struct h2 *h2, const struct transport_end *end, size_t most);

/* h2_connection.c */
struct h2_connection *h2_connection_new(struct h2 *h2, enum connector_lane lane);
void h2_connection_free(struct h2_connection *connection);
bool h2_connection_has_room(const struct h2_connection *connection);
/* The channel asks for its websocket there. False: nghttp2 takes no more streams. */
bool h2_connection_take(struct h2_connection *connection, struct channel *channel);
/* Sends what nghttp2 has to send, unless we are inside it, from where it follows anyway. */
void h2_connection_flush(struct h2_connection *connection);
/* At once, or where something was sent just before, soon: many answers go together. */
void h2_connection_flush_answers(struct h2_connection *connection);
/* Within a second. */
void h2_connection_flush_soon(struct h2_connection *connection);
void h2_connection_idle(struct h2_connection *connection);
/* It has answered somebody. */
void h2_connection_serves(struct h2_connection *connection);
/* It has let a CONNECT run into its deadline: whatever answers PINGs there, what should answer us
 * may be dead. */
void h2_connection_is_mute(struct h2_connection *connection);
/* Whether it takes another stream may have changed. */
void h2_connection_sort(struct h2_connection *connection);

/* h2_channel.c: `put` of its road */
int h2_channel_put(struct websocket *websocket, const uint8_t *frame, size_t length, size_t most);
/* What a connection tells it, from inside nghttp2 or not. */
struct channel *h2_channel_of(nghttp2_session *session, int32_t id);
void h2_channel_asked(struct channel *channel, struct h2_connection *connection, int32_t id);
void h2_channel_header(struct channel *channel, const char *name, size_t name_length,
                       const char *value, size_t length);
void h2_channel_answered(struct channel *channel);
void h2_channel_received(struct channel *channel, const uint8_t *bytes, size_t length);
/* Its stream is closed. */
void h2_channel_closed(struct channel *channel);
/* The server has no room for it here: it goes back into the queue. */
void h2_channel_refused(struct channel *channel);
/* The server says nothing more in its stream. */
void h2_channel_heard_all(struct channel *channel);
/* Its connection is lost, or nothing can be had for it. */
void h2_channel_cut(struct channel *channel, const struct transport_end *end);

int h2_channel_send(struct channel *channel, const uint8_t *message, size_t length);
int h2_channel_send_lazily(struct channel *channel, const uint8_t *message, size_t length);
void h2_channel_close(struct channel *channel, int code, const char *reason);
void h2_channel_idle(struct channel *channel);
void h2_channel_free(struct channel *channel);
struct channel *h2_channel_new(struct h2 *h2, bool candidate, const struct transport_events *events,
                               void *arg);

#endif
