#include "bridge/import.h"

#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/registry.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "base/url_normal.h"
#include "base/uuid.h"
#include "store/mollysocket.h"

enum {
    DEVICE_MAX = 127, /* signal.md 1.2 */
    FAULTS_NAMED = 4, /* so that the sentence stays one */
};

/* `registry` is how the accounts would be: it begins as the store is, and takes what is taken. An
 * account's owner says that it was taken, and from what kind of row. */
struct plan {
    struct store *store; /* NULL: there is none yet */
    const struct import_order *order;
    struct import_counts *counts;
    struct registry registry;
    uint8_t (*marks)[STORE_MARK_SIZE]; /* of rows that were not settled */
    size_t mark_count, mark_room;
    int64_t now_unix;
    char ordinary, forbidden; /* owners */
    int result;               /* of reading marks; no further row is judged then */
    struct err err;
};

/* Marks */

static void hash_text(crypto_generichash_state *state, const char *text)
{
    uint64_t length = text ? strlen(text) : UINT64_MAX; /* none is not empty */
    crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
    if (text)
        crypto_generichash_update(state, (const unsigned char *)text, length);
}

/* All that a registration there changes: the same again is the same row. The flag is not part of
 * it, because it comes without one. */
static void row_mark(const struct plan *plan, const struct mollysocket_row *row,
                     uint8_t mark[STORE_MARK_SIZE])
{
    const int64_t numbers[] = {row->device, row->registered_unix};
    crypto_generichash_state state;
    crypto_generichash_init(&state, plan->registry.pseudonym_key,
                            sizeof plan->registry.pseudonym_key, STORE_MARK_SIZE);
    hash_text(&state, "mollysocket");
    hash_text(&state, row->uuid);
    hash_text(&state, row->password);
    hash_text(&state, row->endpoint);
    crypto_generichash_update(&state, (const unsigned char *)numbers, sizeof numbers);
    crypto_generichash_final(&state, mark, STORE_MARK_SIZE);
}

/* 0: never, or it cannot be told, and the plan fails. */
static int64_t marked_at(struct plan *plan, const uint8_t mark[STORE_MARK_SIZE])
{
    int64_t at_unix = 0;
    if (plan->store && plan->result == 0)
        plan->result = store_marked(plan->store, mark, &at_unix, &plan->err);
    return at_unix;
}

static void add_mark(struct plan *plan, const uint8_t mark[STORE_MARK_SIZE])
{
    if (plan->mark_count == plan->mark_room) {
        plan->mark_room = plan->mark_room ? 2 * plan->mark_room : 64;
        plan->marks = mem_resize(plan->marks, plan->mark_room * sizeof *plan->marks);
    }
    memcpy(plan->marks[plan->mark_count++], mark, STORE_MARK_SIZE);
}

/* The form of a row */

static bool is_password(const char *password)
{
    size_t length = password ? strlen(password) : 0;
    return length > 0 && length <= ACCOUNT_PASSWORD_MAX && text_is_token(password, length);
}

/* NULL: it can be rung. */
static const char *endpoint_fault(const struct plan *plan, const char *endpoint)
{
    if (!endpoint)
        return "its endpoint is missing or no web address: register it again";
    if (policy_check_endpoint(plan->order->policy, endpoint, true, NULL) == ERR_INVALID)
        return "its endpoint's host cannot be one: register it again";
    return NULL;
}

/* NULL: it can be an account of ours. `*named`: its key is known, so that it has a pseudonym. */
static const char *fault_of(const struct plan *plan, const struct mollysocket_row *row,
                            struct account_key *key, bool *named)
{
    *key = (struct account_key){.messenger = MESSENGER_SIGNAL};
    *named = row->uuid && uuid_parse(key->uuid, row->uuid) == 0;
    if (!*named)
        return "its account id is no UUID";
    if (row->device < 1 || row->device > DEVICE_MAX)
        return "its device is not a number from 1 to 127";
    key->device = (uint8_t)row->device;
    if (!is_password(row->password))
        return "its password is missing or none that a device has";
    return endpoint_fault(plan, row->endpoint);
}

