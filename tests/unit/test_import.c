#include "bridge/import.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/registry.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "config/schema.h"
#include "unit.h"

enum { LONG_AGO = 1600000000, ROWS_MOST = 16, NOBODY = 65534, ODD_ROWS = 400 };

#define TABLE                                                                                      \
    "CREATE TABLE connections(uuid TEXT UNIQUE ON CONFLICT REPLACE, device_id INTEGER, "           \
    "password TEXT, endpoint TEXT, forbidden BOOLEAN NOT NULL CHECK (forbidden IN (0, 1)), "       \
    "last_registration INTEGER);"
#define ALICE "aaaaaaaa-0000-4000-8000-000000000001"
#define BOB "bbbbbbbb-0000-4000-8000-000000000002"
#define ALICE_ROW "('" ALICE "', 2, 'alices', 'https://push.example/alice', 0, 1600000000)"
#define BOB_ROW "('" BOB "', 3, 'bobs', 'https://push.example/bob', 1, NULL)"

/* A store, MollySocket's database, and what an import said. */
struct place {
    char folder[256], path[320], store_path[320];
    struct loop loop;
    struct config *config;
    struct policy *policy;
    struct store_ops ops;
    struct store *store;
    struct import_order order;
    struct import_counts counts;
    struct err err;
};

static void open_store(struct place *place)
{
    place->store = store_open(&place->ops, place->store_path, &place->loop, &place->err);
    ck_assert_msg(place->store != NULL, "%s", place->err.text);
}

static void reopen(struct place *place)
{
    store_close(place->store);
    open_store(place);
}

