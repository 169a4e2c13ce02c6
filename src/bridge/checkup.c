#include "bridge/checkup.h"

#include "bridge/alarms.h"
#include "bridge/bell.h"

enum { LOOK_EVERY_MS = 1000 };

static void look(struct bridge *bridge, int64_t now_ms)
{
    struct checkup *checkup = &bridge->checkup;
    struct bridge_alarms alarms;
    if (checkup->looked && now_ms - checkup->looked_ms < LOOK_EVERY_MS)
        return;
    bridge_alarms(bridge, &alarms);
    checkup->looked = true;
    checkup->looked_ms = now_ms;
    checkup->sight.wanted = alarms.wanted;
    checkup->sight.up = alarms.up;
    checkup->sight.connects = bridge->connects;
}

static void look_at_store(struct bridge *bridge)
{
    struct health_sight *sight = &bridge->checkup.sight;
    sight->store_failing = bridge->store_failing;
    sight->store_writing_since_ms = store_writing_since_ms(bridge->parts.store);
}

enum health bridge_store_health(struct bridge *bridge)
{
    look_at_store(bridge);
    return health_judge_store(&bridge->checkup.sight, bridge_now_ms(bridge));
}

enum health bridge_health(struct bridge *bridge)
{
    struct checkup *checkup = &bridge->checkup;
    int64_t now_ms = bridge_now_ms(bridge);
    look(bridge, now_ms);
    look_at_store(bridge);
    return health_judge(&checkup->memory, &checkup->sight,
                        bridge->config->health_links_down_after_ms, now_ms);
}
