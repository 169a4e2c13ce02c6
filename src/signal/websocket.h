/* What a channel is on every road: a websocket that waits to be granted, hears frames and says
 * some, closes, and tells its owner of its end. The road brings it what arrives, takes what it says
 * and keeps its deadlines: the timer is the road's, and what it means follows from the state. */
#ifndef DOORBELL_SIGNAL_WEBSOCKET_H
#define DOORBELL_SIGNAL_WEBSOCKET_H

#include "base/loop.h"
#include "signal/frames.h"
#include "signal/transport.h"

enum websocket_state {
    WEBSOCKET_WAITING, /* for its turn, an address, a connection */
    WEBSOCKET_ASKING,  /* from the request to its answer */
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* our Close waits until it has gone out */
    WEBSOCKET_ENDED,   /* `ended` is due, or was delivered */
};

struct websocket;

struct websocket_road {
    struct loop *loop;
    /* Takes one whole frame, for later where it has to. ERR_LIMIT where more than `most` bytes
     * would wait then, ERR_NOT_NOW where nothing can be sent any more. */
    int (*put)(struct websocket *websocket, const uint8_t *frame, size_t length, size_t most);
};

struct websocket {
    const struct websocket_road *road;
    const struct transport_events *events; /* NULL: its owner has left it to finish by itself */
    void *arg;
    struct timer timer;        /* deadline of the answer or of our Close, or delivery of `ended` */
    struct transport_end *end; /* as far as it is known: the road may note its answer here */
    struct frames frames;
    uint8_t state;
    bool said_all;      /* our Close was put, nothing may follow it */
    bool inside, freed; /* an event is being told; in there it was freed */
};

enum {
    WEBSOCKET_CLOSE_MS = 5000, /* for our Close to go out */
    /* A Close always finds room. */
    WEBSOCKET_UNSENT_MAX = TRANSPORT_UNSENT_MAX + FRAMES_HEADER_MAX + FRAMES_CONTROL_MAX,
};

/* `fn` is called with `channel` when the timer fires. */
void websocket_init(struct websocket *websocket, const struct websocket_road *road,
                    const struct transport_events *events, void *arg, timer_fn *fn, void *channel);
/* False: not yet. It was called from inside an event, and whoever brought what that tells of is
 * told to free the channel. */
bool websocket_fini(struct websocket *websocket);

/* The request is out; its answer must come within `most_ms`. */
void websocket_asked(struct websocket *websocket, int64_t most_ms);
/* It must be asked for once more. */
void websocket_wait(struct websocket *websocket);
/* Granted. False: its owner has freed it in the event; free the channel. */
bool websocket_open(struct websocket *websocket);
/* What arrived on it; ignored where it is not open. False: as with websocket_open. */
bool websocket_hear(struct websocket *websocket, const uint8_t *bytes, size_t length);
/* As transport_ops has it. */
int websocket_send(struct websocket *websocket, const uint8_t *message, size_t length);
/* Begins to close one that is open: it ends once the Close is out, or has waited in vain. */
void websocket_close(struct websocket *websocket, int code, const char *reason);

/* It is over: its owner hears of it on the next turn of the loop. */
void websocket_end(struct websocket *websocket, const struct transport_end *end);
void websocket_end_text(struct websocket *websocket, enum transport_end_kind kind,
                        const char *text);
/* Likewise, where it was closing: our Close is out, or nothing can go out any more. */
void websocket_end_closing(struct websocket *websocket);
/* When the timer fires and it has ended. */
void websocket_tell_end(struct websocket *websocket);

#endif