static void place_make(struct place *place, const char *sql)
{
    const char *parent = getenv("TMPDIR");
    memset(place, 0, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "%s/doorbell-import-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/mollysocket.db", place->folder);
    snprintf(place->store_path, sizeof place->store_path, "%s/doorbell.db", place->folder);
    loop_init(&place->loop);
    place->config = config_new();
    free(place->config->store_path);
    place->config->store_path = strdup(place->store_path);
    place->policy = policy_new(place->config, &place->err);
    ck_assert_ptr_nonnull(place->policy);
    place->ops = store_sqlite;
    place->order = (struct import_order){.path = place->path,
                                         .store_path = place->store_path,
                                         .config = place->config,
                                         .policy = place->policy};
    open_store(place);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(place->path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, TABLE, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void place_remove(struct place *place)
{
    store_close(place->store);
    policy_free(place->policy);
    config_free(place->config);
    loop_fini(&place->loop);
    nftw(place->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* At MollySocket. */
static void there(struct place *place, const char *sql)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(place->path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void import(struct place *place)
{
    ck_assert_msg(import_run(place->store, &place->order, &place->counts, &place->err) == 0, "%s",
                  place->err.text);
}

/* As the server does it once more: with what is on the disk. */
static void import_again(struct place *place)
{
    reopen(place);
    import(place);
}

static void expect(const struct place *place, size_t added, size_t renewed)
{
    ck_assert_uint_eq(place->counts.added, added);
    ck_assert_uint_eq(place->counts.renewed, renewed);
}

static void keep(void *arg, const struct store_account *row)
{
    registry_add(arg, row);
}

static struct account_key key_of(const char *uuid, uint8_t device)
{
    struct account_key key = {.messenger = MESSENGER_SIGNAL, .device = device};
    ck_assert_int_eq(uuid_parse(key.uuid, uuid), 0);
    return key;
}

/* What the store has; the texts live as long as `registry`. */
static size_t load(struct place *place, struct registry *registry)
{
    static const uint8_t any_key[STORE_SECRET_SIZE];
    registry_init(registry, any_key);
    ck_assert_int_eq(store_load(place->store, keep, registry, &place->err), 0);
    return registry_count(registry);
}

static size_t stored(struct place *place)
{
    struct registry registry;
    size_t count = load(place, &registry);
    registry_fini(&registry);
    return count;
}

static void must_have(struct place *place, const char *uuid, uint8_t device, const char *password,
                      const char *endpoint, int64_t registered_unix)
{
    struct registry registry;
    load(place, &registry);
    struct account_key key = key_of(uuid, device);
    const struct account *account = registry_find(&registry, &key);
    ck_assert_ptr_nonnull(account);
    ck_assert_str_eq(account->password, password);
    ck_assert_str_eq(account->endpoint.url, endpoint);
    ck_assert_int_eq(account->registered_unix, registered_unix);
    ck_assert_int_eq(account->state, ACCOUNT_CONNECTING);
    registry_fini(&registry);
}

/* In Doorbell: a registration, and what the bridge does when the operator removes an account. */

static void put_here(struct place *place, const struct store_account *row)
{
    store_put(place->store, row, NULL, NULL);
    reopen(place);
}

static void remove_here(struct place *place, const char *uuid, uint8_t device, int64_t at_unix)
{
    struct registry registry;
    uint8_t key_bytes[STORE_SECRET_SIZE], mark[STORE_MARK_SIZE];
    struct account_key key = key_of(uuid, device);
    ck_assert_int_eq(store_secret(place->store, "pseudonym", key_bytes, &place->err), 0);
    registry_init(&registry, key_bytes);
    registry_user_mark(&registry, &key, mark);
    registry_fini(&registry);
    store_mark(place->store, mark, at_unix);
    store_remove(place->store, &key, NULL, NULL);
    reopen(place);
}

START_TEST(every_account_is_taken_and_one_flagged_forbidden_gets_a_fresh_try)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW "," BOB_ROW);
    import(&place);
    expect(&place, 2, 0);
    ck_assert_uint_eq(place.counts.forbidden, 1);
    must_have(&place, ALICE, 2, "alices", "https://push.example/alice", LONG_AGO);
    must_have(&place, BOB, 3, "bobs", "https://push.example/bob", 0);
    import_tell(&place.order, &place.counts, text);
    ck_assert_ptr_nonnull(strstr(text, "Took 2 accounts over from "));
    ck_assert_ptr_nonnull(strstr(text, "; 1 was flagged forbidden there and gets a fresh try."));
    ck_assert(!import_tell_refused(&place.order, &place.counts, text));
    ck_assert(!import_tell_unreachable(&place.counts, text));
    place_remove(&place);
}
END_TEST

START_TEST(twice_changes_nothing)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW "," BOB_ROW);
    import(&place);
    for (int i = 0; i < 2; i++) {
        place.order.by_hand = i;
        import_again(&place);
        expect(&place, 0, 0);
        import_tell(&place.order, &place.counts, text);
        ck_assert_ptr_nonnull(strstr(text, "Nothing to take over"));
    }
    ck_assert_uint_eq(stored(&place), 2);
    place_remove(&place);
}
END_TEST

START_TEST(a_later_registration_there_is_followed_and_the_debt_stays)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    import(&place);
    struct store_account row = {.key = key_of(ALICE, 2),
                                .password = "alices",
                                .endpoint = "https://push.example/alice",
                                .refused = true,
                                .registered_unix = LONG_AGO + 10,
                                .owed_since_unix = 77};
    put_here(&place, &row);
    there(&place, "UPDATE connections SET password = 'new', last_registration = 1600000020, "
                  "endpoint = 'https://push.example/new'");
    import(&place);
    expect(&place, 0, 1);
    import_tell(&place.order, &place.counts, text);
    ck_assert_ptr_nonnull(strstr(text, "Took 1 account over from "));
    ck_assert_ptr_nonnull(strstr(text, ", because it was registered there later than here."));
    must_have(&place, ALICE, 2, "new", "https://push.example/new", LONG_AGO + 20);
    struct registry registry;
    load(&place, &registry);
    ck_assert_int_eq(registry_find(&registry, &row.key)->owed_since_unix, 77);
    registry_fini(&registry);
    place_remove(&place);
}
END_TEST

