#include "alert/lookout.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alert/alert.h"
#include "alert/overheard.h"
#include "alert/post.h"
#include "alert/told.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "bridge/alarms.h"
#include "bridge/arrivals.h"
#include "bridge/checkup.h"
#include "push/skew.h"

enum {
    TITLE_SIZE = 96,
    DATE_SIZE = 32,
    OTHERS_SIZE = 64,
    WHY_SIZE = URL_ORIGIN_SIZE + 64,
    FAILURE_SIZE = 512, /* as much as is told of a post */
};

/* Somebody who waits for 2xx: told once when it fails, once when it works again. */
struct receiver {
    const char *what; /* "Alerts": that which does not reach it */
    struct post *post;
    bool failing;
    int64_t since_unix;     /* while it fails */
    char why[FAILURE_SIZE]; /* it failed last */
};

struct lookout {
    struct lookout_parts parts;
    struct bridge *bridge; /* NULL until it begins */
    struct posts *posts;   /* NULL until there is somebody to tell */
    struct alerts alerts;
    struct told told;
    struct timer look, retry, beat;
    struct receiver alert, heartbeat;
    struct {
        struct post *post;
        lookout_tried_fn *fn; /* NULL: there is none */
        void *arg;
    } trial;
    enum alert_kind tells;         /* what alert.post is about */
    const char *title;             /* of it */
    unsigned failures;             /* of alerts, in a row */
    int64_t certificate_ends_unix; /* 0: there is none */
    bool healthy, was_linked;
    bool had_account;  /* since the start */
    bool was_untimely; /* since the start */
};

static int64_t now_ms(const struct lookout *lookout)
{
    return loop_now_ms(lookout->parts.loop);
}

/* What is bad */

struct round {
    struct lookout *lookout;
    int64_t now_ms;
    struct bridge_alarms alarms;
    bool untimely; /* by our clock no certificate is valid */
};

static void look_at_endpoint(struct round *round, const struct account *account)
{
    const struct endpoint *endpoint = &account->endpoint;
    bool gone = endpoint->state == ENDPOINT_GONE;
    char where[URL_ORIGIN_SIZE];
    /* What was told is over when a push is accepted, not when one fails in another way. */
    if (endpoint->state != ENDPOINT_OK)
        alerts_unsure(&round->lookout->alerts, ALERT_ENDPOINT, account->pseudonym);
    if (!gone && !account->owed_since_unix && !bridge_endpoint_refuses(account))
        return;
    endpoint_origin(endpoint->url, where);
    alerts_bad(&round->lookout->alerts, ALERT_ENDPOINT, account->pseudonym, where,
               gone ? 0 : bridge_patience_ms(round->lookout->parts.config), round->now_ms);
    alerts_because(&round->lookout->alerts, ALERT_ENDPOINT, account->pseudonym,
                   bridge_endpoint_cause(account));
}

/* Where no link is up, and not for this reason alone, that is told (look_at_all) and enough. */
static void look_at_silent(struct round *round, const struct account *account)
{
    const struct bridge_alarms *alarms = &round->alarms;
    if (bridge_is_silent(account) && (alarms->up || alarms->silent == alarms->wanted))
        alerts_bad(&round->lookout->alerts, ALERT_SILENT, account->pseudonym, NULL,
                   round->lookout->parts.config->alert_after_ms, round->now_ms);
}

/* Nobody is rung, and no link shows anything. */
static void look_at_refused(struct round *round, const struct account *account)
{
    struct alerts *alerts = &round->lookout->alerts;
    alerts_bad(alerts, ALERT_REFUSED, account->pseudonym, NULL, 0, round->now_ms);
    alerts_unsure(alerts, ALERT_CONTESTED, account->pseudonym);
    alerts_unsure(alerts, ALERT_SILENT, account->pseudonym);
    alerts_unsure(alerts, ALERT_ENDPOINT, account->pseudonym);
}

/* Only a link that is up shows that it is not refused, only one that stays so that nobody else
 * takes it. */
