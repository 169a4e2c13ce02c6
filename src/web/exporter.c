#include "web/exporter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "web/prometheus.h"
#include "web/side.h"

struct exporter {
    struct bridge *bridge;
    struct push *push;
    struct store *store;
    const struct lookout *lookout;
    const struct signal_server *signal;
    struct proxies proxies; /* none is trusted */
    struct side *side;
};

static const struct side_words words = {
    .setting = "metrics.listen",
    .is = "The metrics for Prometheus are",
    .path = "/metrics",
    .without = "there are no metrics",
    .open = ", for whoever reaches that",
};

static void answer(void *arg, struct exchange *exchange)
{
    const struct exporter *exporter = arg;
    const struct request *request = &exchange->request;
    struct response *response = &exchange->response;
    if (strcmp(request->path, "/metrics") != 0 || !request_is_get(request))
        response_error(response, 404, "404 Not Found",
                       "There is nothing but metrics here, at /metrics.");
    else
        response_set(response, 200, "text/plain; version=0.0.4; charset=utf-8",
                     prometheus_text(exporter->bridge, exporter->push, exporter->store,
                                     exporter->lookout, exporter->signal));
}

struct exporter *exporter_new(struct loop *loop, struct bridge *bridge, struct push *push,
                              struct store *store, const struct lookout *lookout,
                              const struct signal_server *signal, const struct config *config)
{
    struct exporter *exporter = mem_new(sizeof *exporter);
    exporter->bridge = bridge;
    exporter->push = push;
    exporter->store = store;
    exporter->lookout = lookout;
    exporter->signal = signal;
    exporter->side = side_new(loop, &words, &exporter->proxies, answer, exporter);
    exporter_reload(exporter, config);
    return exporter;
}

void exporter_free(struct exporter *exporter)
{
    if (!exporter)
        return;
    side_free(exporter->side);
    free(exporter);
}

void exporter_reload(struct exporter *exporter, const struct config *config)
{
    side_follow(exporter->side, config->metrics_listen, config->web_timeout_ms);
}

const char *exporter_refusal(const struct exporter *exporter)
{
    return side_refusal(exporter->side);
}