/* Ours was registered at LONG_AGO + 10, with another endpoint. */
START_TEST(an_older_or_undated_or_equal_row_changes_nothing_here)
{
    static const char *const changes[] = {
        "UPDATE connections SET last_registration = 1600000005, password = 'p1'",
        "UPDATE connections SET last_registration = 1600000010, password = 'p2'",
        "UPDATE connections SET last_registration = NULL, password = 'p3'",
        "UPDATE connections SET last_registration = -7, password = 'p4'",
        ("UPDATE connections SET last_registration = 1600000030, password = 'ours',"
         " endpoint = 'https://push.example/ours'")};
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    import(&place);
    struct store_account row = {.key = key_of(ALICE, 2),
                                .password = "ours",
                                .endpoint = "https://push.example/ours",
                                .registered_unix = LONG_AGO + 10};
    put_here(&place, &row);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        there(&place, changes[i]);
        import_again(&place);
        expect(&place, 0, 0);
        must_have(&place, ALICE, 2, "ours", "https://push.example/ours", LONG_AGO + 10);
    }
    place_remove(&place);
}
END_TEST

START_TEST(the_keys_of_an_endpoint_stay_when_only_the_password_is_new)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    struct store_account row = {.key = key_of(ALICE, 2),
                                .password = "old",
                                .endpoint = "https://push.example/alice",
                                .has_push_keys = true,
                                .push_p256dh = {4, 5, 6},
                                .endpoint_proven = true,
                                .registered_unix = 5};
    put_here(&place, &row);
    import(&place);
    expect(&place, 0, 1);
    struct registry registry;
    load(&place, &registry);
    const struct account *account = registry_find(&registry, &row.key);
    ck_assert_str_eq(account->password, "alices");
    ck_assert(account->endpoint.keys && account->endpoint.proven);
    ck_assert_mem_eq(account->endpoint.keys->p256dh, row.push_p256dh, sizeof row.push_p256dh);
    registry_fini(&registry);
    place_remove(&place);
}
END_TEST

START_TEST(what_was_removed_here_stays_away_unless_it_registered_there_later)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW "," BOB_ROW);
    import_again(&place);
    remove_here(&place, ALICE, 2, LONG_AGO + 50);
    remove_here(&place, BOB, 3, LONG_AGO + 50);
    import_again(&place);
    expect(&place, 0, 0);
    ck_assert_uint_eq(place.counts.kept_away, 2);
    import_tell(&place.order, &place.counts, text);
    ck_assert_ptr_nonnull(strstr(text, "2 accounts in it were removed here and stay away"));

    /* Changed there, also as another device, but not after the removal. */
    there(&place, "UPDATE connections SET last_registration = 1600000050, device_id = 9");
    import_again(&place);
    expect(&place, 0, 0);
    ck_assert_uint_eq(stored(&place), 0);

    there(&place, "UPDATE connections SET last_registration = 1600000051 WHERE password = 'bobs'");
    import_again(&place);
    expect(&place, 1, 0);
    place_remove(&place);
}
END_TEST

START_TEST(by_hand_what_was_removed_here_comes_back)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    import(&place);
    remove_here(&place, ALICE, 2, LONG_AGO + 50);
    place.order.by_hand = true;
    import(&place);
    expect(&place, 1, 0);
    must_have(&place, ALICE, 2, "alices", "https://push.example/alice", LONG_AGO);
    place_remove(&place);
}
END_TEST

