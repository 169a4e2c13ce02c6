#include "alert/alert.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { CHANGES_BURST = 4 /* two beginnings and two ends */ };

enum saying { SAYS_NOTHING, SAYS_BAD, SAYS_WELL };

struct trouble {
    struct map_node by_name;
    struct list node; /* in its topic */
    enum alert_kind kind;
    char subject[PSEUDONYM_SIZE];
    char *where;
    unsigned cause;
    int64_t since_ms, ended_ms;
    uint64_t look; /* the last that found it bad, or could not say */
    bool seen;     /* some look found it bad */
    bool bad;
    bool due;           /* it lasted long enough to be told */
    bool told;          /* the operator believes that it is bad */
    enum saying saying; /* in the message that is under way */
};

static struct trouble *trouble_of(struct list *node)
{
    return list_owner(node, struct trouble, node);
}

/* The table */

struct trouble_name {
    enum alert_kind kind;
    char subject[PSEUDONYM_SIZE];
};

static void name_set(struct trouble_name *name, enum alert_kind kind, const char *subject)
{
    memset(name, 0, sizeof *name); /* it is hashed with its padding */
    name->kind = kind;
    strncpy(name->subject, subject, sizeof name->subject - 1);
}

static bool has_name(const struct map_node *node, const void *key)
{
    const struct trouble *trouble = map_owner(node, struct trouble, by_name);
    const struct trouble_name *name = key;
    return trouble->kind == name->kind && strcmp(trouble->subject, name->subject) == 0;
}

static struct trouble *find(struct alerts *alerts, const struct trouble_name *name)
{
    struct map_node *node =
        map_find(&alerts->map, map_hash(&alerts->map, name, sizeof *name), has_name, name);
    return node ? map_owner(node, struct trouble, by_name) : NULL;
}

static struct trouble *add(struct alerts *alerts, const struct trouble_name *name, int64_t now_ms)
{
    struct trouble *trouble = mem_new(sizeof *trouble);
    trouble->kind = name->kind;
    memcpy(trouble->subject, name->subject, sizeof trouble->subject);
    trouble->since_ms = now_ms;
    list_init(&trouble->node);
    list_append(&alerts->topics[name->kind].troubles, &trouble->node);
    map_add(&alerts->map, &trouble->by_name, map_hash(&alerts->map, name, sizeof *name));
    return trouble;
}

static void forget(struct alerts *alerts, struct trouble *trouble)
{
    map_remove(&alerts->map, &trouble->by_name);
    list_remove(&trouble->node);
    free(trouble->where);
    free(trouble);
}

void alerts_init(struct alerts *alerts, const struct alert_timing *timing, int64_t now_ms)
{
    *alerts = (struct alerts){.timing = *timing, .begun_ms = now_ms};
    map_init(&alerts->map);
    for (size_t i = 0; i < ALERT_KINDS; i++) {
        list_init(&alerts->topics[i].troubles);
        bucket_init(&alerts->topics[i].changes, timing->every_ms, CHANGES_BURST);
    }
}

void alerts_listen(struct alerts *alerts, alerts_told_fn *told, void *arg)
{
    alerts->told = told;
    alerts->told_arg = arg;
}

void alerts_fini(struct alerts *alerts)
{
    for (size_t i = 0; i < ALERT_KINDS; i++)
        list_each_safe(node, &alerts->topics[i].troubles)
            forget(alerts, trouble_of(node));
    map_fini(&alerts->map);
}

void alerts_retime(struct alerts *alerts, const struct alert_timing *timing)
{
    alerts->timing = *timing;
    for (size_t i = 0; i < ALERT_KINDS; i++)
        alerts->topics[i].changes.every_ms = timing->every_ms;
}

/* What was told before a restart */

static bool is_stored(enum alert_kind kind)
{
    return kind == ALERT_REFUSED || kind == ALERT_ENDPOINT;
}

void alerts_inherit(struct alerts *alerts, enum alert_kind kind, const char *subject)
{
    struct trouble_name name;
    name_set(&name, kind, subject);
    struct trouble *trouble = find(alerts, &name);
    if (!trouble)
        trouble = add(alerts, &name, alerts->begun_ms);
    trouble->bad = trouble->due = trouble->told = true;
    alerts->topics[kind].inherited = true;
    /* What nobody could be told of any more waits for no summary. */
    alerts->topics[kind].told_ms = alerts->begun_ms - alerts->timing.every_ms;
}