static void look_at_link(struct round *round, const struct account *account)
{
    struct alerts *alerts = &round->lookout->alerts;
    if (account->state == ACCOUNT_CONTESTED)
        alerts_bad(alerts, ALERT_CONTESTED, account->pseudonym, NULL, 0, round->now_ms);
    else if (account->state != ACCOUNT_UP)
        alerts_unsure(alerts, ALERT_REFUSED, account->pseudonym);
    if (!bridge_is_undisturbed(account))
        alerts_unsure(alerts, ALERT_CONTESTED, account->pseudonym);
}

static void look_at(void *arg, struct account *account)
{
    struct round *round = arg;
    if (account->state == ACCOUNT_DISABLED)
        return;
    if (account->state == ACCOUNT_REFUSED) {
        look_at_refused(round, account);
        return;
    }
    look_at_link(round, account);
    look_at_silent(round, account);
    look_at_endpoint(round, account);
}

/* The pinned roots are good for decades, those of signal.ca_file may not be: there a push
 * server's certificate has to say the same. */
static bool no_certificate_is_valid(const struct lookout_parts *parts,
                                    const struct bridge_alarms *alarms)
{
    size_t untimely = alarms->down_for[LINK_UNTIMELY];
    return untimely && untimely == alarms->wanted &&
           (!parts->config->signal_ca_file || push_skew(parts->push)->untimely);
}

static void look_at_clock(struct round *round)
{
    struct lookout *lookout = round->lookout;
    const struct config *config = lookout->parts.config;
    const struct skew *skew = push_skew(lookout->parts.push);
    struct alerts *alerts = &lookout->alerts;
    char why[WHY_SIZE];
    round->untimely = no_certificate_is_valid(&lookout->parts, &round->alarms);
    lookout->was_untimely |= round->untimely;
    /* A link that is up ends what certificates have shown, and nothing else. */
    if (!skew->judged && !(lookout->was_untimely && round->alarms.up))
        alerts_unknown(alerts, ALERT_CLOCK);
    if (round->untimely)
        snprintf(why, sizeof why, "by it the certificate of Signal's server is not valid");
    else if (skew->origin[0])
        snprintf(why, sizeof why, "it is more than five minutes from that of %s", skew->origin);
    else
        return;
    /* Whichever push server answers first after a start may be the one that is wrong: others have
     * the time to say so. */
    alerts_bad(alerts, ALERT_CLOCK, "", why,
               round->untimely ? config->health_links_down_after_ms : config->alert_after_ms,
               round->now_ms);
}

static enum alert_unlinked why_unlinked(const struct lookout *lookout)
{
    static const enum alert_unlinked by_visit[] = {[ARRIVAL_NO_VISIT] = UNLINKED_NOBODY_CAME,
                                                   [ARRIVAL_ELSEWHERE] = UNLINKED_ELSEWHERE,
                                                   [ARRIVAL_MISLED] = UNLINKED_MISLED,
                                                   [ARRIVAL_AT_PAGE] = UNLINKED_AT_PAGE};
    const struct arrivals *arrivals = bridge_arrivals(lookout->bridge);
    if (arrivals_refused(arrivals, clock_unix()))
        return UNLINKED_REFUSED;
    return lookout->parts.config->web_enabled ? by_visit[arrivals->best] : UNLINKED_BY_HAND;
}

/* Who takes his last account away knows it, also where nobody is to be told yet. */
static void look_for_accounts(struct lookout *lookout)
{
    lookout->had_account |= registry_count(bridge_registry(lookout->bridge)) > 0;
}

static void look_at_nobody(struct round *round)
{
    struct lookout *lookout = round->lookout;
    if (lookout->had_account)
        return;
    alerts_bad(&lookout->alerts, ALERT_UNLINKED, "", NULL,
               lookout->parts.config->alert_unlinked_after_ms, round->now_ms);
    alerts_because(&lookout->alerts, ALERT_UNLINKED, "", why_unlinked(lookout));
}

static bool certificate_ends_soon(const struct lookout *lookout)
{
    int64_t ends_unix = lookout->certificate_ends_unix;
    int64_t within_s = lookout->parts.config->alert_certificate_within_ms / 1000;
    return ends_unix && ends_unix - clock_unix() <= within_s;
}

