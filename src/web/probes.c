#include "web/probes.h"

#include <string.h>

#include "base/mem.h"
#include "bridge/checkup.h"

enum { OK = 200, UNAVAILABLE = 503 };

static bool asks_for(const struct request *request, const char *path)
{
    return request_is_get(request) && strcmp(request->path, path) == 0;
}

bool probes_know(const struct request *request)
{
    return asks_for(request, "/healthz") || asks_for(request, "/readyz");
}

void probes_answer(struct bridge *bridge, const struct request *request, struct response *response)
{
    enum health health = bridge_health(bridge);
    bool well = asks_for(request, "/healthz") ? health_is_alive(health) : health == HEALTH_WELL;
    response_set(response, well ? OK : UNAVAILABLE, "text/plain; charset=utf-8",
                 mem_text(well ? "ok\n" : "not ok\n"));
}