static void add_fault(struct plan *plan, const struct mollysocket_row *row,
                      const struct account_key *key, bool named, const char *fault)
{
    struct import_counts *counts = plan->counts;
    char *end = counts->faults + strlen(counts->faults), pseudonym[PSEUDONYM_SIZE];
    size_t room = sizeof counts->faults - strlen(counts->faults);
    const char *separator = counts->refused ? "; " : "";
    if (++counts->refused > FAULTS_NAMED)
        return;
    registry_pseudonym(&plan->registry, key, pseudonym);
    if (named)
        snprintf(end, room, "%saccount %s: %s", separator, pseudonym, fault);
    else
        snprintf(end, room, "%srow %lld: %s", separator, (long long)row->number, fault);
}

/* Taking */

static void note_taken(struct plan *plan, struct account *account,
                       const struct mollysocket_row *row, size_t *count)
{
    if (!account->owner) /* a second spelling of the id makes no second account */
        ++*count;
    account->owner = row->forbidden ? &plan->forbidden : &plan->ordinary;
}

/* MollySocket has pushed to its endpoints; they need not queue where strangers' do. */
static void add_account(struct plan *plan, const struct account_key *key,
                        const struct mollysocket_row *row, int64_t registered_unix)
{
    struct store_account added = {.key = *key,
                                  .password = row->password,
                                  .endpoint = row->endpoint,
                                  .endpoint_proven = !row->forbidden,
                                  .registered_unix = registered_unix};
    note_taken(plan, registry_add(&plan->registry, &added), row, &plan->counts->added);
}

static void change_endpoint(struct plan *plan, struct account *account, const char *url)
{
    struct endpoint endpoint = {.url = mem_text(url)};
    registry_set_endpoint(&plan->registry, account, &endpoint);
    endpoint_fini(&endpoint);
}

/* What it is owed stays with it. */
static void renew_account(struct plan *plan, struct account *account,
                          const struct mollysocket_row *row, int64_t registered_unix)
{
    bool other_endpoint = strcmp(account->endpoint.url, row->endpoint) != 0;
    bool other_password = !registry_same_password(&plan->registry, account, row->password);
    if (registered_unix <= account->registered_unix || (!other_endpoint && !other_password))
        return;
    if (other_endpoint) {
        change_endpoint(plan, account, row->endpoint);
        account->endpoint.proven = !row->forbidden;
    }
    registry_set_password(&plan->registry, account, row->password);
    account->state = ACCOUNT_CONNECTING;
    account->registered_unix = registered_unix;
    note_taken(plan, account, row, &plan->counts->renewed);
}

static bool stays_away(struct plan *plan, const struct account_key *key, bool settled,
                       int64_t registered_unix)
{
    uint8_t mark[STORE_MARK_SIZE];
    if (plan->order->by_hand)
        return false;
    registry_user_mark(&plan->registry, key, mark);
    int64_t removed_unix = marked_at(plan, mark);
    return settled || (removed_unix && registered_unix <= removed_unix);
}

static void take_row(struct plan *plan, const struct mollysocket_row *row, bool settled)
{
    struct account_key key;
    bool named;
    /* A clock may have been wrong there; what comes from the future would always be newer. */
    int64_t registered_unix =
        row->registered_unix < plan->now_unix ? row->registered_unix : plan->now_unix;
    const char *fault = fault_of(plan, row, &key, &named);
    if (fault) {
        if (!settled || plan->order->by_hand)
            add_fault(plan, row, &key, named, fault);
        return;
    }
    struct account *account = registry_find(&plan->registry, &key);
    if (account && !settled)
        renew_account(plan, account, row, registered_unix);
    else if (!account && stays_away(plan, &key, settled, registered_unix))
        plan->counts->kept_away++;
    else if (!account)
        add_account(plan, &key, row, registered_unix);
}