START_TEST(a_date_from_the_future_does_not_win_for_ever)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    there(&place, "UPDATE connections SET last_registration = 9223372036854775807");
    import_again(&place);
    expect(&place, 1, 0);
    struct registry registry;
    load(&place, &registry);
    struct account_key key = key_of(ALICE, 2);
    ck_assert_int_le(registry_find(&registry, &key)->registered_unix, clock_unix());
    registry_fini(&registry);
    struct store_account row = {.key = key,
                                .password = "ours",
                                .endpoint = "https://push.example/ours",
                                .registered_unix = clock_unix() - 100};
    put_here(&place, &row);
    for (int i = 0; i < 2; i++) {
        place.order.by_hand = i;
        import_again(&place);
        expect(&place, 0, 0);
    }
    must_have(&place, ALICE, 2, "ours", "https://push.example/ours", row.registered_unix);
    remove_here(&place, ALICE, 2, clock_unix() - 50);
    place.order.by_hand = false;
    import(&place);
    expect(&place, 0, 0);
    place_remove(&place);
}
END_TEST

/* Its device was unlinked, and another one of the user has taken its place. */
START_TEST(what_was_replaced_here_stays_away)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    import(&place);
    struct store_account heir = {.key = key_of(ALICE, 3),
                                 .password = "heir",
                                 .endpoint = "https://push.example/heir",
                                 .registered_unix = LONG_AGO - 5};
    struct account_key gone = key_of(ALICE, 2);
    store_put_instead(place.store, &heir, &gone, NULL, NULL);
    import_again(&place);
    expect(&place, 0, 0);
    ck_assert_uint_eq(stored(&place), 1);
    place_remove(&place);
}
END_TEST

START_TEST(two_spellings_of_an_id_are_one_account_and_two_devices_are_two)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    there(&place, "INSERT INTO connections SELECT upper(uuid), 2, 'upper', endpoint, 1, 1600000009 "
                  "FROM connections");
    there(&place, "INSERT INTO connections SELECT replace(uuid, 'aaaa', 'AaAa'), 4, 'other', "
                  "endpoint, 0, 1 FROM connections WHERE password = 'alices'");
    import(&place);
    expect(&place, 2, 0);
    ck_assert_uint_eq(place.counts.rows, 3);
    ck_assert_uint_eq(place.counts.forbidden, 1);
    must_have(&place, ALICE, 2, "upper", "https://push.example/alice", LONG_AGO + 9);
    must_have(&place, ALICE, 4, "other", "https://push.example/alice", 1);
    import_again(&place);
    expect(&place, 0, 0);
    place_remove(&place);
}
END_TEST

static void must_not_tell(const char *text)
{
    static const char *const secrets[] = {"aaaaaaaa", "bbbbbbbb",   "alices", "bobs",
                                          "/alice",   "not-a-uuid", "/bob"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        ck_assert_msg(!strcasestr(text, secrets[i]), "%s", text);
}

START_TEST(rows_that_make_no_account_are_counted_and_named_without_ids)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW "," BOB_ROW);
    there(&place,
          "INSERT INTO connections VALUES ('not-a-uuid', 2, 'p', 'https://push.example/alice', 0, "
          "1);"
          "UPDATE connections SET device_id = 0 WHERE password = 'alices';"
          "UPDATE connections SET password = NULL WHERE password = 'bobs'");
    import(&place);
    expect(&place, 0, 0);
    ck_assert_uint_eq(place.counts.refused, 3);
    ck_assert(import_tell_refused(&place.order, &place.counts, text));
    ck_assert_ptr_nonnull(strstr(text, "3 rows of "));
    ck_assert_ptr_nonnull(strstr(text, "row 3: its account id is no UUID"));
    ck_assert_ptr_nonnull(strstr(text, ": its device is not a number from 1 to 127"));
    ck_assert_ptr_nonnull(strstr(text, ": its password is missing"));
    must_not_tell(text);
    import_again(&place); /* said once */
    ck_assert(!import_tell_refused(&place.order, &place.counts, text));
    place.order.by_hand = true;
    import_again(&place); /* whoever asks is told */
    ck_assert(import_tell_refused(&place.order, &place.counts, text));
    place_remove(&place);
}
END_TEST

