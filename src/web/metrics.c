#include "web/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

enum { METRICS_MAX = 4096 };

/* Through a Unix socket nobody comes directly: that is how proxies are connected. */
bool metrics_may_see(const struct silent_proxies *silent, const struct request *request)
{
    return request->peer.length && address_classify(&request->peer, NULL) == ADDRESS_PRIVATE &&
           silent_proxies_came_directly(silent, request);
}

static void add(struct buf *buf, const char *name, const char *type, const char *help,
                uint64_t value)
{
    buf_format(buf,
               "# HELP mollysocket_%s %s\n# TYPE mollysocket_%s %s\nmollysocket_%s %" PRIu64 "\n",
               name, help, name, type, name, value);
}

void metrics_show(struct bridge *bridge, struct response *response)
{
    struct bridge_counts counts;
    struct buf buf;
    bridge_count(bridge, &counts);
    buf_init(&buf, METRICS_MAX);
    add(&buf, "connections", "gauge", "Accounts that are connected to the messenger.", counts.up);
    add(&buf, "forbiddens", "gauge", "Accounts that the messenger refuses.", counts.refused);
    add(&buf, "reconnections", "counter", "Connections that were made anew.", counts.reconnections);
    add(&buf, "messages", "counter", "Messages that were seen waiting.", counts.messages);
    add(&buf, "pushs", "counter", "Pushes that were accepted.", counts.pushes);
    char *text = mem_copy((const char *)buf.bytes, buf.length);
    buf_fini(&buf);
    response_set(response, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}