static void on_row(void *arg, const struct mollysocket_row *row)
{
    struct plan *plan = arg;
    uint8_t mark[STORE_MARK_SIZE];
    plan->counts->rows++;
    row_mark(plan, row, mark);
    bool settled = marked_at(plan, mark) != 0;
    if (plan->result != 0)
        return;
    if (!settled)
        add_mark(plan, mark);
    char *endpoint = row->endpoint ? url_normal(row->endpoint, NULL) : NULL;
    struct mollysocket_row normal = *row;
    normal.endpoint = endpoint;
    take_row(plan, &normal, settled);
    mem_free_secret(endpoint);
}

/* The plan as a whole */

static void on_stored(void *arg, const struct store_account *row)
{
    struct plan *plan = arg;
    registry_add(&plan->registry, row);
}

static int plan_init(struct plan *plan, struct err *err)
{
    uint8_t key[STORE_SECRET_SIZE];
    random_bytes(key, sizeof key); /* without a store nobody else has seen a pseudonym, either */
    int result = plan->store ? store_secret(plan->store, "pseudonym", key, err) : 0;
    if (result != 0)
        return result;
    registry_init(&plan->registry, key);
    plan->registry.seal = plan->order->seal;
    sodium_memzero(key, sizeof key);
    result = plan->store ? store_load(plan->store, on_stored, plan, err) : 0;
    plan->counts->here = registry_count(&plan->registry);
    return result;
}

struct gathering {
    const struct plan *plan;
    struct store_intake intake;
};

static void gather(void *arg, struct account *account)
{
    struct gathering *gathering = arg;
    const struct plan *plan = gathering->plan;
    struct import_counts *counts = plan->counts;
    if (!account->owner)
        return;
    counts->forbidden += account->owner == &plan->forbidden;
    counts->disallowed += !config_allows_account(plan->order->config, account->key.uuid);
    counts->unreachable += policy_check_endpoint(plan->order->policy, account->endpoint.url,
                                                 account->endpoint.proven, NULL) != 0;
    registry_row(account, &gathering->intake.rows[gathering->intake.row_count++]);
}

static void write_took_over(uint8_t mark[STORE_MARK_SIZE])
{
    static const char what[] = "doorbell: accounts of MollySocket's were taken over";
    crypto_generichash(mark, STORE_MARK_SIZE, (const unsigned char *)what, sizeof what - 1, NULL,
                       0);
}

int import_took_over(struct store *store, int64_t *at_unix, struct err *err)
{
    uint8_t mark[STORE_MARK_SIZE];
    write_took_over(mark);
    return store_marked(store, mark, at_unix, err);
}

static int carry_out(struct plan *plan, struct err *err)
{
    struct gathering gathering = {.plan = plan};
    struct store_intake *intake = &gathering.intake;
    int result = 0;
    intake->rows = mem_new((registry_count(&plan->registry) + 1) * sizeof *intake->rows);
    registry_each(&plan->registry, gather, &gathering);
    if (intake->row_count) {
        uint8_t mark[STORE_MARK_SIZE];
        write_took_over(mark);
        add_mark(plan, mark);
    }
    intake->marks = plan->marks;
    intake->mark_count = plan->mark_count;
    intake->at_unix = plan->now_unix;
    if (!plan->order->only_tell && (intake->row_count || intake->mark_count))
        result = store_take(plan->store, intake, err);
    free(intake->rows); /* its texts are the accounts' */
    return result;
}

void import_forget_copies(const char *store_path)
{
    char *copy = mem_text(store_path);
    mollysocket_forget_copies(dirname(copy));
    free(copy);
}