START_TEST(endpoints_that_cannot_be_rung_are_refused_and_those_of_other_settings_taken)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "");
    static const char *const bad[] = {"NULL",
                                      "''",
                                      "'ftp://push.example/x'",
                                      "'push.example'",
                                      "'https://push.example:x/a'",
                                      "'https://push.0x7f/a'"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "INSERT INTO connections VALUES('%08u-0000-4000-8000-000000000001', 2, 'p', %s, "
                 "0, 1)",
                 i, bad[i]);
        there(&place, sql);
    }
    there(&place, "INSERT INTO connections VALUES('" ALICE
                  "', 2, 'p', 'http://192.168.1.5:8080/up', 0, 1)");
    import(&place);
    expect(&place, 1, 0);
    ck_assert_uint_eq(place.counts.refused, sizeof bad / sizeof *bad);
    ck_assert(import_tell_refused(&place.order, &place.counts, text));
    ck_assert_ptr_nonnull(
        strstr(text, "its endpoint is missing or no web address: register it again"));
    ck_assert_ptr_nonnull(strstr(text, "; and 2 more."));
    ck_assert_uint_eq(place.counts.unreachable, 1);
    ck_assert(import_tell_unreachable(&place.counts, text));
    ck_assert_ptr_nonnull(strstr(text, "push.allowed_endpoints"));
    must_have(&place, ALICE, 2, "p", "http://192.168.1.5:8080/up", 1);
    place_remove(&place);
}
END_TEST

START_TEST(endpoints_are_taken_in_the_one_spelling_that_is_sent)
{
    struct place place;
    char sql[256], uuid[] = "00000000-0000-4000-8000-000000000001";
    static const struct {
        const char *there, *here;
    } rows[] = {
        {"https://m\xc3\xbcnchen.example/up", "https://xn--mnchen-3ya.example/up"},
        {"https://user:p w@push.example/up", "https://user:p%20w@push.example/up"},
        {"https://push.example/up#part", "https://push.example/up"},
        {"https://push.example/u p?\xc3\xa4", "https://push.example/u%20p?%C3%A4"},
        {"HTTPS://Push.example:443/Up", "https://push.example/Up"},
    };
    place_make(&place, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uuid[0] = (char)('1' + i);
        snprintf(sql, sizeof sql, "INSERT INTO connections VALUES('%s', 2, 'p', '%s', 0, 1)", uuid,
                 rows[i].there);
        there(&place, sql);
    }
    import(&place);
    expect(&place, sizeof rows / sizeof *rows, 0);
    ck_assert_uint_eq(place.counts.unreachable, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uuid[0] = (char)('1' + i);
        must_have(&place, uuid, 2, "p", rows[i].here, 1);
    }
    there(&place, "UPDATE connections SET endpoint = 'https://push.example:443/Up',"
                  " last_registration = 2");
    import(&place);
    ck_assert_uint_eq(place.counts.renewed, 4); /* for the fifth it is the same */
    place_remove(&place);
}
END_TEST

START_TEST(accounts_that_the_settings_do_not_allow_are_counted)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "");
    const struct setting *setting = schema_find("accounts.allowed");
    ck_assert_int_eq(schema_set(place.config, setting, BOB, NULL), 0);
    there(&place,
          "INSERT INTO connections VALUES('" ALICE "', 2, 'p', 'https://a.example/up', 0, 1)");
    there(&place,
          "INSERT INTO connections VALUES('" BOB "', 2, 'p', 'https://a.example/up', 0, 1)");
    import(&place);
    expect(&place, 2, 0);
    ck_assert_uint_eq(place.counts.disallowed, 1);
    ck_assert(import_tell_disallowed(&place.counts, text));
    ck_assert_ptr_nonnull(strstr(text, "1 is not on accounts.allowed"));
    import(&place);
    ck_assert(!import_tell_disallowed(&place.counts, text));
    place_remove(&place);
}
END_TEST

