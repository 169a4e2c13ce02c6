#include "web/admin_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"

struct pending {
    struct list place;
    struct admin_sessions *sessions; /* NULL: the status page has gone */
    struct exchange *exchange;       /* NULL: the browser has gone */
    uint8_t id_hash[ADMIN_HASH_SIZE];
    struct admin_test test;
    unsigned expected, come;
};

void admin_tests_init(struct admin_tests *tests, struct bridge *bridge,
                      struct admin_sessions *sessions)
{
    tests->bridge = bridge;
    tests->sessions = sessions;
    list_init(&tests->pending);
}

void admin_tests_fini(struct admin_tests *tests)
{
    list_each_safe(place, &tests->pending) {
        list_owner(place, struct pending, place)->sessions = NULL;
        list_remove(place);
    }
}

static void forget(void *waiting)
{
    struct pending *pending = waiting;
    pending->exchange = NULL;
}

/* Where the session still is: another one may have taken its place. */
static void keep(const struct pending *pending)
{
    for (size_t i = 0; pending->sessions && i < ADMIN_SESSIONS_MAX; i++) {
        struct admin_session *session = &pending->sessions->all[i];
        if (memcmp(session->id_hash, pending->id_hash, ADMIN_HASH_SIZE) == 0)
            session->test = pending->test;
    }
}

static void finish(struct pending *pending)
{
    struct exchange *exchange = pending->exchange;
    pending->test.at_unix = clock_unix();
    keep(pending);
    if (exchange) {
        char location[64];
        snprintf(location, sizeof location, "./?q=%s#result", pending->test.pseudonym);
        exchange->waiting = NULL;
        response_see_other(&exchange->response, location);
        exchange->answered(exchange);
    }
    list_remove(&pending->place);
    free(pending);
}

static void on_verdict(void *arg, const struct verdict *verdict)
{
    struct pending *pending = arg;
    struct admin_test *test = &pending->test;
    if (test->count < ADMIN_TESTED_MAX) {
        test->answers[test->count].accepted = verdict->kind == VERDICT_ACCEPTED;
        snprintf(test->answers[test->count++].text, VERDICT_TEXT_SIZE, "%s", verdict->text);
    }
    if (++pending->come == pending->expected)
        finish(pending);
}

struct naming {
    const char *pseudonym;
    const struct account *found;
    bool several;
};

static void look_at_name(void *arg, struct account *account)
{
    struct naming *naming = arg;
    if (strcmp(account->pseudonym, naming->pseudonym) != 0)
        return;
    if (naming->found &&
        memcmp(naming->found->key.uuid, account->key.uuid, sizeof account->key.uuid) != 0)
        naming->several = true;
    naming->found = account;
}

int admin_tests_begin(struct admin_tests *tests, const struct admin_session *session,
                      const char *pseudonym, struct exchange *exchange)
{
    struct naming naming = {.pseudonym = pseudonym};
    char uuid[UUID_TEXT_SIZE];
    struct err err;
    registry_each(bridge_registry(tests->bridge), look_at_name, &naming);
    if (!naming.found || naming.several)
        return ERR_NOT_FOUND;
    uuid_format(uuid, naming.found->key.uuid);
    struct pending *pending = mem_new(sizeof *pending);
    memcpy(pending->id_hash, session->id_hash, ADMIN_HASH_SIZE);
    memcpy(pending->test.pseudonym, naming.found->pseudonym, PSEUDONYM_SIZE);
    int result = bridge_ping(tests->bridge, uuid, on_verdict, pending, &pending->expected, &err);
    if (result != 0) {
        free(pending);
        return result;
    }
    log_info("Account %s: the status page asked for a test push.", pending->test.pseudonym);
    pending->sessions = tests->sessions;
    pending->exchange = exchange;
    list_append(&tests->pending, &pending->place);
    exchange->waiting = pending;
    exchange->forget = forget;
    return 0;
}