int import_run(struct store *store, const struct import_order *order, struct import_counts *counts,
               struct err *err)
{
    struct plan plan = {.store = store, .order = order, .counts = counts, .now_unix = clock_unix()};
    *counts = (struct import_counts){0};
    /* Even looking into our own file would end SQLite's locks on it. */
    if (file_is_same(order->path, order->store_path))
        return err_set(err, ERR_INVALID, "%s is Doorbell's own store, not MollySocket's database.",
                       order->path);
    char *store_path = mem_text(order->store_path);
    int result = plan_init(&plan, err);
    if (result == 0)
        result = mollysocket_read(order->path, dirname(store_path), on_row, &plan, err);
    if (result == 0 && plan.result != 0) {
        result = plan.result;
        *err = plan.err;
    }
    if (result == 0)
        result = carry_out(&plan, err);
    registry_fini(&plan.registry);
    free(plan.marks);
    free(store_path);
    return result;
}

/* Words */

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

__attribute__((format(printf, 2, 3))) static void append(char text[IMPORT_TEXT_SIZE],
                                                         const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, IMPORT_TEXT_SIZE - used, format, args);
    va_end(args);
}

static void tell_nothing(const struct import_order *order, const struct import_counts *counts,
                         char text[IMPORT_TEXT_SIZE])
{
    if (counts->rows == 0)
        append(text, "There is no account in %s.", order->path);
    else
        append(text, "Nothing to take over from %s", order->path);
    if (counts->kept_away)
        append(text, "; %zu account%s in it %s removed here and stay%s away", counts->kept_away,
               plural(counts->kept_away), counts->kept_away == 1 ? "was" : "were",
               counts->kept_away == 1 ? "s" : "");
    if (counts->rows)
        append(text, ".");
}

void import_tell(const struct import_order *order, const struct import_counts *counts,
                 char text[IMPORT_TEXT_SIZE])
{
    size_t taken = counts->added + counts->renewed;
    text[0] = '\0';
    if (taken == 0) {
        tell_nothing(order, counts, text);
        return;
    }
    append(text, "%s %zu account%s over from %s", order->only_tell ? "Would take" : "Took", taken,
           plural(taken), order->path);
    if (counts->renewed && counts->added)
        append(text, ", %zu of them", counts->renewed);
    if (counts->renewed)
        append(text, "%s because %s registered there later than here", counts->added ? "" : ",",
               counts->renewed == 1 ? "it was" : "they were");
    if (counts->forbidden)
        append(text, "; %zu %s flagged forbidden there and get%s a fresh try", counts->forbidden,
               counts->forbidden == 1 ? "was" : "were", counts->forbidden == 1 ? "s" : "");
    append(text, ".");
}

bool import_tell_unreachable(const struct import_counts *counts, char text[IMPORT_TEXT_SIZE])
{
    if (!counts->unreachable)
        return false;
    snprintf(text, IMPORT_TEXT_SIZE,
             "Of the accounts from MollySocket, %zu %s an endpoint that the settings do not allow, "
             "and %s not rung until push.allowed_endpoints names its server.",
             counts->unreachable, counts->unreachable == 1 ? "has" : "have",
             counts->unreachable == 1 ? "is" : "are");
    return true;
}

bool import_tell_disallowed(const struct import_counts *counts, char text[IMPORT_TEXT_SIZE])
{
    if (!counts->disallowed)
        return false;
    snprintf(
        text, IMPORT_TEXT_SIZE,
        "Of the accounts from MollySocket, %zu %s not on accounts.allowed, and %s not connected "
        "until %s, though MollySocket went on with %s.",
        counts->disallowed, counts->disallowed == 1 ? "is" : "are",
        counts->disallowed == 1 ? "is" : "are", counts->disallowed == 1 ? "it is" : "they are",
        counts->disallowed == 1 ? "it" : "them");
    return true;
}

