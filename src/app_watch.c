#include "app_watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "bridge/alarms.h"
#include "bridge/checkup.h"

/* Whoever reads a status hardly waits longer than LOOK_MS; each look goes over all accounts. */
enum {
    LOOK_MS = 2000,
    PARTS_SIZE = 160,
};

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* Appends what there is room for. */
static void __attribute__((format(printf, 3, 4)))
add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void describe(const struct bridge_counts *counts, enum health health,
                     char text[NOTIFY_STATUS_SIZE])
{
    text[0] = '\0';
    add(text, NOTIFY_STATUS_SIZE, "%zu account%s, %zu linked", counts->accounts,
        plural(counts->accounts), counts->up);
    if (counts->refused)
        add(text, NOTIFY_STATUS_SIZE, ", %zu refused", counts->refused);
    if (counts->contested)
        add(text, NOTIFY_STATUS_SIZE, ", %zu contested", counts->contested);
    if (counts->gone)
        add(text, NOTIFY_STATUS_SIZE, ", %zu endpoint%s gone", counts->gone, plural(counts->gone));
    if (health == HEALTH_LINKS_DOWN)
        add(text, NOTIFY_STATUS_SIZE, ", none connected to Signal");
    if (!health_is_alive(health))
        add(text, NOTIFY_STATUS_SIZE, ", the store cannot be written");
}

/* A store that fails is no reason to be ended: a start would fail, too. */
static bool is_alive(void *arg)
{
    struct app *app = arg;
    return bridge_health(app->bridge) != HEALTH_STORE_HANGS;
}

void app_watch_ready(struct app *app)
{
    char status[NOTIFY_STATUS_SIZE];
    struct bridge_counts counts;
    bridge_count(app->bridge, &counts);
    describe(&counts, bridge_health(app->bridge), status);
    notify_ready(&app->notify, status, is_alive, app);
}

/* Until one is up, whatever else is wrong meanwhile; where none is wanted any more, nothing is to
 * be said of links. */
static void look_at_links(struct app *app, const struct bridge_counts *counts, enum health health)
{
    struct app_watch *watch = &app->watch;
    int64_t now_ms = loop_now_ms(&app->loop), after_ms = app->config->health_links_down_after_ms;
    char time[TEXT_AMOUNT_SIZE];
    if (watch->links_down && (counts->up || counts->connects != watch->connects)) {
        text_amount(time, (now_ms - watch->links_down_ms) / 1000);
        log_info("Accounts are connected to Signal again, after %s.", time);
        watch->links_down = false;
    } else if (health == HEALTH_WELL) {
        watch->links_down = false;
    } else if (health == HEALTH_LINKS_DOWN && !watch->links_down) {
        const char *why = bridge_down_text(app->bridge);
        text_amount(time, after_ms / 1000);
        log_warn("No account has been connected to Signal for %s, so no phone is rung.%s%s", time,
                 *why ? " " : "", why);
        watch->links_down = true;
        watch->links_down_ms = now_ms - after_ms;
    }
    watch->connects = counts->connects;
}

static void look_at_rings(struct app *app, const struct bridge_counts *counts)
{
    struct app_watch *watch = &app->watch;
    char time[TEXT_AMOUNT_SIZE];
    if (!counts->overdue == !watch->held_up)
        return;
    watch->held_up = counts->overdue;
    text_amount(time, bridge_patience_ms(app->config) / 1000);
    if (watch->held_up)
        log_warn("Rings for %zu account%s have been held up for more than %s: \"doorbell status\" "
                 "says by what.",
                 counts->overdue, plural(counts->overdue), time);
    else
        log_info("No ring is held up any more.");
}

static void look_at_store(struct app *app, enum health health)
{
    struct app_watch *watch = &app->watch;
    bool hangs = health == HEALTH_STORE_HANGS;
    if (hangs && !watch->store_hangs)
        log_error("%s", health_advice(health));
    else if (!hangs && watch->store_hangs)
        log_info("The write to the store that hung has come back.");
    watch->store_hangs = hangs;
}

static void on_look(void *arg)
{
    struct app *app = arg;
    char status[NOTIFY_STATUS_SIZE];
    struct bridge_counts counts;
    enum health health = bridge_health(app->bridge);
    bridge_count(app->bridge, &counts);
    look_at_links(app, &counts, health);
    look_at_rings(app, &counts);
    look_at_store(app, health);
    describe(&counts, health, status);
    notify_status(&app->notify, status);
    loop_timer_set(&app->loop, &app->watch.timer, LOOK_MS);
}

/* What needs somebody since before this start, of which no line to come would tell. */
static void say_needy(const struct bridge_counts *counts)
{
    const char *separator = "";
    char parts[PARTS_SIZE] = "";
    const struct {
        size_t count;
        const char *what;
    } troubles[] = {{counts->refused, "refused by Signal"},
                    {counts->gone, "with an endpoint that is gone"},
                    {counts->rejected, "with a push server that rejects its rings"}};
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        if (!troubles[i].count)
            continue;
        add(parts, sizeof parts, "%s%zu %s", separator, troubles[i].count, troubles[i].what);
        separator = ", ";
    }
    size_t needy = counts->refused + counts->gone + counts->rejected;
    if (needy)
        log_warn(
            "%zu account%s cannot be rung and need%s somebody (%s): \"doorbell status\" says what "
            "to do.",
            needy, plural(needy), needy == 1 ? "s" : "", parts);
}

void app_watch_begin(struct app *app)
{
    struct bridge_counts counts;
    bridge_count(app->bridge, &counts);
    log_info("Doorbell " DOORBELL_VERSION " is ready: %zu account%s, store %s.", counts.accounts,
             plural(counts.accounts), app->config->store_path);
    say_needy(&counts);
    app_watch_ready(app);
    timer_init(&app->watch.timer, on_look, app);
    loop_timer_set(&app->loop, &app->watch.timer, LOOK_MS);
}

void app_watch_end(struct app *app)
{
    loop_timer_cancel(&app->loop, &app->watch.timer);
}