static void look_at_certificate(struct round *round)
{
    const struct lookout *lookout = round->lookout;
    time_t ends = (time_t)lookout->certificate_ends_unix;
    struct tm date;
    char text[DATE_SIZE];
    if (!certificate_ends_soon(lookout))
        return;
    if (!gmtime_r(&ends, &date) || !strftime(text, sizeof text, "%Y-%m-%d", &date))
        text[0] = '\0';
    alerts_bad(&round->lookout->alerts, ALERT_CERTIFICATE, "", *text ? text : NULL, 0,
               round->now_ms);
}

/* What keeps most links down; 0: nothing that is known. */
static unsigned why_down(const struct bridge_alarms *alarms)
{
    size_t most = 0;
    unsigned cause = 0;
    for (unsigned reason = 0; reason < LINK_REASONS; reason++) {
        if (alarms->down_for[reason] <= most)
            continue;
        most = alarms->down_for[reason];
        cause = ALERT_CAUSE_OF_LINK(reason);
    }
    return cause;
}

/* Those who are in stay in. */
static void look_at_alike(struct round *round)
{
    char others[OTHERS_SIZE];
    size_t up = round->alarms.up;
    snprintf(others, sizeof others,
             up == 1 ? "%zu other is still connected" : "%zu others are still connected", up);
    alerts_bad(&round->lookout->alerts, ALERT_ALIKE, "", up ? others : NULL, 0, round->now_ms);
    alerts_because(&round->lookout->alerts, ALERT_ALIKE, "", why_down(&round->alarms));
}

/* Where it is known why no link is up, that is told and enough. What keeps links down is over when
 * one is up, or none is to be: until then another reason may only have taken its place. */
static void look_at_all(struct round *round, enum health health)
{
    struct alerts *alerts = &round->lookout->alerts;
    const struct bridge_alarms *alarms = &round->alarms;
    size_t client_refused = alarms->down_for[LINK_CLIENT_REFUSED];
    bool known = round->untimely || alarms->refused_alike || client_refused == alarms->wanted ||
                 alarms->silent == alarms->wanted;
    if (alarms->up == 0 && alarms->served) {
        alerts_unknown(alerts, ALERT_SILENT);
        alerts_unknown(alerts, ALERT_CLIENT);
        alerts_unknown(alerts, ALERT_ALIKE);
        alerts_unknown(alerts, ALERT_LINKS);
    }
    if (client_refused)
        alerts_bad(alerts, ALERT_CLIENT, "", NULL, 0, round->now_ms);
    if (alarms->refused_alike)
        look_at_alike(round);
    if (health == HEALTH_LINKS_DOWN && alarms->up == 0 && !known) { /* health is of a while ago */
        alerts_bad(alerts, ALERT_LINKS, "", NULL, 0, round->now_ms);
        alerts_because(alerts, ALERT_LINKS, "", why_down(alarms));
    }
    if (!health_is_alive(health)) {
        alerts_bad(alerts, ALERT_STORE, "",
                   health == HEALTH_STORE_HANGS ? "a write has not come back for a minute" : NULL,
                   0, round->now_ms);
        alerts_unknown(alerts, ALERT_LINKS); /* that it is worse is all that health says */
    }
}

/* Telling */

/* Whether that is news. */
static bool note_delivery(struct receiver *receiver, bool taken, const char *why)
{
    bool news = taken == receiver->failing;
    snprintf(receiver->why, sizeof receiver->why, "%s", taken ? "" : why);
    if (news)
        receiver->since_unix = taken ? 0 : clock_unix();
    receiver->failing = !taken;
    return news;
}

static void say_delivery(struct receiver *receiver, const char *url, bool taken, const char *why)
{
    char origin[URL_ORIGIN_SIZE];
    if (!note_delivery(receiver, taken, why))
        return;
    endpoint_origin(url, origin);
    if (taken)
        log_info("%s reach %s again.", receiver->what, origin);
    else
        log_warn("%s do not reach %s: %s. They are tried again until they do.", receiver->what,
                 origin, why);
}

static char *write_json(const struct alert_message *message, const char *kind)
{
    json_t *json = json_pack("{s:s+, s:s, s:s, s:s, s:I}", "title", "Doorbell: ", message->title,
                             "text", message->text, "kind", kind, "state",
                             message->bad ? "bad" : "well", "count", (json_int_t)message->count);
    char *text = json_dumps(json, 0);
    json_decref(json);
    return text;
}

