#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/b64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/url_normal.h"
#include "base/uuid.h"
#include "bridge/trial.h"

enum {
    WAITS_PER_BELL_MAX = 16,
    DEVICE_MAX = 127, /* signal.md 1.2 */
    UNDECIDED_SIZE = 192,
    REGISTERED_EVERY_S = 24 * 3600, /* how exact the date of the last registration is on disk */
};

#define NO_ANSWER_YET "the messenger's server has not answered yet"
#define NOT_STORED "the store has not written it yet"

/* Who asked, and waits for the word. */
struct registration_wait {
    struct list node; /* in bell->waits or bridge->immediate */
    struct bridge *bridge;
    registration_fn *fn;
    void *arg;
    struct timer timer;
    bool is_known;  /* whose it is, by its key */
    bool is_phone;  /* its form is one that Molly may write */
    bool undecided; /* its credentials are being tried */
    struct account_key key;
    char origin[URL_ORIGIN_SIZE]; /* of the endpoint */
    unsigned put; /* answered once this row is durable; 0: the verdict is still out */
    enum registration_status status;
    struct err why;
};

const char *registration_status_word(enum registration_status status)
{
    static const char *const words[] = {"ok", "forbidden", "invalid_uuid", "invalid_endpoint",
                                        "internal_error"};
    return words[status];
}

/* Those who wait */

static struct registration_wait *wait_at(struct list *node)
{
    return list_owner(node, struct registration_wait, node);
}

static void wait_end(struct registration_wait *wait)
{
    loop_timer_cancel(wait->bridge->parts.loop, &wait->timer);
    list_remove(&wait->node);
    free(wait);
}

void registration_forget(struct registration_wait *wait)
{
    wait_end(wait);
}

static void note_arrival(const struct registration_wait *wait)
{
    struct bridge *bridge = wait->bridge;
    const struct account *account =
        wait->is_known ? registry_find(&bridge->registry, &wait->key) : NULL;
    enum arrival_asker asker = !wait->is_phone   ? ARRIVAL_NO_PHONE
                               : wait->undecided ? ARRIVAL_UNDECIDED
                                                 : ARRIVAL_PHONE;
    arrivals_note(&bridge->arrivals, wait->status, asker, account ? account->pseudonym : NULL,
                  wait->origin, wait->why.text, clock_unix());
}

/* Its status is set: the timer tells, in a turn of its own. */
static void on_wait_timer(void *arg)
{
    struct registration_wait wait = *(struct registration_wait *)arg;
    wait_end(arg);
    note_arrival(&wait);
    wait.fn(wait.arg, wait.status, &wait.why);
}

static void wait_set(struct registration_wait *wait, enum registration_status status,
                     const char *why)
{
    wait->status = status;
    err_set(&wait->why, status == REGISTRATION_OK ? 0 : ERR_REFUSED, "%s", why);
}

static void wait_answer(struct registration_wait *wait, enum registration_status status,
                        const char *why)
{
    wait_set(wait, status, why);
    wait->undecided = false;
    loop_timer_set(wait->bridge->parts.loop, &wait->timer, 0);
}

/* Until told otherwise its answer is that its row is not durable yet. */
static struct registration_wait *wait_new(struct bridge *bridge, struct list *queue,
                                          registration_fn *fn, void *arg)
{
    struct registration_wait *wait = mem_new(sizeof *wait);
    wait->bridge = bridge;
    wait->fn = fn;
    wait->arg = arg;
    timer_init(&wait->timer, on_wait_timer, wait);
    list_append(queue, &wait->node);
    wait_set(wait, REGISTRATION_INTERNAL_ERROR, NOT_STORED);
    loop_timer_set(bridge->parts.loop, &wait->timer, bridge->config->accounts_verdict_ms);
    return wait;
}

/* Why nothing is decided yet. */
static void write_undecided(char text[UNDECIDED_SIZE], const struct bell *bell)
{
    bool failed = bell->down_reason != LINK_STOPPED;
    snprintf(text, UNDECIDED_SIZE, "%s; the trial goes on",
             failed ? link_reason_text(bell->down_reason) : NO_ANSWER_YET);
}

static struct registration_wait *wait_for_trial(struct bell *bell, registration_fn *fn, void *arg)
{
    char why[UNDECIDED_SIZE];
    struct registration_wait *wait = wait_new(bell->bridge, &bell->waits, fn, arg);
    write_undecided(why, bell);
    wait_set(wait, REGISTRATION_INTERNAL_ERROR, why);
    wait->undecided = true;
    return wait;
}

