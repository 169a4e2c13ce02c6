#include "bridge/figures.h"

#include "base/clock.h"
#include "bridge/alarms.h"
#include "bridge/bell.h"
#include "bridge/checkup.h"

struct survey {
    struct bridge_figures *figures;
    int64_t now_ms, now_unix, patience_ms;
};

/* A debt on disk is older than this process where nothing in memory tells of its message. */
static int64_t owed_for_ms(const struct account *account, const struct survey *survey)
{
    int64_t since_ms = record_waits_since_ms(&account->record);
    if (since_ms)
        return survey->now_ms - since_ms;
    int64_t since_unix = account->owed_since_unix;
    return since_unix && since_unix < survey->now_unix ? (survey->now_unix - since_unix) * 1000 : 0;
}

static void look_at(void *arg, struct account *account)
{
    const struct survey *survey = arg;
    struct bridge_figures *figures = survey->figures;
    figures->accounts[account->state]++;
    figures->endpoints[account->endpoint.state]++;
    int64_t rung_unix = account->record.rung_unix;
    figures->rung += rung_unix && (survey->now_unix - rung_unix) * 1000 <= survey->patience_ms;
    /* What the settings disable is not rung before they allow it again. */
    if (account->state == ACCOUNT_DISABLED || !account->owner || !bell_owes(account->owner))
        return;
    figures->owed++;
    int64_t owed_ms = owed_for_ms(account, survey);
    figures->late += bridge_is_late(account);
    if (owed_ms > figures->oldest_owed_ms)
        figures->oldest_owed_ms = owed_ms;
}

void bridge_figures(struct bridge *bridge, struct bridge_figures *figures)
{
    struct survey survey = {.figures = figures,
                            .now_ms = bridge_now_ms(bridge),
                            .now_unix = clock_unix(),
                            .patience_ms = bridge_patience_ms(bridge->config)};
    int64_t heard_unix = bridge->heard_unix ? bridge->heard_unix : bridge->started_unix;
    *figures = (struct bridge_figures){.started_unix = bridge->started_unix,
                                       .store_failing = bridge_store_health(bridge) != HEALTH_WELL,
                                       .connects = bridge->connects,
                                       .reconnections = bridge->reconnections,
                                       .tally = &bridge->tally};
    if (survey.now_unix > heard_unix)
        figures->silent_s = survey.now_unix - heard_unix;
    registry_each(&bridge->registry, look_at, &survey);
}
