#include "web/admin_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct pending {
    struct list place;
    struct admin_sessions *sessions; /* NULL: the status page has gone */
    struct exchange *exchange;       /* NULL: the browser has gone */
    uint8_t id_hash[ADMIN_HASH_SIZE];
    struct admin_test test;
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
    pending->test.accepted = verdict->kind == VERDICT_ACCEPTED;
    snprintf(pending->test.text, sizeof pending->test.text, "%s", verdict->text);
    finish(pending);
}

struct naming {
    const char *pseudonym;
    unsigned device;
    struct account *found;
    bool several;
};

static void look_at_name(void *arg, struct account *account)
{
    struct naming *naming = arg;
    if (account->key.device != naming->device || strcmp(account->pseudonym, naming->pseudonym) != 0)
        return;
    naming->several = naming->found;
    naming->found = account;
}

int admin_tests_begin(struct admin_tests *tests, const struct admin_session *session,
                      const char *pseudonym, unsigned device, struct exchange *exchange)
{
    struct naming naming = {.pseudonym = pseudonym, .device = device};
    registry_each(bridge_registry(tests->bridge), look_at_name, &naming);
    if (!naming.found || naming.several)
        return ERR_NOT_FOUND;
    struct pending *pending = mem_new(sizeof *pending);
    memcpy(pending->id_hash, session->id_hash, ADMIN_HASH_SIZE);
    memcpy(pending->test.pseudonym, naming.found->pseudonym, PSEUDONYM_SIZE);
    pending->test.device = device;
    log_info("Account %s: the status page asked for a test push.", pending->test.pseudonym);
    pending->sessions = tests->sessions;
    pending->exchange = exchange;
    list_append(&tests->pending, &pending->place);
    exchange->waiting = pending;
    exchange->forget = forget;
    bridge_ping_account(naming.found, on_verdict, pending);
    return 0;
}