void waits_explain(struct bell *bell)
{
    char why[UNDECIDED_SIZE];
    write_undecided(why, bell);
    list_each(node, &bell->waits)
        wait_set(wait_at(node), REGISTRATION_INTERNAL_ERROR, why);
    trial_explain(bell, REGISTRATION_INTERNAL_ERROR, why);
}

static struct registration_wait *answer_at_once(struct bridge *bridge,
                                                enum registration_status status, const char *why,
                                                registration_fn *fn, void *arg)
{
    struct registration_wait *wait = wait_new(bridge, &bridge->immediate, fn, arg);
    wait_answer(wait, status, why);
    return wait;
}

/* The bell may be freed after this: whoever is answered waits for the next turn elsewhere. */
void waits_answer(struct bell *bell, enum registration_status status, const char *why)
{
    list_each_safe(node, &bell->waits) {
        list_remove(node);
        list_append(&bell->bridge->immediate, node);
        wait_answer(wait_at(node), status, why);
    }
}

void waits_bind(struct bell *bell, unsigned put)
{
    list_each(node, &bell->waits) {
        struct registration_wait *wait = wait_at(node);
        if (wait->put)
            continue;
        wait->put = put;
        wait->undecided = false;
        wait_set(wait, REGISTRATION_INTERNAL_ERROR, NOT_STORED);
    }
}

void waits_answer_stored(struct bell *bell, unsigned put, bool stored)
{
    list_each_safe(node, &bell->waits) {
        struct registration_wait *wait = wait_at(node);
        if (!wait->put || wait->put > put)
            continue;
        list_remove(node);
        list_append(&bell->bridge->immediate, node);
        if (stored)
            wait_answer(wait, REGISTRATION_OK, "");
        else
            wait_answer(wait, REGISTRATION_INTERNAL_ERROR, "the store cannot be written");
    }
}

void waits_answer_immediate(struct bridge *bridge)
{
    while (!list_empty(&bridge->immediate))
        on_wait_timer(wait_at(list_first(&bridge->immediate)));
}

/* The form (security.md 1) */

static int take_push_keys(struct endpoint *endpoint, const struct registration *registration,
                          struct err *err)
{
    const char *key = registration->p256dh, *auth = registration->auth;
    struct endpoint_keys keys;
    int result = 0;
    if (!key && !auth)
        return 0;
    if (!key || !auth ||
        b64_decode(keys.p256dh, sizeof keys.p256dh, key, strlen(key)) != STORE_PUSH_KEY_SIZE ||
        b64_decode(keys.auth, sizeof keys.auth, auth, strlen(auth)) != STORE_PUSH_AUTH_SIZE ||
        encrypt_check_key(keys.p256dh) != 0)
        result = err_set(err, ERR_INVALID, "p256dh and auth are not a push subscription's keys");
    else
        endpoint_set_keys(endpoint, &keys);
    sodium_memzero(&keys, sizeof keys);
    return result;
}

static bool is_password(const char *password)
{
    size_t length = strlen(password);
    return length > 0 && length <= ACCOUNT_PASSWORD_MAX && text_is_token(password, length);
}

/* Molly repeats itself many times a day; an endpoint that is kept must not be refused for that. */
static bool is_proven(const struct bridge *bridge, const struct account_key *key,
                      const struct registration *registration, const char *url)
{
    const struct account *account = registry_find(&bridge->registry, key);
    return account && account->endpoint.proven && strcmp(account->endpoint.url, url) == 0 &&
           registry_same_password(&bridge->registry, account, registration->password);
}

/* However it is spelled, it is one endpoint. */
static int take_url(struct endpoint *endpoint, const char *text, struct err *err)
{
    endpoint->url = url_normal(text, err);
    if (endpoint->url)
        return 0;
    err_prefix(err, "the endpoint cannot be used");
    return ERR_INVALID;
}

static void note_any(void *arg, struct account *account)
{
    (void)account;
    *(bool *)arg = true;
}

/* Who is registered, with any device, may stay. */
bool bridge_admits(struct bridge *bridge, const struct account_key *key)
{
    bool registered = false;
    if (config_admits_account(bridge->config, key->uuid))
        return true;
    if (bridge_allows(bridge, key))
        registry_each_of_user(&bridge->registry, key, note_any, &registered);
    return registered;
}