static struct post *post_message(struct lookout *lookout, const struct alert_message *message,
                                 const char *kind, post_fn *fn)
{
    /* What ntfy shows around the text; others ignore it. */
    char title[TITLE_SIZE];
    snprintf(title, sizeof title, "Title: Doorbell: %s", message->title);
    const char *const text[] = {"Content-Type: text/plain; charset=utf-8", title,
                                message->bad ? "Priority: high" : "Priority: default",
                                message->bad ? "Tags: warning" : "Tags: white_check_mark", NULL};
    const char *const json[] = {"Content-Type: application/json", NULL};
    const struct config *config = lookout->parts.config;
    bool as_json = config->alert_format == ALERT_FORMAT_JSON;
    char *body = as_json ? write_json(message, kind) : mem_text(message->text);
    struct post_request request = {.url = config->alert_url,
                                   .body = body,
                                   .token = config->alert_token,
                                   .headers = as_json ? json : text,
                                   .connect_ms = config->push_connect_timeout_ms,
                                   .total_ms = config->push_timeout_ms};
    struct post *post = body ? post_start(lookout->posts, &request, fn, lookout) : NULL;
    free(body);
    return post;
}

static void on_delivered(void *arg, bool taken, const char *why);

static bool start_post(struct lookout *lookout, const struct alert_message *message)
{
    lookout->tells = message->kind;
    lookout->title = message->title;
    lookout->alert.post =
        post_message(lookout, message, alert_kind_name(message->kind), on_delivered);
    return lookout->alert.post;
}

static void try_later(struct lookout *lookout)
{
    const struct config *config = lookout->parts.config;
    int64_t wait_ms = backoff_ceiling_ms(config->alert_retry_min_ms, config->alert_retry_max_ms,
                                         lookout->failures++);
    alerts_failed(&lookout->alerts, lookout->tells);
    loop_timer_set(lookout->parts.loop, &lookout->retry,
                   backoff_jitter_ms(wait_ms / 2, wait_ms, random_u32()));
}

/* One after the other; while one waits to be tried again, the others wait, too. */
static void tell(struct lookout *lookout)
{
    struct alert_message message;
    if (!lookout->parts.config->alert_url || lookout->alert.post || timer_is_set(&lookout->retry))
        return;
    if (!alerts_next(&lookout->alerts, &message, now_ms(lookout)) || start_post(lookout, &message))
        return;
    say_delivery(&lookout->alert, lookout->parts.config->alert_url, false,
                 "libcurl takes no further request");
    try_later(lookout);
}

static void on_delivered(void *arg, bool taken, const char *why)
{
    struct lookout *lookout = arg;
    lookout->alert.post = NULL;
    say_delivery(&lookout->alert, lookout->parts.config->alert_url, taken, why);
    if (!taken) {
        try_later(lookout);
        return;
    }
    lookout->failures = 0;
    log_info("The operator was told: %s.", lookout->title);
    alerts_taken(&lookout->alerts, lookout->tells, now_ms(lookout));
    if (!alerts_stands(&lookout->alerts, lookout->tells))
        told_all_over(&lookout->told, lookout->tells);
    tell(lookout);
}

static void on_told(void *arg, enum alert_kind kind, const char *subject, bool bad)
{
    struct lookout *lookout = arg;
    told_keep(&lookout->told, kind, subject, bad);
}

static void on_retry(void *arg)
{
    tell(arg);
}

/* On trial */

static void end_trial(struct lookout *lookout, bool taken, const char *why)
{
    lookout_tried_fn *fn = lookout->trial.fn;
    lookout->trial.fn = NULL;
    lookout->trial.post = NULL;
    if (fn)
        fn(lookout->trial.arg, taken, why);
}

/* Whoever tries is told by word; what it shows holds for alerts as well. */
static void on_tried(void *arg, bool taken, const char *why)
{
    struct lookout *lookout = arg;
    note_delivery(&lookout->alert, taken, why);
    end_trial(arg, taken, why);
}

