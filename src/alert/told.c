#include "alert/told.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "account/registry.h"
#include "base/clock.h"
#include "base/mem.h"

/* An empty subject stands for the kind. */
static void write_mark(const struct told *told, enum alert_kind kind, const char *subject,
                       uint8_t mark[STORE_MARK_SIZE])
{
    char *text = mem_format("doorbell alert %s %s %s", alert_kind_name(kind), subject,
                            told->url ? told->url : "");
    crypto_generichash(mark, STORE_MARK_SIZE, (const uint8_t *)text, strlen(text), told->key,
                       sizeof told->key);
    mem_free_secret(text);
}

static int read_mark(const struct told *told, enum alert_kind kind, const char *subject,
                     int64_t *at_unix, struct err *err)
{
    uint8_t mark[STORE_MARK_SIZE];
    write_mark(told, kind, subject, mark);
    return store_marked(told->store, mark, at_unix, err);
}

static void keep_mark(struct told *told, enum alert_kind kind, const char *subject, int64_t at_unix)
{
    uint8_t mark[STORE_MARK_SIZE];
    write_mark(told, kind, subject, mark);
    store_mark(told->store, mark, at_unix);
}

/* The store is read to its end before it is asked for marks. */
struct pseudonyms {
    struct registry registry; /* which writes them */
    char (*names)[PSEUDONYM_SIZE];
    size_t count, room;
};

static void on_row(void *arg, const struct store_account *row)
{
    struct pseudonyms *all = arg;
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 64;
        all->names = mem_resize(all->names, all->room * sizeof *all->names);
    }
    registry_pseudonym(&all->registry, &row->key, all->names[all->count++]);
}

/* A mark that is older than that of its kind was left behind by an account that went. */
static int read_account(struct told *told, enum alert_kind kind, const char *pseudonym,
                        struct alerts *alerts, struct err *err)
{
    int64_t at_unix;
    if (read_mark(told, kind, pseudonym, &at_unix, err) != 0)
        return err->code;
    if (at_unix >= told->since_unix[kind])
        alerts_inherit(alerts, kind, pseudonym);
    return 0;
}

static int read_kind(struct told *told, enum alert_kind kind, const struct pseudonyms *all,
                     struct alerts *alerts, struct err *err)
{
    if (!told->since_unix[kind])
        return 0;
    for (size_t i = 0; i < all->count && alert_kind_is_plural(kind); i++)
        if (read_account(told, kind, all->names[i], alerts, err) != 0)
            return err->code;
    if (!alerts_stands(alerts, kind))
        alerts_inherit(alerts, kind, "");
    return 0;
}

static int read_accounts(struct told *told, struct alerts *alerts, struct err *err)
{
    struct pseudonyms all = {.names = NULL};
    registry_init(&all.registry, told->key);
    int result = store_load(told->store, on_row, &all, err);
    for (enum alert_kind kind = 0; kind < ALERT_KINDS && result == 0; kind++)
        result = read_kind(told, kind, &all, alerts, err);
    registry_fini(&all.registry);
    free(all.names);
    return result;
}

int told_read(struct told *told, struct store *store, const char *url, struct alerts *alerts,
              struct err *err)
{
    bool any = false;
    told->store = store;
    told->url = mem_text(url);
    if (store_secret(store, "pseudonym", told->key, err) != 0)
        return err->code;
    for (enum alert_kind kind = 0; kind < ALERT_KINDS; kind++) {
        if (read_mark(told, kind, "", &told->since_unix[kind], err) != 0)
            return err->code;
        any |= told->since_unix[kind] != 0;
    }
    return any ? read_accounts(told, alerts, err) : 0;
}

void told_fini(struct told *told)
{
    mem_free_secret(told->url);
    sodium_memzero(told, sizeof *told);
}

void told_keep(struct told *told, enum alert_kind kind, const char *subject, bool bad)
{
    int64_t now_unix = clock_unix(), since_unix = told->since_unix[kind];
    /* Never older than that of its kind, wherever the clock was set to meanwhile. */
    int64_t at_unix = !bad ? 0 : now_unix > since_unix ? now_unix : since_unix;
    if (bad && !told->since_unix[kind]) {
        told->since_unix[kind] = at_unix;
        keep_mark(told, kind, "", at_unix);
    }
    if (*subject)
        keep_mark(told, kind, subject, at_unix);
}

void told_all_over(struct told *told, enum alert_kind kind)
{
    if (told->since_unix[kind])
        keep_mark(told, kind, "", 0);
    told->since_unix[kind] = 0;
}

void told_turn_to(struct told *told, const char *url, struct alerts *alerts)
{
    if (strcmp(told->url ? told->url : "", url ? url : "") == 0)
        return;
    alerts_tell_anew(alerts); /* takes back what is marked of accounts: told_keep */
    for (enum alert_kind kind = 0; kind < ALERT_KINDS; kind++)
        told_all_over(told, kind);
    mem_free_secret(told->url);
    told->url = mem_text(url);
}