static enum registration_status judge_form(struct bridge *bridge,
                                           const struct registration *registration,
                                           struct account_key *key, struct endpoint *endpoint,
                                           struct err *err)
{
    *key = (struct account_key){.messenger = MESSENGER_SIGNAL};
    if (uuid_parse(key->uuid, registration->uuid) != 0) {
        err_set(err, ERR_INVALID, "the account id is not a UUID");
        return REGISTRATION_INVALID_UUID;
    }
    if (!bridge_admits(bridge, key)) {
        err_set(err, ERR_REFUSED, "accounts.allowed does not have this account id");
        return REGISTRATION_INVALID_UUID;
    }
    if (registration->device < 1 || registration->device > DEVICE_MAX) {
        err_set(err, ERR_INVALID, "the device must be a number from 1 to %d", DEVICE_MAX);
        return REGISTRATION_FORBIDDEN;
    }
    key->device = (uint8_t)registration->device;
    if (!is_password(registration->password)) {
        err_set(err, ERR_INVALID, "the device's password is empty, too long, or has spaces in it");
        return REGISTRATION_FORBIDDEN;
    }
    if (take_url(endpoint, registration->endpoint, err) != 0 ||
        policy_check_endpoint(bridge->parts.policy, endpoint->url,
                              is_proven(bridge, key, registration, endpoint->url), err) != 0 ||
        take_push_keys(endpoint, registration, err) != 0)
        return REGISTRATION_INVALID_ENDPOINT;
    return REGISTRATION_OK;
}

/* The verdict */

/* Molly repeats itself many times a day: nothing is written for that but the date, once a day. */
static void note_date(struct bell *bell)
{
    int64_t now = clock_unix();
    if (now - bell->account->registered_unix < REGISTERED_EVERY_S)
        return;
    bell->account->registered_unix = now;
    bell_put(bell);
}

static struct registration_wait *update_endpoint(struct bridge *bridge, struct account *account,
                                                 const struct endpoint *endpoint, bool ping,
                                                 registration_fn *fn, void *arg)
{
    struct bell *bell = bell_of(account);
    bool other_url = !endpoint_same_url(&account->endpoint, endpoint);
    if (other_url &&
        registry_count_endpoint(&bridge->registry, endpoint->url) >= ACCOUNT_PER_ENDPOINT_MAX)
        return answer_at_once(bridge, REGISTRATION_INVALID_ENDPOINT,
                              "three other accounts use this endpoint already", fn, arg);
    log_info("Account %s: %s changed.", account->pseudonym,
             other_url ? "its endpoint has" : "the keys of its endpoint have");
    if (other_url)
        verdicts_leave(bell);
    registry_set_endpoint(&bridge->registry, account, endpoint);
    account->registered_unix = clock_unix();
    if (other_url)
        bell_endpoint_changed(bell);
    else
        bell_keys_changed(bell);
    struct registration_wait *wait = wait_new(bridge, &bell->waits, fn, arg);
    waits_bind(bell, bell_put(bell));
    if (ping)
        bell_test_push(bell);
    return wait;
}

/* Whoever is told that all is well relies on us from then on. */
static bool is_durable(const struct bell *bell)
{
    return bell->puts_kept == bell->puts_asked;
}

static struct registration_wait *answer_known(struct bridge *bridge, struct account *account,
                                              const struct endpoint *endpoint, bool ping,
                                              registration_fn *fn, void *arg)
{
    if (account->state == ACCOUNT_REFUSED)
        return answer_at_once(bridge, REGISTRATION_FORBIDDEN,
                              "the messenger's server refused the credentials", fn, arg);
    if (!endpoint_same(&account->endpoint, endpoint))
        return update_endpoint(bridge, account, endpoint, ping, fn, arg);
    struct bell *bell = bell_of(account);
    struct registration_wait *wait = NULL;
    if (!is_durable(bell)) {
        wait = wait_new(bridge, &bell->waits, fn, arg);
        waits_bind(bell, bell_put(bell));
    } else {
        note_date(bell);
    }
    if (ping)
        bell_test_push(bell);
    return wait ? wait : answer_at_once(bridge, REGISTRATION_OK, "", fn, arg);
}

