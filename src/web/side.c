#include "web/side.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "web/gate.h"
#include "web/http1.h"
#include "web/listener.h"

enum { CONNECTIONS = 16 }; /* a Prometheus or two, and a person's browser */

struct side {
    struct loop *loop;
    const struct side_words *words;
    struct gate gate;
    exchange_handler *handler;
    void *arg;
    struct http1 *http1;       /* as long as there is a listener */
    struct listener *listener; /* NULL: nobody listens */
    char *refusal;             /* why not; NULL: it is not meant to, or does */
};

static void on_accepted(void *arg, int fd, const struct address *peer)
{
    struct side *side = arg;
    if (gate_ask(&side->gate, peer) != GATE_OPEN)
        http1_make_room(side->http1);
    if (gate_ask(&side->gate, peer) == GATE_OPEN)
        http1_add(side->http1, fd, peer);
    else
        close(fd);
}

static bool serves(const struct side *side, const char *where)
{
    return side->listener && strcmp(listener_where(side->listener), where) == 0;
}

/* Whoever is connected is let go as well: the setting says where it is, for everybody. */
static void end(struct side *side)
{
    listener_free(side->listener);
    http1_free(side->http1);
    free(side->refusal);
    side->listener = NULL;
    side->http1 = NULL;
    side->refusal = NULL;
}

static void begin(struct side *side, const char *where)
{
    const struct side_words *words = side->words;
    struct err err = {0};
    side->http1 = http1_new(side->loop, &side->gate, side->handler, side->arg, NULL, &err);
    if (side->http1)
        side->listener = listener_new(side->loop, where, false, on_accepted, side, &err);
    if (!side->listener) {
        end(side);
        side->refusal = mem_text(err.text);
        log_warn("%s: %s. Until then %s; set %s to none if you need none.", words->setting,
                 err.text, words->without, words->setting);
        return;
    }
    bool is_local = listener_is_loopback(where) || text_starts(where, "unix:");
    log_info("%s on %s at %s%s.", words->is, where, words->path, is_local ? "" : words->open);
}

struct side *side_new(struct loop *loop, const struct side_words *words,
                      const struct proxies *proxies, exchange_handler *handler, void *arg)
{
    struct side *side = mem_new(sizeof *side);
    side->loop = loop;
    side->words = words;
    side->handler = handler;
    side->arg = arg;
    gate_init(&side->gate);
    side->gate.proxies = proxies;
    side->gate.most = side->gate.most_per_network = CONNECTIONS;
    return side;
}

void side_free(struct side *side)
{
    end(side);
    gate_fini(&side->gate);
    free(side);
}

const char *side_refusal(const struct side *side)
{
    return side->refusal;
}

void side_follow(struct side *side, const char *where, int64_t timeout_ms)
{
    if (!serves(side, where)) {
        end(side);
        if (strcmp(where, "none") != 0)
            begin(side, where);
    }
    if (side->http1)
        http1_set_timeout(side->http1, timeout_ms);
}
