#include "doctor/concern.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAMES_MOST = 5, STATUS_OPENED = 101 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is(const json_t *object, const char *key, const char *text)
{
    return strcmp(text_of(object, key), text) == 0;
}

const char *concern_time(char text[CONCERN_TIME_SIZE], int64_t unix_s)
{
    time_t at = (time_t)unix_s;
    struct tm then;
    snprintf(text, CONCERN_TIME_SIZE, "never");
    if (unix_s && localtime_r(&at, &then))
        strftime(text, CONCERN_TIME_SIZE, "%b %e %H:%M:%S", &then);
    return text;
}

/* Their names */

void concern_add(struct concern *concern, const json_t *account,
                 const uint8_t key[PSEUDONYM_KEY_SIZE])
{
    const char *pseudonym = text_of(account, "pseudonym");
    int64_t owed_since = json_integer_value(json_object_get(account, "owed_since"));
    char name[PSEUDONYM_SIZE];
    if (owed_since && (!concern->owed_since || owed_since < concern->owed_since))
        concern->owed_since = owed_since;
    if (concern->count++ >= NAMES_MOST)
        return;
    log_pseudonym(name, key, pseudonym, strlen(pseudonym));
    concern->used +=
        (size_t)snprintf(concern->list + concern->used, sizeof concern->list - concern->used,
                         "%s%s", concern->used ? ", " : "", name);
}

void concern_names(char names[CONCERN_NAMES_SIZE], const struct concern *concern)
{
    if (concern->count == 1)
        snprintf(names, CONCERN_NAMES_SIZE, "account %.*s", PSEUDONYM_SIZE, concern->list);
    else
        snprintf(names, CONCERN_NAMES_SIZE, "%zu accounts (%.90s%s)", concern->count, concern->list,
                 concern->count > NAMES_MOST ? ", ..." : "");
}

void concern_write(char text[CONCERN_SIZE], const struct concern *concern, const char *what)
{
    char names[CONCERN_NAMES_SIZE], at[CONCERN_TIME_SIZE], owed[64] = "";
    text[0] = '\0';
    if (!concern->count)
        return;
    concern_names(names, concern);
    if (concern->owed_since)
        snprintf(owed, sizeof owed, ", and a ring is owed since %s",
                 concern_time(at, concern->owed_since));
    snprintf(text, CONCERN_SIZE, "; %s %s %s%s", names, concern->count == 1 ? "is" : "are", what,
             owed);
}

/* Their trouble */

static bool is_of_proxy(int status)
{
    return status >= 502 && status <= 504;
}

bool concern_origin_fails(const struct origin_facts *origin)
{
    const struct visit_facts *visit = &origin->visit;
    return visit->end == VISIT_ANSWERED ? is_of_proxy(visit->status) : visit->end != VISIT_NOT_MADE;
}

static bool is_link_well(const json_t *account)
{
    const json_t *link = json_object_get(account, "link");
    bool tries = is(link, "state", "connecting") || is(link, "state", "backing-off");
    return is(link, "state", "up") || (tries && !*text_of(link, "reason"));
}

bool concern_is_of_origin(const json_t *account, const struct origin_facts *origin)
{
    const json_t *endpoint = json_object_get(account, "endpoint");
    int status = (int)json_integer_value(json_object_get(endpoint, "status"));
    if (!concern_origin_fails(origin) || !is(endpoint, "origin", origin->origin) ||
        json_is_true(json_object_get(endpoint, "denied")) || is(account, "health", "off") ||
        is(endpoint, "state", "gone"))
        return false;
    return is(endpoint, "state", "ok") || !status || is_of_proxy(status);
}

static bool opens(const struct visit_facts *visit)
{
    return visit->end == VISIT_ANSWERED && visit->status == STATUS_OPENED;
}

bool concern_signal_fails(const struct signal_facts *signal)
{
    return !opens(&signal->v4) && !opens(&signal->v6);
}

/* What is the account's own (that it was unlinked, that another program has it) is not among them.
 */
bool concern_is_of_signal(const json_t *account, const struct signal_facts *signal)
{
    static const char *const reasons[] = {"unreachable", "lost",          "server_trouble",
                                          "middlebox",   "rate_limited",  "misconfigured",
                                          "untimely",    "client_refused"};
    const json_t *link = json_object_get(account, "link");
    bool tries = is(link, "state", "connecting") || is(link, "state", "backing-off");
    bool is_common = false;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        is_common |= is(link, "reason", reasons[i]);
    return concern_signal_fails(signal) && tries && is_common;
}

static const struct origin_facts *origin_of(const json_t *account, const struct probe_facts *facts)
{
    for (size_t i = 0; i < facts->origin_count; i++)
        if (concern_is_of_origin(account, &facts->origins[i]))
            return &facts->origins[i];
    return NULL;
}

static bool is_endpoint_well(const json_t *account)
{
    const json_t *endpoint = json_object_get(account, "endpoint");
    return is(endpoint, "state", "ok") && !json_is_true(json_object_get(endpoint, "denied"));
}

bool concern_is_told(const json_t *account, const struct probe_facts *facts)
{
    if (!facts)
        return false;
    bool of_signal = concern_is_of_signal(account, &facts->signal);
    bool of_origin = origin_of(account, facts);
    return (of_signal || of_origin) && (of_signal || is_link_well(account)) &&
           (of_origin || is_endpoint_well(account));
}
