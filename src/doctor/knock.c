#include "doctor/knock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/connector.h"
#include "signal/h2.h"
#include "signal/resource.h"

enum { CLOSE_NORMAL = 1000 };

struct knock {
    struct loop *loop;
    struct resolver *resolver;
    struct connector *connector;
    struct h2 *h2;
    struct channel *channel;
    const char *user_agent;
    knock_fn *fn;
    void *arg;
    struct timer deadline;
    int64_t step_ms;
    bool is_open, is_over;
};

static void tell(struct knock *knock, const struct transport_end *end)
{
    if (knock->is_over)
        return;
    knock->is_over = true;
    loop_timer_cancel(knock->loop, &knock->deadline);
    knock->fn(knock->arg, end);
}

static void on_deadline(void *arg)
{
    static const struct transport_end late = {.kind = TRANSPORT_UNREACHABLE,
                                              .text = "no answer in time"},
                                      mute = {.kind = TRANSPORT_LOST,
                                              .text = "links are let in, and then nothing comes "
                                                      "over them"};
    struct knock *knock = arg;
    tell(knock, knock->is_open ? &mute : &late);
}

static void on_asking(void *arg, struct channel_credentials *credentials)
{
    const struct knock *knock = arg;
    *credentials = (struct channel_credentials){.user_agent = knock->user_agent};
}

/* A keep-alive is answered to whoever sends it (signal-measured.md 1). */
static void on_opened(void *arg)
{
    struct knock *knock = arg;
    uint8_t request[RESOURCE_REQUEST_MAX];
    size_t length = resource_keepalive(request, 1);
    knock->is_open = true;
    loop_timer_set(knock->loop, &knock->deadline, knock->step_ms);
    h2_ops.send(knock->channel, request, length);
}

/* Whoever has not said who he is gets nothing else. */
static void on_piece(void *arg, const uint8_t *bytes, size_t length, bool first, bool last)
{
    struct knock *knock = arg;
    (void)bytes, (void)length, (void)first;
    if (!last || knock->is_over)
        return;
    h2_ops.close(knock->channel, CLOSE_NORMAL, "");
    tell(knock, NULL);
}

static void on_ended(void *arg, const struct transport_end *end)
{
    tell(arg, end);
}

static struct config settings_of(const struct knock_request *request)
{
    struct config config = *request->config;
    config.net_connect_timeout_ms = config.net_handshake_timeout_ms = request->step_ms;
    if (request->family != AF_UNSPEC)
        config.net_family = request->family == AF_INET ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6;
    return config;
}

static int make_way(struct knock *knock, const struct config *config, struct err *err)
{
    knock->resolver = resolver_new(knock->loop, config, err);
    if (!knock->resolver)
        return err->code;
    knock->connector = connector_new(knock->loop, knock->resolver, config);
    knock->h2 = h2_new(knock->loop, knock->connector, config, err);
    return knock->h2 ? 0 : err->code;
}

struct knock *knock_new(struct loop *loop, const struct knock_request *request, knock_fn *fn,
                        void *arg, struct err *err)
{
    static const struct transport_events events = {
        .asking = on_asking, .opened = on_opened, .piece = on_piece, .ended = on_ended};
    struct config config = settings_of(request);
    struct knock *knock = mem_new(sizeof *knock);
    knock->loop = loop;
    knock->step_ms = request->step_ms;
    knock->user_agent = request->user_agent;
    knock->fn = fn;
    knock->arg = arg;
    timer_init(&knock->deadline, on_deadline, knock);
    if (make_way(knock, &config, err) != 0) {
        knock_free(knock);
        return NULL;
    }
    loop_timer_set(loop, &knock->deadline, request->total_ms);
    knock->channel = h2_ops.open(knock->h2, false, &events, knock);
    return knock;
}

void knock_free(struct knock *knock)
{
    if (!knock)
        return;
    loop_timer_cancel(knock->loop, &knock->deadline);
    if (knock->channel)
        h2_ops.free(knock->channel);
    h2_free(knock->h2);
    if (knock->connector)
        connector_free(knock->connector);
    if (knock->resolver)
        resolver_free(knock->resolver);
    free(knock);
}

/* Connecting UDP looks for a way and says nothing to anybody. */
static bool has_route(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int error = fd < 0 || connect(fd, &address->any, address->length) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error != ENETUNREACH && error != EADDRNOTAVAIL && error != EAFNOSUPPORT;
}

bool knock_has_route(const struct address_list *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (has_route(&addresses->items[i]))
            return true;
    return false;
}
