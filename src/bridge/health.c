#include "bridge/health.h"

static int64_t down_for_ms(struct health_memory *memory, const struct health_sight *sight,
                           int64_t now_ms)
{
    bool was_up = sight->up || sight->connects != memory->connects;
    bool down = sight->wanted && !was_up;
    if (down && !memory->down)
        memory->down_since_ms = now_ms;
    memory->down = down;
    memory->connects = sight->connects;
    return down ? now_ms - memory->down_since_ms : -1;
}

enum health health_judge_store(const struct health_sight *sight, int64_t now_ms)
{
    if (sight->store_writing_since_ms &&
        now_ms - sight->store_writing_since_ms >= HEALTH_STORE_HANGS_MS)
        return HEALTH_STORE_HANGS;
    return sight->store_failing ? HEALTH_STORE_FAILING : HEALTH_WELL;
}

enum health health_judge(struct health_memory *memory, const struct health_sight *sight,
                         int64_t links_down_after_ms, int64_t now_ms)
{
    int64_t down_ms = down_for_ms(memory, sight, now_ms);
    enum health store = health_judge_store(sight, now_ms);
    if (store != HEALTH_WELL)
        return store;
    return down_ms >= links_down_after_ms ? HEALTH_LINKS_DOWN : HEALTH_WELL;
}

bool health_is_alive(enum health health)
{
    return health == HEALTH_WELL || health == HEALTH_LINKS_DOWN;
}

const char *health_advice(enum health health)
{
    switch (health) {
    case HEALTH_LINKS_DOWN:
        return "No account is connected to Signal, for longer than "
               "health.links_down_after: look at the log for the reason, and at this machine's "
               "network, names and clock. A restart does not help.";
    case HEALTH_STORE_FAILING:
        return "The store cannot be written: make room on its disk, or mend its permissions. "
               "Messages are kept at Signal's server until then.";
    case HEALTH_STORE_HANGS:
        return "A write to the store has not come back for a minute: look at its disk, or at the "
               "network drive that it is on, then restart Doorbell.";
    case HEALTH_WELL:
        break;
    }
    return "All is well.";
}