/* Whatever the columns hold. */
START_TEST(rows_of_any_content_are_taken_or_refused)
{
    static const char odd_value[] =
        "CASE abs(random() % 40) WHEN 0 THEN NULL WHEN 1 THEN random() WHEN 2 THEN randomblob(20)"
        " WHEN 3 THEN '' WHEN 4 THEN char(27, 10, 34, 37, 110) WHEN 5 THEN random() / 1e10"
        " WHEN 6 THEN replace(hex(zeroblob(4000)), '0', '%s') WHEN 7 THEN 'a' || char(0) || 'b'"
        " ELSE ";
    char sql[4096];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT OR IGNORE INTO connections SELECT "
             "%s printf('%%08d-0000-4000-8000-000000000001', i) END, %s 2 END, %s 'p' END, "
             "%s 'https://push.example/up' || i END, i %% 2, %s i END FROM n",
             ODD_ROWS, odd_value, odd_value, odd_value, odd_value, odd_value);
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, sql);
    import(&place);
    ck_assert_uint_gt(place.counts.rows, ODD_ROWS / 2);
    ck_assert_uint_gt(place.counts.added, 0);
    ck_assert_uint_eq(place.counts.added + place.counts.refused, place.counts.rows);
    ck_assert_uint_eq(stored(&place), place.counts.added);
    ck_assert(import_tell_refused(&place.order, &place.counts, text));
    for (const char *c = text; *c; c++)
        ck_assert(*c >= 0x20 && *c < 0x7f);
    import_again(&place);
    expect(&place, 0, 0);
    place_remove(&place);
}
END_TEST

START_TEST(a_dry_run_tells_and_changes_nothing)
{
    struct place place;
    char text[IMPORT_TEXT_SIZE];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    place.order.only_tell = true;
    import(&place);
    expect(&place, 1, 0);
    import_tell(&place.order, &place.counts, text);
    ck_assert_ptr_nonnull(strstr(text, "Would take 1 account over from "));
    ck_assert_uint_eq(stored(&place), 0);
    /* Beside the process that holds the store, and without one. */
    for (int i = 0; i < 2; i++) {
        struct store *store =
            i ? NULL : store_open_to_read(&place.ops, place.store_path, &place.err);
        ck_assert(i || store);
        ck_assert_int_eq(import_run(store, &place.order, &place.counts, &place.err), 0);
        expect(&place, 1, 0);
        if (store)
            store_close(store);
    }
    place.order.only_tell = false;
    import(&place);
    expect(&place, 1, 0);
    place_remove(&place);
}
END_TEST

static int fail_commit(void *engine, struct err *err)
{
    (void)engine;
    return err_set(err, ERR_IO, "The disk is full.");
}

START_TEST(what_cannot_be_written_is_taken_the_next_time)
{
    struct place place;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW "," BOB_ROW);
    place.ops.commit = fail_commit;
    ck_assert_int_eq(import_run(place.store, &place.order, &place.counts, &place.err), ERR_IO);
    ck_assert_str_eq(place.err.text, "The disk is full.");
    place.ops.commit = store_sqlite.commit;
    reopen(&place);
    ck_assert_uint_eq(stored(&place), 0);
    import(&place);
    expect(&place, 2, 0);
    place_remove(&place);
}
END_TEST

/* The start of the server */

static int start(struct place *place, size_t *added)
{
    place->err = (struct err){0};
    return import_at_start(place->store, place->config, place->policy, NULL, added, &place->err);
}

static void set_database(struct place *place, const char *path)
{
    free(place->config->store_mollysocket);
    place->config->store_mollysocket = path ? strdup(path) : NULL;
}

