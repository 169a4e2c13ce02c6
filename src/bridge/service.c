#include "bridge/service.h"

#include "bridge/bell.h"
#include "bridge/checkup.h"

enum { LOOK_EVERY_MS = 1000 };

/* What the settings disable is not there for anybody. */
static size_t count_enabled(const struct bridge_figures *figures)
{
    size_t count = 0;
    for (size_t state = 0; state < ACCOUNT_STATES; state++)
        count += state == ACCOUNT_DISABLED ? 0 : figures->accounts[state];
    return count;
}

bool service_judge(const struct bridge_figures *figures, enum health health)
{
    if (health != HEALTH_WELL || (count_enabled(figures) && !figures->accounts[ACCOUNT_UP]))
        return false;
    /* Most phones get no message for hours: those that were to be rung show how it is. */
    return figures->late < SERVICE_SEVERAL || figures->late <= figures->rung;
}

bool bridge_serves(struct bridge *bridge)
{
    struct service *service = &bridge->service;
    int64_t now_ms = bridge_now_ms(bridge);
    if (service->looked && now_ms - service->looked_ms < LOOK_EVERY_MS)
        return service->well;
    struct bridge_figures figures;
    bridge_figures(bridge, &figures);
    *service = (struct service){.looked = true,
                                .looked_ms = now_ms,
                                .well = service_judge(&figures, bridge_health(bridge))};
    return service->well;
}