static bool settles(const struct alerts *alerts, int64_t now_ms)
{
    return now_ms - alerts->begun_ms < alerts->timing.settle_ms;
}

/* Looks */

void alerts_look(struct alerts *alerts)
{
    alerts->look++;
    for (size_t i = 0; i < ALERT_KINDS; i++)
        alerts->topics[i].unknown = false;
}

static void set_where(struct trouble *trouble, const char *where)
{
    if (trouble->where && where && strcmp(trouble->where, where) == 0)
        return;
    free(trouble->where);
    trouble->where = mem_text(where);
}

void alerts_bad(struct alerts *alerts, enum alert_kind kind, const char *subject, const char *where,
                int64_t after_ms, int64_t now_ms)
{
    struct trouble_name name;
    name_set(&name, kind, subject);
    struct trouble *trouble = find(alerts, &name);
    if (!trouble)
        trouble = add(alerts, &name, now_ms);
    trouble->bad = trouble->seen = true;
    trouble->look = alerts->look;
    trouble->due |= trouble->told || now_ms - trouble->since_ms >= after_ms;
    set_where(trouble, where);
}

void alerts_because(struct alerts *alerts, enum alert_kind kind, const char *subject,
                    unsigned cause)
{
    struct trouble_name name;
    name_set(&name, kind, subject);
    struct trouble *trouble = find(alerts, &name);
    if (trouble)
        trouble->cause = cause;
}

void alerts_unsure(struct alerts *alerts, enum alert_kind kind, const char *subject)
{
    struct trouble_name name;
    name_set(&name, kind, subject);
    struct trouble *trouble = find(alerts, &name);
    if (trouble)
        trouble->look = alerts->look;
}

void alerts_unknown(struct alerts *alerts, enum alert_kind kind)
{
    alerts->topics[kind].unknown = true;
}

static void forget_if_done(struct alerts *alerts, struct trouble *trouble)
{
    bool news = trouble->told || trouble->due;
    if (!trouble->bad && !news && trouble->saying == SAYS_NOTHING)
        forget(alerts, trouble);
}

static void end(struct alerts *alerts, struct trouble *trouble, int64_t now_ms)
{
    if (trouble->bad)
        trouble->ended_ms = now_ms;
    trouble->bad = false;
    forget_if_done(alerts, trouble);
}

void alerts_looked(struct alerts *alerts, int64_t now_ms)
{
    for (enum alert_kind kind = 0; kind < ALERT_KINDS; kind++) {
        struct alert_topic *topic = &alerts->topics[kind];
        if (topic->unknown || (topic->inherited && !is_stored(kind) && settles(alerts, now_ms)))
            continue;
        topic->inherited = false;
        list_each_safe(node, &topic->troubles) {
            struct trouble *trouble = trouble_of(node);
            if (trouble->look != alerts->look)
                end(alerts, trouble, now_ms);
        }
    }
}

/* Messages */

static bool is_fresh(const struct trouble *trouble)
{
    return trouble->bad && trouble->due && !trouble->told;
}

static bool is_well(const struct trouble *trouble)
{
    return !trouble->bad && (trouble->due || trouble->told);
}

static size_t count_news(const struct alert_topic *topic, struct alert_news *news)
{
    size_t standing = 0;
    list_each(node, &topic->troubles) {
        const struct trouble *trouble = trouble_of(node);
        standing += trouble->told;
        news->fresh += is_fresh(trouble);
        news->back += is_well(trouble) && trouble->told;
        news->over += is_well(trouble) && !trouble->told;
        news->bad += trouble->bad && trouble->due;
    }
    return standing;
}

/* It begins or ends, or it is time for a summary. */
static bool is_time(struct alert_topic *topic, const struct alert_news *news, size_t standing,
                    int64_t every_ms, int64_t now_ms)
{
    if (news->fresh + news->back + news->over == 0)
        return false;
    if (standing == 0 || news->bad == 0)
        return bucket_next_ms(&topic->changes, now_ms) <= now_ms;
    return now_ms - topic->told_ms >= every_ms;
}