START_TEST(the_server_finds_it_beside_the_store_or_where_the_setting_says_or_not_at_all)
{
    struct place place;
    size_t added = 9;
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    set_database(&place, "none");
    ck_assert_int_eq(start(&place, &added), 0);
    ck_assert_uint_eq(added, 0);
    set_database(&place, "/nowhere/mollysocket.db");
    ck_assert_int_eq(start(&place, &added), 0);
    ck_assert_uint_eq(added, 0);
    set_database(&place, NULL);
    ck_assert_int_eq(start(&place, &added), 0);
    ck_assert_uint_eq(added, 1);
    there(&place, "INSERT INTO connections VALUES " BOB_ROW);
    set_database(&place, place.path);
    reopen(&place);
    ck_assert_int_eq(start(&place, &added), 0);
    ck_assert_uint_eq(added, 1);
    place_remove(&place);
}
END_TEST

START_TEST(the_server_finds_it_in_the_working_directory)
{
    struct place place;
    size_t added = 9;
    char elsewhere[400], before[1024];
    place_make(&place, "INSERT INTO connections VALUES " ALICE_ROW);
    snprintf(elsewhere, sizeof elsewhere, "%s/work", place.folder);
    ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(chdir(elsewhere), 0);
    ck_assert_int_eq(rename(place.path, "mollysocket.db"), 0);
    ck_assert_int_eq(start(&place, &added), 0);
    ck_assert_uint_eq(added, 1);
    ck_assert_int_eq(chdir(before), 0);
    place_remove(&place);
}
END_TEST

START_TEST(a_store_of_this_name_is_not_taken_for_mollysockets)
{
    struct place place;
    size_t added = 9;
    place_make(&place, "");
    store_close(place.store);
    ck_assert_int_eq(rename(place.store_path, place.path), 0);
    snprintf(place.store_path, sizeof place.store_path, "%s", place.path);
    free(place.config->store_path);
    place.config->store_path = strdup(place.path);
    open_store(&place);
    ck_assert_int_eq(start(&place, &added), 0);
    set_database(&place, place.path); /* that is a mistake */
    ck_assert_int_eq(start(&place, &added), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(place.err.text, "Doorbell's own store"));
    place_remove(&place);
}
END_TEST

START_TEST(one_that_cannot_be_read_ends_the_start_with_the_way_out)
{
    struct place place;
    size_t added = 9;
    place_make(&place, "DROP TABLE connections; CREATE TABLE other(a)");
    ck_assert_int_eq(start(&place, &added), ERR_INVALID);
    ck_assert_msg(strncmp(place.err.text, "store.mollysocket: ", 19) == 0, "%s", place.err.text);
    ck_assert_ptr_nonnull(strstr(place.err.text, place.path));
    ck_assert_ptr_nonnull(strstr(place.err.text, "set store.mollysocket to none"));
    set_database(&place, "none");
    ck_assert_int_eq(start(&place, &added), 0);
    place_remove(&place);
}
END_TEST

UNIT_MAIN("import", every_account_is_taken_and_one_flagged_forbidden_gets_a_fresh_try,
          twice_changes_nothing, a_later_registration_there_is_followed_and_the_debt_stays,
          an_older_or_undated_or_equal_row_changes_nothing_here,
          the_keys_of_an_endpoint_stay_when_only_the_password_is_new,
          what_was_removed_here_stays_away_unless_it_registered_there_later,
          by_hand_what_was_removed_here_comes_back, a_date_from_the_future_does_not_win_for_ever,
          what_was_replaced_here_stays_away,
          two_spellings_of_an_id_are_one_account_and_two_devices_are_two,
          rows_that_make_no_account_are_counted_and_named_without_ids,
          endpoints_that_cannot_be_rung_are_refused_and_those_of_other_settings_taken,
          endpoints_are_taken_in_the_one_spelling_that_is_sent,
          accounts_that_the_settings_do_not_allow_are_counted,
          rows_of_any_content_are_taken_or_refused, a_dry_run_tells_and_changes_nothing,
          what_cannot_be_written_is_taken_the_next_time,
          the_server_finds_it_beside_the_store_or_where_the_setting_says_or_not_at_all,
          the_server_finds_it_in_the_working_directory,
          a_store_of_this_name_is_not_taken_for_mollysockets,
          one_that_cannot_be_read_ends_the_start_with_the_way_out)
