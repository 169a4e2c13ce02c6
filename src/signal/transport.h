/* The seam below Signal's protocol: a channel of binary messages between us and the chat server,
 * for one device. What lies above (resource protocol, scanner, link) does not know which road
 * carries it: an HTTP/1.1 websocket (h1.c), or a stream of an HTTP/2 connection
 * (h2.c).
 * A channel lives for one connection. It is made by `open`, reports `opened` at most once, then
 * pieces of messages, then `ended` exactly once; after that only `free` may be called. Events are
 * never delivered from inside a call. */
#ifndef DOORBELL_SIGNAL_TRANSPORT_H
#define DOORBELL_SIGNAL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport_end_kind {
    TRANSPORT_UNREACHABLE, /* no address, no TCP, timed out before an answer */
    TRANSPORT_TLS,         /* the certificate or the handshake */
    TRANSPORT_UNTIMELY,    /* the certificate is not valid yet, or no more */
    TRANSPORT_NO_ROAD,     /* who answers has no such road: no HTTP/2, or no websockets over it */
    TRANSPORT_STATUS,      /* the server answered something else than a websocket */
    TRANSPORT_CLOSE,       /* it opened, and the server sent a Close */
    TRANSPORT_LOST,        /* it opened, and ended without a Close */
    TRANSPORT_VIOLATION,   /* it opened, and the server broke the framing or a bound */
    TRANSPORT_STOPPED,     /* by us */
};

struct transport_end {
    enum transport_end_kind kind;
    int status;         /* HTTP, with TRANSPORT_STATUS */
    bool has_timestamp; /* the answer carried X-Signal-Timestamp: the chat server itself spoke */
    bool sent_away;     /* GOAWAY instead of an answer */
    bool alone;         /* others share its connection and were answered: no fault of the road */
    int64_t retry_after_ms; /* 0: none */
    int close_code;         /* with TRANSPORT_CLOSE; 1005 when the frame had none */
    char text[128];         /* the server's reason or ours, printable */
};

/* What a request says of us. */
struct channel_credentials {
    /* "Basic ...": the transport's to free, by mem_free_secret. NULL: none; then the server
     * lets in whoever asks, and sends no messages (signal-measured.md 1). */
    char *authorization;
    const char *user_agent; /* borrowed until the loop's next turn */
};

struct transport_events {
    /* The request is about to be written, and no sooner: nothing secret waits in a queue. A road
     * that has to ask again asks for them again. */
    void (*asking)(void *arg, struct channel_credentials *credentials);
    void (*opened)(void *arg);
    /* The next bytes of a message; `first` and `last` mark its ends. */
    void (*piece)(void *arg, const uint8_t *bytes, size_t length, bool first, bool last);
    /* Over. What was queued before the server's Close arrived was still sent: it reads on until
     * ours (signal-measured.md 5.4). */
    void (*ended)(void *arg, const struct transport_end *end);
};

struct channel;

struct transport_ops {
    const char *name; /* "http1", "http2" */
    struct channel *(*open)(void *transport, bool candidate, const struct transport_events *events,
                            void *arg);
    /* Queues one whole binary message. ERR_LIMIT when more than TRANSPORT_UNSENT_MAX bytes would
     * wait for a server that does not read; ERR_NOT_NOW when it is not open. It goes out at once,
     * or, over a connection of many that has just sent something, within 15 ms. */
    int (*send)(struct channel *channel, const uint8_t *message, size_t length);
    /* As `send`, for what is in no hurry: where accounts share a connection it goes out within a
     * second (sooner where signal.keepalive or its timeout is short), together with what others
     * say. */
    int (*send_lazily)(struct channel *channel, const uint8_t *message, size_t length);
    /* Sends a Close with this code (1000, or 1007/1009 for a server that broke a rule), then ends.
     */
    void (*close)(struct channel *channel, int code, const char *reason);
    /* Frees buffers that an idle channel does not need. */
    void (*idle)(struct channel *channel);
    /* Without any further event. A Close that `close` has begun still goes out; otherwise an open
     * connection is dropped. */
    void (*free)(struct channel *channel);
};

/* 256 unanswered messages with room to spare: an ack is about 30 bytes. */
enum { TRANSPORT_UNSENT_MAX = 64 * 1024, TRANSPORT_MESSAGE_MAX = 2 * 1024 * 1024 };

#endif