static void name(struct alert_news *news, const struct trouble *trouble, int64_t now_ms)
{
    int64_t lasted_ms = (trouble->bad ? now_ms : trouble->ended_ms) - trouble->since_ms;
    const char *where = trouble->where;
    if (lasted_ms > news->lasted_ms)
        news->lasted_ms = lasted_ms;
    bool same = where && news->where && strcmp(where, news->where) == 0;
    if (news->named == 0 || same)
        news->where = where;
    else
        news->where = NULL;
    bool alike = news->named == 0 || trouble->cause == news->cause;
    news->cause = alike ? trouble->cause : 0;
    if (news->named < ALERT_NAMES)
        news->names[news->named++] = trouble->subject;
}

/* Those that the sentence is about are named; all that are new are in it. */
static void gather(struct alert_topic *topic, struct alert_news *news, int64_t now_ms)
{
    list_each(node, &topic->troubles) {
        struct trouble *trouble = trouble_of(node);
        bool fresh = is_fresh(trouble), well = is_well(trouble);
        if (fresh || (well && news->fresh == 0))
            name(news, trouble, now_ms);
        trouble->saying = fresh ? SAYS_BAD : well ? SAYS_WELL : SAYS_NOTHING;
    }
}

bool alerts_next(struct alerts *alerts, struct alert_message *message, int64_t now_ms)
{
    for (enum alert_kind kind = 0; kind < ALERT_KINDS; kind++) {
        struct alert_topic *topic = &alerts->topics[kind];
        struct alert_news news = {.kind = kind};
        size_t standing = count_news(topic, &news);
        if (!is_time(topic, &news, standing, alerts->timing.every_ms, now_ms))
            continue;
        gather(topic, &news, now_ms);
        words_write(&news, message);
        return true;
    }
    return false;
}

static void take(struct alerts *alerts, struct trouble *trouble)
{
    if (trouble->saying == SAYS_NOTHING)
        return;
    bool was_told = trouble->told;
    trouble->told = trouble->saying == SAYS_BAD;
    if (alerts->told && trouble->told != was_told)
        alerts->told(alerts->told_arg, trouble->kind, trouble->subject, trouble->told);
    if (trouble->saying == SAYS_WELL)
        trouble->due = trouble->bad; /* again, meanwhile */
    trouble->saying = SAYS_NOTHING;
}

void alerts_taken(struct alerts *alerts, enum alert_kind kind, int64_t now_ms)
{
    struct alert_topic *topic = &alerts->topics[kind];
    bool stood = alerts_stands(alerts, kind);
    list_each_safe(node, &topic->troubles) {
        struct trouble *trouble = trouble_of(node);
        take(alerts, trouble);
        forget_if_done(alerts, trouble);
    }
    if (!stood || !alerts_stands(alerts, kind))
        bucket_take(&topic->changes, now_ms);
    topic->told_ms = now_ms;
}

void alerts_failed(struct alerts *alerts, enum alert_kind kind)
{
    list_each_safe(node, &alerts->topics[kind].troubles) {
        struct trouble *trouble = trouble_of(node);
        trouble->saying = SAYS_NOTHING;
        forget_if_done(alerts, trouble);
    }
}

void alerts_tell_anew(struct alerts *alerts)
{
    for (size_t i = 0; i < ALERT_KINDS; i++) {
        struct alert_topic *topic = &alerts->topics[i];
        bucket_init(&topic->changes, alerts->timing.every_ms, CHANGES_BURST);
        list_each_safe(node, &topic->troubles) {
            struct trouble *trouble = trouble_of(node);
            if (trouble->told && alerts->told)
                alerts->told(alerts->told_arg, trouble->kind, trouble->subject, false);
            trouble->told = false;
            if (!trouble->seen) /* only somebody else was told of it */
                forget(alerts, trouble);
        }
    }
}

bool alerts_stands(const struct alerts *alerts, enum alert_kind kind)
{
    list_each(node, &alerts->topics[kind].troubles)
        if (trouble_of(node)->told)
            return true;
    return false;
}