bool import_tell_refused(const struct import_order *order, const struct import_counts *counts,
                         char text[IMPORT_TEXT_SIZE])
{
    if (!counts->refused)
        return false;
    text[0] = '\0';
    append(text, "%zu row%s of %s cannot be taken over: %s", counts->refused,
           plural(counts->refused), order->path, counts->faults);
    if (counts->refused > FAULTS_NAMED)
        append(text, "; and %zu more", counts->refused - FAULTS_NAMED);
    append(text, ".");
    return true;
}

/* The start of the server */

static void log_import(const struct import_order *order, const struct import_counts *counts)
{
    char text[IMPORT_TEXT_SIZE];
    bool taken = counts->added + counts->renewed > 0;
    import_tell(order, counts, text);
    log_write(taken ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "%s", text);
    if (import_tell_unreachable(counts, text))
        log_warn("%s", text);
    if (import_tell_disallowed(counts, text))
        log_warn("%s", text);
    if (import_tell_refused(order, counts, text))
        log_warn("%s", text);
}

/* As who looks for the mistake needs it; the caller frees it. */
static char *whole_path(const char *path)
{
    char folder[PATH_MAX];
    if (*path == '/' || !getcwd(folder, sizeof folder))
        return mem_text(path);
    if (text_starts(path, "./"))
        path += 2;
    return mem_format("%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path);
}

/* One that is named and missing may be yet to come (a folder made anew), or gone for good. */
static void tell_missing(const struct config *config, bool empty_store)
{
    struct err why;
    char *path = whole_path(config->store_mollysocket);
    bool is_relative = *config->store_mollysocket != '/';
    if (!empty_store) {
        log_debug("store.mollysocket: %s does not exist, so there is nothing to take over.", path);
    } else {
        err_set(&why, ERR_NOT_FOUND,
                "store.mollysocket: %.200s does not exist, so no account was taken over, and there "
                "is none here. If MollySocket had accounts, see whether its volume is mounted "
                "there%s.",
                path, is_relative ? ", and in which folder Doorbell is started (working_dir)" : "");
        config_locate(config, &why);
        log_warn("%s", why.text);
    }
    free(path);
}

static bool is_empty(struct store *store)
{
    size_t rows = 0;
    struct err err;
    return store_count_rows(store, &rows, &err) == 0 && rows == 0;
}

/* Who comes from MollySocket and meant its accounts to be found. */
static void tell_not_found(struct store *store, const struct config *config)
{
    if (!config->mollysocket || config->store_mollysocket || !is_empty(store))
        return;
    char *places[CONFIG_MOLLY_PLACES], *beside, *here;
    config_mollysocket_places(config, places);
    beside = whole_path(places[0]);
    here = whole_path(places[1]);
    bool are_same = strcmp(beside, here) == 0;
    log_info("No database of MollySocket's was found, so no account was taken over: there is no "
             "%s%s%s.",
             beside, are_same ? "" : " and no ", are_same ? "" : here);
    free(beside);
    free(here);
    for (int i = 0; i < CONFIG_MOLLY_PLACES; i++)
        free(places[i]);
}

int import_at_start(struct store *store, const struct config *config, const struct policy *policy,
                    const struct seal *seal, size_t *added, struct err *err)
{
    *added = 0;
    import_forget_copies(config->store_path);
    char *path = config_find_mollysocket(config);
    if (!path) {
        tell_not_found(store, config);
        return 0;
    }
    struct import_order order = {.path = path,
                                 .store_path = config->store_path,
                                 .config = config,
                                 .policy = policy,
                                 .seal = seal};
    struct import_counts counts;
    struct err why = {0};
    int result = import_run(store, &order, &counts, &why);
    if (result == 0) {
        log_import(&order, &counts);
        *added = counts.added;
    } else if (result == ERR_NOT_FOUND) {
        result = 0;
        if (config->store_mollysocket) /* else it has gone this moment */
            tell_missing(config, counts.here == 0);
    } else {
        err_set(err, result,
                "store.mollysocket: %.340s To start without the accounts in it, set "
                "store.mollysocket to none.",
                why.text);
    }
    free(path);
    return result;
}