int lookout_try(struct lookout *lookout, lookout_tried_fn *fn, void *arg, struct err *err)
{
    static const struct alert_message message = {
        .title = "this is where alerts go",
        .text = "A trial: when something needs you, Doorbell says so here, and when it is over."};
    if (!lookout->parts.config->alert_url)
        return err_set(err, ERR_NOT_FOUND, "alert.url is not set.");
    if (lookout->trial.fn)
        return err_set(err, ERR_BUSY, "An alert is being tried already.");
    lookout->trial.post = post_message(lookout, &message, "trial", on_tried);
    if (!lookout->trial.post)
        return err_set(err, ERR_IO, "libcurl takes no further request.");
    lookout->trial.fn = fn;
    lookout->trial.arg = arg;
    return 0;
}

/* Heartbeat */

static void on_beat_answered(void *arg, bool taken, const char *why)
{
    struct lookout *lookout = arg;
    lookout->heartbeat.post = NULL;
    say_delivery(&lookout->heartbeat, lookout->parts.config->alert_heartbeat_url, taken, why);
}

static void on_beat(void *arg)
{
    struct lookout *lookout = arg;
    const struct config *config = lookout->parts.config;
    if (!lookout->healthy)
        return;
    loop_timer_set(lookout->parts.loop, &lookout->beat, config->alert_heartbeat_interval_ms);
    if (lookout->heartbeat.post)
        return;
    struct post_request request = {.url = config->alert_heartbeat_url,
                                   .connect_ms = config->push_connect_timeout_ms,
                                   .total_ms = config->push_timeout_ms};
    lookout->heartbeat.post = post_start(lookout->posts, &request, on_beat_answered, lookout);
    if (!lookout->heartbeat.post)
        say_delivery(&lookout->heartbeat, request.url, false, "libcurl takes no further request");
}

/* A start alone shows nothing: a process that dies again and again would look well. */
static bool is_healthy(struct lookout *lookout, const struct bridge_alarms *alarms,
                       enum health health)
{
    lookout->was_linked |= alarms->up > 0 || alarms->wanted == 0;
    return lookout->was_linked && health == HEALTH_WELL;
}

static void keep_beating(struct lookout *lookout, const struct bridge_alarms *alarms,
                         enum health health)
{
    lookout->healthy = is_healthy(lookout, alarms, health);
    bool wanted = lookout->healthy && lookout->parts.config->alert_heartbeat_url;
    if (!wanted)
        loop_timer_cancel(lookout->parts.loop, &lookout->beat);
    else if (!timer_is_set(&lookout->beat))
        on_beat(lookout);
}

/* Life */

static void on_look(void *arg)
{
    struct lookout *lookout = arg;
    const struct config *config = lookout->parts.config;
    struct round round = {.lookout = lookout, .now_ms = now_ms(lookout)};
    bridge_alarms(lookout->bridge, &round.alarms);
    enum health health = bridge_health(lookout->bridge);
    look_for_accounts(lookout);
    if (config->alert_url) {
        alerts_look(&lookout->alerts);
        registry_each(bridge_registry(lookout->bridge), look_at, &round);
        look_at_nobody(&round);
        look_at_clock(&round);
        look_at_certificate(&round);
        look_at_all(&round, health);
        alerts_looked(&lookout->alerts, round.now_ms);
        tell(lookout);
    }
    keep_beating(lookout, &round.alarms, health);
    loop_timer_set(lookout->parts.loop, &lookout->look, config->alert_interval_ms);
}

static bool is_wanted(const struct config *config)
{
    return config->alert_url || config->alert_heartbeat_url;
}

static int make_posts(struct lookout *lookout, const struct config *config, struct err *err)
{
    if (lookout->posts)
        return posts_reload(lookout->posts, config, err);
    lookout->posts = posts_new(lookout->parts.loop, lookout->parts.resolver, config, err);
    return lookout->posts ? 0 : err->code;
}

static void warn_of_listeners(const struct config *config)
{
    char text[OVERHEARD_SIZE];
    if (alert_is_overheard(config, text))
        log_warn("%s. " OVERHEARD_ADVICE, text);
}

static struct alert_timing timing_of(const struct config *config)
{
    return (struct alert_timing){.every_ms = config->alert_every_ms,
                                 .settle_ms = config->alert_after_ms};
}