/* What the operator enters is trusted: stored and linked without a trial. */
static struct registration_wait *take_trusted(struct bridge *bridge, const struct account_key *key,
                                              const char *password, const struct endpoint *endpoint,
                                              registration_fn *fn, void *arg)
{
    struct account *account = registry_find(&bridge->registry, key);
    if (!account && (int64_t)registry_count(&bridge->registry) >= bridge->config->accounts_max)
        return answer_at_once(bridge, REGISTRATION_INTERNAL_ERROR,
                              "there are as many accounts as accounts.max allows", fn, arg);
    bool same_url = account && endpoint_same_url(&account->endpoint, endpoint);
    struct store_account row = {.key = *key,
                                .password = password,
                                .endpoint = endpoint->url,
                                .endpoint_proven = same_url && account->endpoint.proven,
                                .registered_unix = clock_unix()};
    endpoint_keys_to_row(endpoint, &row);
    /* What it is owed goes over as word of another bell: whether that is on disk yet, nobody knows.
     */
    int64_t owed_since = account ? account->owed_since_unix : 0;
    struct spending spending = account ? bell_of(account)->spending : (struct spending){0};
    struct fleet_mark fleet_marks[FLEETS] = {0};
    bool renewed = same_url && !endpoint_same(&account->endpoint, endpoint);
    bool owes = account && (owed_since || wake_owes(&bell_of(account)->wake));
    if (account) {
        memcpy(fleet_marks, bell_of(account)->fleet_marks, sizeof fleet_marks);
        if (!same_url)
            verdicts_leave(bell_of(account));
        bell_free(bell_of(account));
        registry_remove(&bridge->registry, account);
    }
    trial_end(bridge, key, password);
    struct bell *bell = bell_new(bridge, registry_add(&bridge->registry, &row));
    bell->account->owed_since_unix = owed_since;
    bell->account->owed_since_ms = bridge_now_ms(bridge);
    bell->spending = spending;
    memcpy(bell->fleet_marks, fleet_marks, sizeof fleet_marks);
    left_take(&bridge->left, endpoint->url, bridge_now_ms(bridge)); /* a person's word ends it */
    wake_hold_off(&bell->wake, verdicts_join(bell));
    if (renewed)
        verdicts_renew(bell);
    if (owes)
        bell_inherit(bell);
    linked_key_note(&bridge->parts.linked_key, bridge->parts.store);
    log_info("Account %s: added.", bell->account->pseudonym);
    struct registration_wait *wait = wait_new(bridge, &bell->waits, fn, arg);
    waits_bind(bell, bell_put(bell));
    return wait;
}

static struct registration_wait *try_unknown(struct bridge *bridge, const struct account_key *key,
                                             const struct registration *registration,
                                             const struct endpoint *endpoint, registration_fn *fn,
                                             void *arg)
{
    struct err err;
    if (!limits_admit(&bridge->limits, &registration->client, registration->client_is_proxy,
                      bridge_now_ms(bridge)))
        return answer_at_once(bridge, REGISTRATION_INTERNAL_ERROR,
                              "too many new accounts from this address; try again in a minute", fn,
                              arg);
    struct bell *bell = trial_find_or_start(bridge, key, registration->password, endpoint, &err);
    if (!bell)
        return answer_at_once(bridge, REGISTRATION_INTERNAL_ERROR, err.text, fn, arg);
    unsigned waiting = 0;
    list_each(node, &bell->waits)
        waiting++;
    if (waiting >= WAITS_PER_BELL_MAX)
        return answer_at_once(bridge, REGISTRATION_INTERNAL_ERROR,
                              "this account is being tried already", fn, arg);
    return wait_for_trial(bell, fn, arg);
}

struct registration_wait *bridge_register(struct bridge *bridge,
                                          const struct registration *registration,
                                          registration_fn *fn, void *arg)
{
    struct err err;
    struct account_key key;
    struct endpoint endpoint = {0};
    struct registration_wait *wait;
    enum registration_status form = judge_form(bridge, registration, &key, &endpoint, &err);
    if (form != REGISTRATION_OK) {
        wait = answer_at_once(bridge, form, err.text, fn, arg);
        goto out;
    }
    if (registration->by_operator) {
        wait = take_trusted(bridge, &key, registration->password, &endpoint, fn, arg);
        goto out;
    }
    struct account *account = registry_find(&bridge->registry, &key);
    if (account && registry_same_password(&bridge->registry, account, registration->password))
        wait = answer_known(bridge, account, &endpoint, registration->ping, fn, arg);
    else
        wait = try_unknown(bridge, &key, registration, &endpoint, fn, arg);
out:
    wait->is_known = form == REGISTRATION_OK;
    wait->is_phone = form == REGISTRATION_OK || form == REGISTRATION_INVALID_ENDPOINT ||
                     err.code == ERR_REFUSED; /* not: no id, device or password */
    wait->key = key;
    endpoint_origin(endpoint.url ? endpoint.url : registration->endpoint, wait->origin);
    endpoint_fini(&endpoint);
    return wait;
}
