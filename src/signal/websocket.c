#include "signal/websocket.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

enum { SEND_MAX = 512 }; /* one message; an answer has about 30 bytes */

void websocket_init(struct websocket *websocket, const struct websocket_road *road,
                    const struct transport_events *events, void *arg, timer_fn *fn, void *channel)
{
    *websocket = (struct websocket){.road = road, .events = events, .arg = arg};
    timer_init(&websocket->timer, fn, channel);
    frames_init(&websocket->frames);
}

bool websocket_fini(struct websocket *websocket)
{
    websocket->freed = true;
    loop_timer_cancel(websocket->road->loop, &websocket->timer);
    frames_fini(&websocket->frames);
    free(websocket->end);
    return !websocket->inside;
}

static void set_deadline(struct websocket *websocket, int64_t after_ms)
{
    loop_timer_set(websocket->road->loop, &websocket->timer, after_ms);
}

/* The end */

void websocket_end(struct websocket *websocket, const struct transport_end *end)
{
    struct transport_end *kept = mem_new(sizeof *kept);
    *kept = *end;
    free(websocket->end);
    websocket->end = kept;
    websocket->state = WEBSOCKET_ENDED;
    set_deadline(websocket, 0);
}

void websocket_end_text(struct websocket *websocket, enum transport_end_kind kind, const char *text)
{
    struct transport_end end = {.kind = kind};
    snprintf(end.text, sizeof end.text, "%s", text);
    websocket_end(websocket, &end);
}

void websocket_end_closing(struct websocket *websocket)
{
    static const struct transport_end stopped = {.kind = TRANSPORT_STOPPED};
    websocket_end(websocket, websocket->end ? websocket->end : &stopped);
}

void websocket_tell_end(struct websocket *websocket)
{
    struct transport_end end = *websocket->end;
    websocket->events->ended(websocket->arg, &end);
}

/* What we say */

static int put(struct websocket *websocket, enum frames_opcode opcode, const uint8_t *payload,
               size_t length, size_t most)
{
    uint8_t frame[FRAMES_HEADER_MAX + SEND_MAX];
    if (length > SEND_MAX || websocket->said_all)
        return ERR_LIMIT;
    size_t size = frames_write(frame, opcode, payload, length);
    return websocket->road->put(websocket, frame, size, most);
}

/* The last that we say. Where the server does not read, its deadline passes. */
static void put_close(struct websocket *websocket, int code, const char *reason)
{
    uint8_t payload[FRAMES_CONTROL_MAX];
    size_t length = code == FRAMES_NO_CODE ? 0 : frames_close_payload(payload, code, reason);
    put(websocket, FRAMES_CLOSE, payload, length, WEBSOCKET_UNSENT_MAX);
    websocket->said_all = true;
}

int websocket_send(struct websocket *websocket, const uint8_t *message, size_t length)
{
    if (websocket->state != WEBSOCKET_OPEN)
        return ERR_NOT_NOW;
    return put(websocket, FRAMES_BINARY, message, length, TRANSPORT_UNSENT_MAX);
}

void websocket_close(struct websocket *websocket, int code, const char *reason)
{
    websocket->state = WEBSOCKET_CLOSING;
    set_deadline(websocket, WEBSOCKET_CLOSE_MS);
    put_close(websocket, code, reason);
}

/* What we hear */

static void forget_answer(struct websocket *websocket)
{
    free(websocket->end);
    websocket->end = NULL;
    loop_timer_cancel(websocket->road->loop, &websocket->timer);
}

void websocket_asked(struct websocket *websocket, int64_t most_ms)
{
    websocket->state = WEBSOCKET_ASKING;
    set_deadline(websocket, most_ms);
}

void websocket_wait(struct websocket *websocket)
{
    forget_answer(websocket);
    websocket->state = WEBSOCKET_WAITING;
}

bool websocket_open(struct websocket *websocket)
{
    forget_answer(websocket);
    websocket->state = WEBSOCKET_OPEN;
    websocket->inside = true;
    websocket->events->opened(websocket->arg);
    websocket->inside = false;
    return !websocket->freed;
}

static void on_close(struct websocket *websocket, const struct frames_item *item)
{
    struct transport_end end = {.kind = TRANSPORT_CLOSE, .close_code = item->code};
    text_words(end.text, sizeof end.text, item->bytes, item->length);
    put_close(websocket, item->code, "");
    websocket_end(websocket, &end);
}

/* It ends as soon as the server was told, with what we say of it. */
static void on_fault(struct websocket *websocket, const struct frames_item *item)
{
    struct transport_end *end = mem_new(sizeof *end);
    end->kind = TRANSPORT_VIOLATION;
    snprintf(end->text, sizeof end->text, "%s", item->text);
    websocket->end = end;
    websocket_close(websocket, item->code, item->text);
}

static void take(struct websocket *websocket, const struct frames_item *item)
{
    switch (item->kind) {
    case FRAMES_IS_PIECE:
        websocket->events->piece(websocket->arg, item->bytes, item->length, item->first,
                                 item->last);
        break;
    case FRAMES_IS_PING:
        /* A server that does not read the answers gets no more of them. */
        put(websocket, FRAMES_PONG, item->bytes, item->length, TRANSPORT_UNSENT_MAX);
        break;
    case FRAMES_IS_CLOSE:
        on_close(websocket, item);
        break;
    case FRAMES_IS_FAULT:
        on_fault(websocket, item);
        break;
    case FRAMES_IS_MORE:
        break;
    }
}

bool websocket_hear(struct websocket *websocket, const uint8_t *bytes, size_t length)
{
    struct frames_item item = {.kind = FRAMES_IS_PIECE};
    websocket->inside = true;
    while (!websocket->freed && item.kind != FRAMES_IS_MORE && websocket->state == WEBSOCKET_OPEN) {
        frames_next(&websocket->frames, &bytes, &length, TRANSPORT_MESSAGE_MAX, &item);
        take(websocket, &item);
    }
    websocket->inside = false;
    return !websocket->freed;
}