struct lookout *lookout_new(const struct lookout_parts *parts, struct err *err)
{
    struct lookout *lookout = mem_new(sizeof *lookout);
    const struct alert_timing timing = timing_of(parts->config);
    lookout->parts = *parts;
    lookout->alert.what = "Alerts";
    lookout->heartbeat.what = "Heartbeats";
    alerts_init(&lookout->alerts, &timing, loop_now_ms(parts->loop));
    alerts_listen(&lookout->alerts, on_told, lookout);
    timer_init(&lookout->look, on_look, lookout);
    timer_init(&lookout->retry, on_retry, lookout);
    timer_init(&lookout->beat, on_beat, lookout);
    warn_of_listeners(parts->config);
    if (told_read(&lookout->told, parts->store, parts->config->alert_url, &lookout->alerts, err) ==
            0 &&
        (!is_wanted(parts->config) || make_posts(lookout, parts->config, err) == 0))
        return lookout;
    lookout_free(lookout);
    return NULL;
}

void lookout_certificate(struct lookout *lookout, int64_t ends_unix)
{
    lookout->certificate_ends_unix = ends_unix;
}

void lookout_figures(const struct lookout *lookout, struct lookout_figures *figures)
{
    const struct skew *skew = push_skew(lookout->parts.push);
    struct bridge_alarms alarms;
    bridge_alarms(lookout->bridge, &alarms);
    bool untimely = no_certificate_is_valid(&lookout->parts, &alarms);
    *figures = (struct lookout_figures){.alerts_failing = lookout->alert.failing,
                                        .clock_wrong = skew->origin[0] || untimely,
                                        .certificate_ends_unix = lookout->certificate_ends_unix,
                                        .certificate_ends_soon = certificate_ends_soon(lookout)};
}

void lookout_delivery(const struct lookout *lookout, enum lookout_receiver which,
                      struct lookout_delivery *delivery)
{
    const struct config *config = lookout->parts.config;
    bool alerts = which == LOOKOUT_ALERTS;
    const struct receiver *receiver = alerts ? &lookout->alert : &lookout->heartbeat;
    *delivery =
        (struct lookout_delivery){.url = alerts ? config->alert_url : config->alert_heartbeat_url,
                                  .since_unix = receiver->since_unix,
                                  .why = receiver->why};
}

void lookout_begin(struct lookout *lookout, struct bridge *bridge)
{
    lookout->bridge = bridge;
    look_for_accounts(lookout);
    if (is_wanted(lookout->parts.config))
        on_look(lookout);
}

/* Whom it is sent to may be another one now. */
static void forget_posts(struct lookout *lookout)
{
    if (lookout->alert.post) {
        post_cancel(lookout->alert.post);
        alerts_failed(&lookout->alerts, lookout->tells);
    }
    if (lookout->heartbeat.post)
        post_cancel(lookout->heartbeat.post);
    lookout->alert.post = lookout->heartbeat.post = NULL;
    if (lookout->trial.post)
        post_cancel(lookout->trial.post);
    end_trial(lookout, false, "the server stopped, or loaded its configuration again");
    loop_timer_cancel(lookout->parts.loop, &lookout->look);
    loop_timer_cancel(lookout->parts.loop, &lookout->retry);
    loop_timer_cancel(lookout->parts.loop, &lookout->beat);
}

static void forget_delivery(struct receiver *receiver)
{
    receiver->failing = false;
    receiver->since_unix = 0;
}

int lookout_reload(struct lookout *lookout, const struct config *config, struct err *err)
{
    struct err why = {0};
    const struct alert_timing timing = timing_of(config);
    if (is_wanted(config) && make_posts(lookout, config, err ? err : &why) != 0)
        return err ? err->code : why.code;
    forget_posts(lookout);
    look_for_accounts(lookout);
    told_turn_to(&lookout->told, config->alert_url, &lookout->alerts);
    lookout->parts.config = config;
    lookout->failures = 0;
    forget_delivery(&lookout->alert);
    forget_delivery(&lookout->heartbeat);
    alerts_retime(&lookout->alerts, &timing);
    warn_of_listeners(config);
    if (is_wanted(config))
        on_look(lookout);
    return 0;
}

void lookout_free(struct lookout *lookout)
{
    if (!lookout)
        return;
    forget_posts(lookout);
    told_fini(&lookout->told);
    posts_free(lookout->posts);
    alerts_fini(&lookout->alerts);
    free(lookout);
}
