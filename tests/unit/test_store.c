#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "child.h"
#include "store/sqlite.h"
#include "unit.h"

enum { ROWS_MOST = 2048, TEXT_SIZE = 128, FILE_SIZE = 65536 };

/* What the wrapped engine does beside its work, and what it saw. */
static struct {
    _Atomic unsigned puts, commits, rollbacks;
    _Atomic unsigned failing_begins, failing_commits; /* so many of the next ones */
    _Atomic int bad_device;                           /* a put of it cannot be applied; -1: none */
    _Atomic bool gated;                               /* each begin waits for the gate */
    sem_t gate, arrived;                              /* arrived: one waits at the gate */
} probe;

static _Atomic unsigned syncs;

/* SQLite's way to the disk: the linker lets this one win. */
int fdatasync(int descriptor)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, descriptor);
}

static _Atomic unsigned copies_synced;

/* Ours. */
int fsync(int descriptor)
{
    char link[64], name[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, name, sizeof name);
    if (length > 0 && memmem(name, (size_t)length, ".before-v", strlen(".before-v")))
        atomic_fetch_add(&copies_synced, 1);
    return (int)syscall(SYS_fsync, descriptor);
}

static bool take_one(_Atomic unsigned *number)
{
    if (*number == 0)
        return false;
    atomic_fetch_sub(number, 1);
    return true;
}

static void wait_at(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) /* a signal may interrupt it */
        ;
}

static int probe_begin(void *engine, struct err *err)
{
    if (probe.gated) {
        sem_post(&probe.arrived);
        wait_at(&probe.gate);
    }
    if (take_one(&probe.failing_begins))
        return err_set(err, ERR_BUSY, "The file is in use.");
    return store_sqlite.begin(engine, err);
}

static int probe_put(void *engine, const struct store_account *row, struct err *err)
{
    if (row->key.device == probe.bad_device)
        return err_set(err, ERR_INVALID, "This one cannot be stored.");
    atomic_fetch_add(&probe.puts, 1);
    return store_sqlite.put(engine, row, err);
}

static int probe_commit(void *engine, struct err *err)
{
    if (take_one(&probe.failing_commits))
        return err_set(err, ERR_IO, "The disk is full.");
    atomic_fetch_add(&probe.commits, 1);
    return store_sqlite.commit(engine, err);
}

static void probe_rollback(void *engine)
{
    atomic_fetch_add(&probe.rollbacks, 1);
    store_sqlite.rollback(engine);
}

static struct store_ops probed(void)
{
    struct store_ops ops = store_sqlite;
    ops.begin = probe_begin;
    ops.put = probe_put;
    ops.commit = probe_commit;
    ops.rollback = probe_rollback;
    return ops;
}

static void open_gate(void)
{
    probe.gated = false;
    sem_post(&probe.gate); /* for the one that waits */
}

/* A folder of its own, and a loop. */
struct place {
    char folder[256], path[320];
    struct loop loop;
    struct store_ops ops;
    struct store *store;
};

static void place_make(struct place *place)
{
    const char *parent = getenv("TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%s/doorbell-store-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/data/doorbell.db", place->folder);
    loop_init(&place->loop);
    place->ops = probed();
    place->store = NULL;
    memset(&probe, 0, sizeof probe);
    probe.bad_device = -1;
    sem_init(&probe.gate, 0, 0);
    sem_init(&probe.arrived, 0, 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void place_remove(struct place *place)
{
    if (place->store)
        store_close(place->store);
    loop_fini(&place->loop);
    sem_destroy(&probe.gate);
    sem_destroy(&probe.arrived);
    nftw(place->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_it(struct place *place)
{
    struct err err = {0};
    place->store = store_open(&place->ops, place->path, &place->loop, &err);
    ck_assert_msg(place->store != NULL, "%s", err.text);
}

static void close_it(struct place *place)
{
    store_close(place->store);
    place->store = NULL;
}

static void cannot_open(struct place *place, int code, const char *says)
{
    struct err err = {0};
    ck_assert_ptr_null(store_open(&place->ops, place->path, &place->loop, &err));
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" is not in: %s", says, err.text);
    ck_assert_msg(strstr(err.text, place->path) != NULL, "no path in: %s", err.text);
}

/* What the callbacks said. */
struct tally {
    unsigned called, failed;
    int result;
    struct err err;
};

static void count(void *arg, int result, const struct err *err)
{
    struct tally *tally = arg;
    tally->called++;
    ck_assert_int_eq(result != 0, err != NULL);
    if (result == 0)
        return;
    tally->failed++;
    tally->result = result;
    tally->err = *err;
}

static void wait_for(struct place *place, const struct tally *tally, unsigned calls)
{
    while (tally->called < calls)
        uv_run(&place->loop.uv, UV_RUN_ONCE);
    ck_assert_uint_eq(tally->called, calls);
}

static struct store_account a_row(unsigned user, uint8_t device)
{
    struct store_account row = {
        .key = {.messenger = 1, .device = device},
        .password = "a device password",
        .endpoint = "https://push.example/up?id=1",
        .registered_unix = 1700000000,
    };
    memcpy(row.key.uuid, &user, sizeof user);
    return row;
}

static void put(struct place *place, unsigned user, uint8_t device, struct tally *tally)
{
    struct store_account row = a_row(user, device);
    store_put(place->store, &row, count, tally);
}

static void put_and_wait(struct place *place, const struct store_account *row)
{
    struct tally tally = {0};
    store_put(place->store, row, count, &tally);
    wait_for(place, &tally, 1);
    ck_assert_msg(tally.failed == 0, "%s", tally.err.text);
}

struct rows {
    unsigned count;
    struct {
        struct store_account row;
        char password[TEXT_SIZE], endpoint[TEXT_SIZE];
    } all[ROWS_MOST];
};

static void copy_row(void *arg, const struct store_account *row)
{
    struct rows *rows = arg;
    ck_assert_uint_lt(rows->count, ROWS_MOST);
    snprintf(rows->all[rows->count].password, TEXT_SIZE, "%s", row->password);
    snprintf(rows->all[rows->count].endpoint, TEXT_SIZE, "%s", row->endpoint);
    rows->all[rows->count++].row = *row;
}

/* Opens, reads everything and closes; the caller frees it. */
static struct rows *reread(struct place *place)
{
    struct rows *rows = calloc(1, sizeof *rows);
    struct err err = {0};
    if (place->store)
        close_it(place);
    open_it(place);
    ck_assert_msg(store_load(place->store, copy_row, rows, &err) == 0, "%s", err.text);
    close_it(place);
    return rows;
}

static unsigned count_rows(struct place *place)
{
    struct rows *rows = reread(place);
    unsigned number = rows->count;
    free(rows);
    return number;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &message);
    ck_assert_msg(!message, "%s", message);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static size_t read_whole(const char *path, unsigned char bytes[FILE_SIZE])
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(bytes, 1, FILE_SIZE, file);
    fclose(file);
    return length;
}

static void write_at(const char *path, long offset, const void *bytes, size_t length)
{
    FILE *file = fopen(path, offset ? "rb+" : "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, offset, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static unsigned mode_of(const char *path, const char *suffix)
{
    char name[512];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    ck_assert_msg(stat(name, &status) == 0, "%s: %s", name, strerror(errno));
    return status.st_mode & 07777;
}

static bool exists(const char *path, const char *suffix)
{
    char name[512];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

/* SQLite's file format, section 1.3: byte 18 is 2 for WAL, 1 for a rollback journal. */
static bool is_wal(const char *path)
{
    unsigned char *bytes = malloc(FILE_SIZE);
    ck_assert_uint_gt(read_whole(path, bytes), 19);
    bool wal = bytes[18] == 2;
    free(bytes);
    return wal;
}

/* Standard error goes to a file meanwhile. */
static int log_begin(const struct place *place)
{
    char name[512];
    snprintf(name, sizeof name, "%s/log", place->folder);
    int before = dup(STDERR_FILENO), file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(file, 0);
    dup2(file, STDERR_FILENO);
    close(file);
    return before;
}

static void log_end(int before, char *text, size_t size)
{
    ssize_t length = pread(STDERR_FILENO, text, size - 1, 0);
    dup2(before, STDERR_FILENO);
    close(before);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
}

static enum sqlite_journal always_rollback(uint32_t file_system)
{
    (void)file_system;
    return SQLITE_JOURNAL_ROLLBACK;
}

static int open_with_rollback(void **engine, const char *path, struct err *err)
{
    return sqlite_open_with(engine, path, always_rollback, err);
}

START_TEST(all_fields_come_back)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account with_keys = a_row(1, 1), without = a_row(1, 127);
    with_keys.has_push_keys = true;
    memset(with_keys.push_p256dh, 4, sizeof with_keys.push_p256dh);
    memset(with_keys.push_auth, 5, sizeof with_keys.push_auth);
    with_keys.refused = true;
    with_keys.endpoint_proven = true;
    with_keys.endpoint_state = 255;
    with_keys.registered_unix = INT64_MAX;
    with_keys.owed_since_unix = INT64_MIN;
    with_keys.endpoint_status = 599;
    with_keys.endpoint_not_before_unix = INT64_MAX;
    with_keys.endpoint_retry_unix = INT64_MAX - 1;
    with_keys.endpoint_floor_unix = INT64_MAX - 2;
    with_keys.endpoint_repeated = UINT32_MAX;
    with_keys.spent_day = UINT32_MAX;
    with_keys.spent = UINT32_MAX - 1;
    with_keys.key.messenger = 255;
    put_and_wait(&place, &with_keys);
    put_and_wait(&place, &without);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 2);
    unsigned a = rows->all[0].row.key.device == 1 ? 0 : 1;
    const struct store_account *back = &rows->all[a].row;
    ck_assert_mem_eq(&back->key, &with_keys.key, sizeof back->key);
    ck_assert_str_eq(rows->all[a].password, "a device password");
    ck_assert_str_eq(rows->all[a].endpoint, "https://push.example/up?id=1");
    ck_assert(back->has_push_keys && back->refused && back->endpoint_proven);
    ck_assert_mem_eq(back->push_p256dh, with_keys.push_p256dh, sizeof back->push_p256dh);
    ck_assert_mem_eq(back->push_auth, with_keys.push_auth, sizeof back->push_auth);
    ck_assert_uint_eq(back->endpoint_state, 255);
    ck_assert_int_eq(back->registered_unix, INT64_MAX);
    ck_assert_int_eq(back->owed_since_unix, INT64_MIN);
    ck_assert_int_eq(back->endpoint_status, 599);
    ck_assert_int_eq(back->endpoint_not_before_unix, INT64_MAX);
    ck_assert_int_eq(back->endpoint_retry_unix, INT64_MAX - 1);
    ck_assert_int_eq(back->endpoint_floor_unix, INT64_MAX - 2);
    ck_assert_uint_eq(back->endpoint_repeated, UINT32_MAX);
    ck_assert_uint_eq(back->spent_day, UINT32_MAX);
    ck_assert_uint_eq(back->spent, UINT32_MAX - 1);
    back = &rows->all[1 - a].row;
    ck_assert_mem_eq(&back->key, &without.key, sizeof back->key);
    ck_assert(!back->has_push_keys && !back->refused && !back->endpoint_proven);
    ck_assert_uint_eq(back->endpoint_state, 0);
    ck_assert_int_eq(back->registered_unix, 1700000000);
    ck_assert_int_eq(back->owed_since_unix, 0);
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(a_put_replaces_all_of_a_row)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    row.has_push_keys = true;
    row.owed_since_unix = 1;
    put_and_wait(&place, &row);
    row = a_row(1, 1);
    row.password = "another";
    put_and_wait(&place, &row);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 1);
    ck_assert_str_eq(rows->all[0].password, "another");
    ck_assert(!rows->all[0].row.has_push_keys);
    ck_assert_int_eq(rows->all[0].row.owed_since_unix, 0);
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(single_fields_change_and_leave_the_others)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    struct store_account row = a_row(1, 1);
    put(&place, 1, 1, &tally);
    put(&place, 1, 2, &tally);
    put(&place, 2, 1, &tally);
    store_set_owed(place.store, &row.key, 1700000007, count, &tally);
    store_set_refused(place.store, &row.key, true, count, &tally);
    wait_for(&place, &tally, 5);
    ck_assert_uint_eq(tally.failed, 0);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct store_account *back = &rows->all[i].row;
        bool changed = memcmp(&back->key, &row.key, sizeof row.key) == 0;
        ck_assert_int_eq(back->owed_since_unix, changed ? 1700000007 : 0);
        ck_assert_int_eq(back->refused, changed);
        ck_assert_str_eq(rows->all[i].password, "a device password");
    }
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(a_removed_row_is_gone_and_its_neighbours_stay)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    struct store_account row = a_row(1, 1);
    put(&place, 1, 1, &tally);
    put(&place, 1, 2, &tally);
    put(&place, 2, 1, &tally);
    store_remove(place.store, &row.key, count, &tally);
    wait_for(&place, &tally, 4);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_mem_ne(&rows->all[i].row.key, &row.key, sizeof row.key);
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(a_row_takes_the_place_of_another_one_as_a_whole)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    struct store_account old = a_row(1, 1), heir = a_row(1, 2);
    heir.owed_since_unix = 1700000007;
    put(&place, 1, 1, &tally);
    put(&place, 2, 1, &tally);
    store_put_instead(place.store, &heir, &old.key, count, &tally);
    wait_for(&place, &tally, 3);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct store_account *row = &rows->all[i].row;
        bool inherits = memcmp(&row->key, &heir.key, sizeof heir.key) == 0;
        ck_assert_mem_ne(&row->key, &old.key, sizeof old.key);
        ck_assert_int_eq(row->owed_since_unix, inherits ? 1700000007 : 0);
    }
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(a_change_of_a_row_that_is_not_there_succeeds_and_makes_none)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    struct store_account row = a_row(1, 1);
    store_set_owed(place.store, &row.key, 1700000007, count, &tally);
    store_set_refused(place.store, &row.key, true, count, &tally);
    store_remove(place.store, &row.key, count, &tally);
    wait_for(&place, &tally, 3);
    ck_assert_uint_eq(tally.failed, 0);
    ck_assert_uint_eq(count_rows(&place), 0);
    place_remove(&place);
}
END_TEST

START_TEST(the_texts_of_a_change_may_go_at_once)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    char password[] = "secret", endpoint[] = "https://push.example/up";
    struct store_account row = a_row(1, 1);
    row.password = password;
    row.endpoint = endpoint;
    struct tally tally = {0};
    store_put(place.store, &row, count, &tally);
    memset(password, 'x', sizeof password - 1);
    memset(endpoint, 'x', sizeof endpoint - 1);
    open_gate();
    wait_for(&place, &tally, 1);

    struct rows *rows = reread(&place);
    ck_assert_str_eq(rows->all[0].password, "secret");
    ck_assert_str_eq(rows->all[0].endpoint, "https://push.example/up");
    free(rows);
    place_remove(&place);
}
END_TEST

struct numbered {
    unsigned number;
    unsigned *next;
    pthread_t thread;
};

static void expect_number(void *arg, int result, const struct err *err)
{
    const struct numbered *numbered = arg;
    (void)err;
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(numbered->number, *numbered->next);
    ck_assert(pthread_equal(numbered->thread, pthread_self()));
    ++*numbered->next;
}

START_TEST(callbacks_come_on_the_loop_in_the_order_of_the_changes)
{
    enum { CHANGES = 300 };
    struct place place;
    place_make(&place);
    open_it(&place);
    unsigned next = 0;
    struct numbered numbered[CHANGES];
    for (unsigned i = 0; i < CHANGES; i++) {
        struct store_account row = a_row(i / 3, 1);
        numbered[i] = (struct numbered){i, &next, pthread_self()};
        if (i % 3 == 0)
            store_put(place.store, &row, expect_number, &numbered[i]);
        else if (i % 3 == 1)
            store_set_owed(place.store, &row.key, 7, expect_number, &numbered[i]);
        else
            store_set_refused(place.store, &row.key, true, expect_number, &numbered[i]);
        ck_assert_uint_eq(next, 0); /* never before the loop runs */
    }
    while (next < CHANGES)
        uv_run(&place.loop.uv, UV_RUN_ONCE);
    place_remove(&place);
}
END_TEST

START_TEST(changes_that_wait_share_a_commit)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    struct tally tally = {0};
    for (unsigned i = 0; i < 1001; i++)
        put(&place, i, 1, &tally);
    open_gate();
    wait_for(&place, &tally, 1001);
    ck_assert_uint_eq(tally.failed, 0);
    ck_assert_uint_le(probe.commits, 2); /* what the thread had taken, and the rest */
    ck_assert_uint_eq(count_rows(&place), 1001);
    place_remove(&place);
}
END_TEST

START_TEST(of_several_puts_of_a_row_that_wait_the_last_is_written)
{
    enum { CHANGES = 40 };
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    struct tally first = {0};
    put(&place, 1, 1, &first);
    wait_at(&probe.arrived); /* it has taken that one */
    unsigned next = 0;
    struct numbered numbered[CHANGES];
    for (unsigned i = 0; i < CHANGES; i++) {
        struct store_account row = a_row(2, i % 2 ? 1 : 2);
        row.registered_unix = i;
        numbered[i] = (struct numbered){i, &next, pthread_self()};
        if (i % 8 == 5)
            store_set_owed(place.store, &row.key, i, expect_number, &numbered[i]);
        else
            store_put(place.store, &row, expect_number, &numbered[i]);
    }
    open_gate();
    while (next < CHANGES)
        uv_run(&place.loop.uv, UV_RUN_ONCE);
    ck_assert_uint_eq(probe.puts, 3);
    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 3);
    for (unsigned i = 0; i < rows->count; i++) {
        const struct store_account *row = &rows->all[i].row;
        if (row->registered_unix < CHANGES)
            ck_assert_int_eq(row->registered_unix, row->key.device == 1 ? 39 : 38);
        ck_assert_int_eq(row->owed_since_unix, 0);
    }
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(puts_of_a_row_are_written_singly_where_one_of_them_cannot_be)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    probe.bad_device = 13;
    struct tally first = {0}, good = {0}, bad = {0};
    put(&place, 1, 1, &first);
    wait_at(&probe.arrived);
    put(&place, 1, 13, &bad);
    put(&place, 1, 2, &good);
    put(&place, 1, 13, &bad);
    put(&place, 1, 2, &good);
    open_gate();
    wait_for(&place, &bad, 2);
    wait_for(&place, &good, 2);
    ck_assert_uint_eq(bad.failed, 2);
    ck_assert_int_eq(bad.result, ERR_INVALID);
    ck_assert_uint_eq(good.failed, 0);
    ck_assert_uint_eq(probe.puts, 3);
    ck_assert_uint_eq(count_rows(&place), 2);
    place_remove(&place);
}
END_TEST

START_TEST(a_change_that_cannot_be_applied_fails_alone)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    probe.bad_device = 13;
    int before = log_begin(&place);
    struct tally first = {0}, good = {0}, bad = {0};
    put(&place, 1, 1, &first);
    put(&place, 1, 2, &good);
    put(&place, 1, 13, &bad);
    put(&place, 1, 3, &good);
    open_gate();
    wait_for(&place, &first, 1);
    wait_for(&place, &good, 2);
    wait_for(&place, &bad, 1);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert_uint_eq(first.failed + good.failed, 0);
    ck_assert_int_eq(bad.result, ERR_INVALID);
    ck_assert_str_eq(bad.err.text, "This one cannot be stored.");
    ck_assert_ptr_nonnull(strstr(log, "not be written to the store: 1. This one"));

    put(&place, 1, 4, &good);
    wait_for(&place, &good, 3);
    ck_assert_uint_eq(good.failed, 0);
    ck_assert_uint_eq(count_rows(&place), 4);
    place_remove(&place);
}
END_TEST

START_TEST(a_commit_that_fails_fails_its_group_and_no_other)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    probe.failing_commits = 1;
    int before = log_begin(&place);
    struct tally failing = {0};
    put(&place, 1, 1, &failing);
    open_gate();
    wait_for(&place, &failing, 1);
    ck_assert_int_eq(failing.result, ERR_IO);
    ck_assert_str_eq(failing.err.text, "The disk is full.");

    struct tally tally = {0};
    put(&place, 1, 2, &tally);
    wait_for(&place, &tally, 1);
    ck_assert_uint_eq(tally.failed, 0);
    char log[1024];
    log_end(before, log, sizeof log);

    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 1);
    ck_assert_uint_eq(rows->all[0].row.key.device, 2);
    free(rows);
    place_remove(&place);
}
END_TEST

START_TEST(every_change_of_a_failed_commit_is_told)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    int before = log_begin(&place);
    struct tally tally = {0};
    /* Whatever the thread takes as its first group, two commits cover all of it. */
    probe.gated = true;
    probe.failing_commits = 2;
    for (unsigned i = 0; i < 100; i++)
        put(&place, i, 1, &tally);
    open_gate();
    wait_for(&place, &tally, 100);
    ck_assert_uint_eq(tally.failed, 100);
    ck_assert_int_eq(tally.result, ERR_IO);
    ck_assert_uint_eq(probe.commits, 0);
    ck_assert_uint_eq(probe.rollbacks, 2 - probe.failing_commits);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert_uint_eq(count_rows(&place), 0);
    place_remove(&place);
}
END_TEST

START_TEST(since_when_it_writes_is_told_while_it_does)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    ck_assert_int_eq(store_writing_since_ms(place.store), 0);
    probe.gated = true;
    int64_t before_ms = clock_ms();
    struct tally tally = {0};
    put(&place, 1, 1, &tally);
    wait_at(&probe.arrived);
    ck_assert_int_ge(store_writing_since_ms(place.store), before_ms);
    ck_assert_int_le(store_writing_since_ms(place.store), clock_ms());
    open_gate();
    wait_for(&place, &tally, 1);
    ck_assert_int_eq(store_writing_since_ms(place.store), 0);
    place_remove(&place);
}
END_TEST

START_TEST(a_transaction_that_cannot_begin_fails_its_group)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    int before = log_begin(&place);
    struct tally tally = {0};
    probe.failing_begins = 1;
    put(&place, 1, 1, &tally);
    wait_for(&place, &tally, 1);
    ck_assert_int_eq(tally.result, ERR_BUSY);
    ck_assert_uint_eq(probe.rollbacks, 0);
    char log[1024];
    log_end(before, log, sizeof log);
    put(&place, 1, 1, &tally);
    wait_for(&place, &tally, 2);
    ck_assert_uint_eq(tally.failed, 1);
    place_remove(&place);
}
END_TEST

START_TEST(rows_that_could_not_be_read_again_are_not_written)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    int before = log_begin(&place);
    struct tally good = {0}, bad = {0};
    struct store_account row = a_row(1, 0);
    put(&place, 1, 1, &good);
    store_put(place.store, &row, count, &bad);
    row = a_row(1, 128);
    store_put(place.store, &row, count, &bad);
    row = a_row(1, 2);
    row.password = NULL;
    store_put(place.store, &row, count, &bad);
    row.password = "";
    store_put(place.store, &row, count, &bad);
    row = a_row(1, 2);
    row.endpoint = NULL;
    store_put(place.store, &row, count, &bad);
    row.endpoint = "";
    store_put(place.store, &row, count, &bad);
    row = a_row(1, 2);
    row.key.messenger = 0;
    store_put(place.store, &row, count, &bad);
    put(&place, 1, 2, &good);
    wait_for(&place, &bad, 7);
    wait_for(&place, &good, 2);
    char log[4096];
    log_end(before, log, sizeof log);
    ck_assert_uint_eq(bad.failed, 7);
    ck_assert_int_eq(bad.result, ERR_INVALID);
    ck_assert_uint_eq(good.failed, 0);
    ck_assert_uint_eq(count_rows(&place), 2);
    place_remove(&place);
}
END_TEST

START_TEST(broken_rows_are_passed_over_and_stay)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    close_it(&place);
    run_sql(place.path,
            "INSERT INTO accounts(messenger, uuid, device, password, endpoint, p256dh, auth,"
            " refused, endpoint_proven, endpoint_state, registered_unix, owed_since_unix,"
            " endpoint_status, endpoint_not_before_unix) VALUES"
            "(1,x'0102',1,'secret-word','https://e/',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),0,'secret-word','https://e/',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),257,'secret-word','https://e/',NULL,NULL,0,0,0,0,0,0,0),"
            "(0,zeroblob(16),1,'secret-word','https://e/',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),2,'','https://e/',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),3,'secret-word','',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),4,'secret-word','https://e/'||char(0)||'x',NULL,NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),5,'secret-word','https://e/',zeroblob(65),NULL,0,0,0,0,0,0,0),"
            "(1,zeroblob(16),6,'secret-word','https://e/',NULL,zeroblob(16),0,0,0,0,0,0,0),"
            "(1,zeroblob(16),7,'secret-word','https://e/',zeroblob(64),zeroblob(16),0,0,0,0,0,0,0),"
            "(1,zeroblob(16),8,'secret-word','https://e/',NULL,NULL,0,0,256,0,0,0,0),"
            "(1,zeroblob(16),9,printf('%.*c',5000,'p'),'https://e/',NULL,NULL,0,0,0,0,0,0,0)");
    int before = log_begin(&place);
    unsigned first = count_rows(&place), second = count_rows(&place);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 1);
    ck_assert_ptr_nonnull(strstr(log, "passed over, not removed: 12"));
    ck_assert_ptr_null(strstr(log, "secret-word"));
    ck_assert_ptr_null(strstr(log, "https:"));
    place_remove(&place);
}
END_TEST

START_TEST(forgotten_callbacks_are_not_called_and_the_changes_stay)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    struct tally gone = {0}, here = {0};
    put(&place, 1, 1, &gone);
    wait_at(&probe.arrived);
    put(&place, 1, 2, &gone);
    put(&place, 1, 3, &here);
    sem_post(&probe.gate);
    wait_at(&probe.arrived);
    put(&place, 1, 4, &gone);
    /* Now the first is written, the next two are being written, the last one waits. */
    store_forget(place.store, &gone);
    open_gate();
    wait_for(&place, &here, 1);
    put(&place, 1, 5, &here);
    wait_for(&place, &here, 2);
    ck_assert_uint_eq(gone.called, 0);
    ck_assert_uint_eq(count_rows(&place), 5);
    place_remove(&place);
}
END_TEST

struct forgetter {
    struct store *store;
    struct tally *other;
    bool called;
};

static void forget_other(void *arg, int result, const struct err *err)
{
    struct forgetter *forgetter = arg;
    (void)result, (void)err;
    forgetter->called = true;
    store_forget(forgetter->store, forgetter->other);
}

START_TEST(a_callback_may_forget_another_of_the_same_group)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    probe.gated = true;
    struct tally gone = {0}, last = {0};
    struct forgetter forgetter = {place.store, &gone, false};
    struct store_account row = a_row(1, 1);
    store_put(place.store, &row, forget_other, &forgetter);
    put(&place, 1, 2, &gone);
    put(&place, 1, 3, &last);
    open_gate();
    wait_for(&place, &last, 1);
    ck_assert(forgetter.called);
    ck_assert_uint_eq(gone.called, 0);
    place_remove(&place);
}
END_TEST

START_TEST(closing_writes_what_waits_and_calls_what_is_left)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    for (unsigned i = 0; i < 100; i++)
        put(&place, i, 1, &tally);
    struct store_account row = a_row(100, 1);
    store_put(place.store, &row, NULL, NULL);
    close_it(&place);
    ck_assert_uint_eq(tally.called, 100);
    ck_assert_uint_eq(tally.failed, 0);
    ck_assert_uint_eq(count_rows(&place), 101);
    place_remove(&place);
}
END_TEST

struct chain {
    struct store *store;
    uint8_t device, last;
};

static void put_next(void *arg, int result, const struct err *err)
{
    struct chain *chain = arg;
    (void)err;
    ck_assert_int_eq(result, 0);
    if (chain->device == chain->last)
        return;
    struct store_account row = a_row(1, ++chain->device);
    store_put(chain->store, &row, put_next, chain);
}

START_TEST(changes_that_callbacks_make_while_it_closes_are_written)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct chain chain = {place.store, 1, 4};
    struct store_account row = a_row(1, 1);
    store_put(place.store, &row, put_next, &chain);
    close_it(&place);
    ck_assert_uint_eq(chain.device, 4);
    ck_assert_uint_eq(count_rows(&place), 4);
    place_remove(&place);
}
END_TEST

START_TEST(a_callback_without_end_does_not_keep_it_open)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct chain chain = {place.store, 1, 127};
    struct store_account row = a_row(1, 1);
    store_put(place.store, &row, put_next, &chain);
    close_it(&place);
    ck_assert_uint_lt(chain.device, 127);
    ck_assert_uint_eq(count_rows(&place), chain.device); /* the last one is written, too */
    place_remove(&place);
}
END_TEST

START_TEST(a_store_that_was_never_changed_closes)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    close_it(&place);
    ck_assert_uint_eq(count_rows(&place), 0);
    place_remove(&place);
}
END_TEST

START_TEST(a_second_process_may_not_open_it)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store *first = place.store;
    cannot_open(&place, ERR_BUSY, "Another doorbell process holds the store");
    cannot_open(&place, ERR_BUSY, "control socket");
    store_close(first);
    open_it(&place);
    place_remove(&place);
}
END_TEST

START_TEST(nobody_else_can_read_it)
{
    struct place place;
    place_make(&place);
    snprintf(place.path, sizeof place.path, "%s/a/b/doorbell.db", place.folder);
    mode_t before = umask(0);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    ck_assert_uint_eq(mode_of(place.folder, "/a"), 0700);
    ck_assert_uint_eq(mode_of(place.folder, "/a/b"), 0700);
    ck_assert_uint_eq(mode_of(place.path, ""), 0600);
    ck_assert_uint_eq(mode_of(place.path, "-wal"), 0600);
    ck_assert_uint_eq(mode_of(place.path, "-shm"), 0600);
    ck_assert_uint_eq(mode_of(place.path, ".lock"), 0600);
    close_it(&place);

    ck_assert_int_eq(chmod(place.path, 0644), 0); /* as a restored backup may be */
    open_it(&place);
    put_and_wait(&place, &row);
    ck_assert_uint_eq(mode_of(place.path, ""), 0600);
    ck_assert_uint_eq(mode_of(place.path, "-wal"), 0600);
    ck_assert_uint_eq(mode_of(place.path, "-shm"), 0600);
    umask(before);
    place_remove(&place);
}
END_TEST

START_TEST(the_mode_of_a_folder_that_is_there_stays)
{
    struct place place;
    place_make(&place);
    snprintf(place.path, sizeof place.path, "%s/doorbell.db", place.folder);
    ck_assert_int_eq(chmod(place.folder, 0750), 0);
    open_it(&place);
    ck_assert_uint_eq(mode_of(place.folder, ""), 0750);
    place_remove(&place);
}
END_TEST

START_TEST(a_path_that_cannot_be_is_told)
{
    struct place place;
    place_make(&place);
    char file[512];
    struct err err;
    snprintf(file, sizeof file, "%s/file", place.folder);
    write_at(file, 0, "", 0);
    snprintf(place.path, sizeof place.path, "%s/file/doorbell.db", place.folder);
    ck_assert_ptr_null(store_open(&place.ops, place.path, &place.loop, &err));
    ck_assert_int_eq(err.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "Not a directory"));
    ck_assert_ptr_null(store_open(&place.ops, "", &place.loop, &err));
    ck_assert_int_eq(err.code, ERR_INVALID);
    place_remove(&place);
}
END_TEST

START_TEST(a_newer_schema_names_the_oldest_copy_that_is_there)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    close_it(&place);
    run_sql(place.path, "PRAGMA user_version = 9");
    const char *copies[] = {".before-v5", ".before-v9",
                            ".before-v7"}; /* 6 and 8 were passed over */
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        char copy[600];
        snprintf(copy, sizeof copy, "%s%s", place.path, copies[i]);
        ck_assert_int_eq(close(open(copy, O_WRONLY | O_CREAT, 0600)), 0);
    }
    cannot_open(&place, ERR_NOT_NOW, "doorbell.db.before-v7, the copy that the upgrade made");
    place_remove(&place);
}
END_TEST

START_TEST(a_newer_schema_is_refused_and_left_alone)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    close_it(&place);
    run_sql(place.path, "PRAGMA user_version = 6");
    cannot_open(&place, ERR_NOT_NOW,
                "newer Doorbell (schema 6, this one knows 5). Install the newer one again.");
    run_sql(place.path, "PRAGMA user_version = 2147483647");
    cannot_open(&place, ERR_NOT_NOW, "Install the newer one again.");
    run_sql(place.path, "PRAGMA user_version = 5");
    ck_assert_uint_eq(count_rows(&place), 1);
    place_remove(&place);
}
END_TEST

#define TO_THIRD_SCHEMA                                                                            \
    "ALTER TABLE accounts DROP COLUMN endpoint_retry_unix;"                                        \
    "ALTER TABLE accounts DROP COLUMN endpoint_floor_unix;"                                        \
    "ALTER TABLE accounts DROP COLUMN endpoint_repeated;"                                          \
    "ALTER TABLE accounts DROP COLUMN spent_day;"                                                  \
    "ALTER TABLE accounts DROP COLUMN spent;"                                                      \
    "PRAGMA user_version = 3;"

/* Undoes all steps of the schema but the first. */
static const char to_first_schema[] =
    TO_THIRD_SCHEMA "DROP TABLE marks;"
                    "ALTER TABLE accounts DROP COLUMN endpoint_status;"
                    "ALTER TABLE accounts DROP COLUMN endpoint_not_before_unix;"
                    "PRAGMA user_version = 1";

START_TEST(an_older_schema_is_upgraded_and_a_copy_is_kept)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    row.owed_since_unix = 7;
    put_and_wait(&place, &row);
    close_it(&place);
    for (unsigned i = 0; i < 2; i++) { /* the second copy takes the place of the first */
        run_sql(place.path, to_first_schema);
        copies_synced = 0;
        struct rows *rows = reread(&place);
        ck_assert_uint_eq(rows->count, 1);
        ck_assert_int_eq(rows->all[0].row.owed_since_unix, 7);
        ck_assert_int_eq(rows->all[0].row.endpoint_not_before_unix, 0);
        ck_assert_uint_eq(copies_synced, 1);
        free(rows);
    }
    ck_assert_uint_eq(mode_of(place.path, ".before-v5"), 0600);
    ck_assert(!exists(place.path, ".before-v5.new"));
    char copy[600];
    snprintf(copy, sizeof copy, "%s.before-v5", place.path);
    run_sql(copy, "INSERT INTO accounts SELECT 1, zeroblob(16), 2, password, endpoint, NULL, NULL, "
                  "0, 0, 0, 0, 0 FROM accounts"); /* the first schema, with its row */
    ck_assert_int_eq(rename(copy, place.path), 0);
    ck_assert_uint_eq(count_rows(&place), 2);
    place_remove(&place);
}
END_TEST

START_TEST(the_third_schema_keeps_what_it_knows_of_an_endpoint)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    row.endpoint_status = 429;
    row.endpoint_not_before_unix = 1800000000;
    row.endpoint_retry_unix = 1800000007;
    row.spent = 9;
    put_and_wait(&place, &row);
    close_it(&place);
    run_sql(place.path, TO_THIRD_SCHEMA);
    struct rows *rows = reread(&place);
    ck_assert_uint_eq(rows->count, 1);
    const struct store_account *back = &rows->all[0].row;
    ck_assert_int_eq(back->endpoint_status, 429);
    ck_assert_int_eq(back->endpoint_not_before_unix, 1800000000);
    ck_assert_int_eq(back->endpoint_retry_unix, 0);
    ck_assert_int_eq(back->endpoint_floor_unix, 0);
    ck_assert_uint_eq(back->endpoint_repeated, 0);
    ck_assert_uint_eq(back->spent_day, 0);
    ck_assert_uint_eq(back->spent, 0);
    free(rows);
    ck_assert_uint_eq(mode_of(place.path, ".before-v5"), 0600);
    place_remove(&place);
}
END_TEST

START_TEST(an_upgrade_without_room_for_the_copy_changes_nothing)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    close_it(&place);
    run_sql(place.path, to_first_schema);
    char copy[600];
    snprintf(copy, sizeof copy, "%s.before-v5", place.path);
    ck_assert_int_eq(mkdir(copy, 0700), 0); /* in its way */
    cannot_open(&place, ERR_IO, "the copy that is made before an upgrade");
    rmdir(copy);
    ck_assert_uint_eq(count_rows(&place), 1);
    place_remove(&place);
}
END_TEST

/* Files may grow to `size` and no further. */
static void limit_files(rlim_t size)
{
    const struct rlimit limit = {size, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_copy_that_ends_half_way_leaves_the_one_before_and_no_half)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    for (uint8_t device = 1; device <= 100; device++) {
        struct store_account row = a_row(1, device);
        put_and_wait(&place, &row);
    }
    close_it(&place);
    run_sql(place.path, to_first_schema);
    run_sql(place.path, "CREATE TABLE large(content BLOB) STRICT;"
                        "INSERT INTO large VALUES (zeroblob(1000000))");
    char copy[600];
    unsigned char text[FILE_SIZE];
    snprintf(copy, sizeof copy, "%s.before-v5", place.path);
    write_at(copy, 0, "earlier", strlen("earlier"));
    limit_files(500000);
    cannot_open(&place, ERR_IO, "the copy that is made before an upgrade");
    limit_files(RLIM_INFINITY);
    ck_assert_uint_eq(read_whole(copy, text), strlen("earlier"));
    ck_assert(!exists(place.path, ".before-v5.new"));
    ck_assert_uint_eq(count_rows(&place), 100);
    ck_assert_uint_gt(read_whole(copy, text), strlen("earlier"));
    place_remove(&place);
}
END_TEST

static void refused_untouched(struct place *place, const char *sql, const char *says)
{
    snprintf(place->path, sizeof place->path, "%s/other.db", place->folder);
    remove(place->path);
    run_sql(place->path, sql);
    unsigned char *before = malloc(FILE_SIZE), *after = malloc(FILE_SIZE);
    size_t length = read_whole(place->path, before);
    ck_assert_int_eq(chmod(place->path, 0644), 0);
    cannot_open(place, ERR_INVALID, says);
    ck_assert_uint_eq(mode_of(place->path, ""), 0644);
    ck_assert_uint_eq(read_whole(place->path, after), length);
    ck_assert_mem_eq(before, after, length);
    free(before);
    free(after);
}

START_TEST(databases_of_others_are_refused_and_left_alone)
{
    struct place place;
    place_make(&place);
    refused_untouched(&place, "CREATE TABLE connections(uuid TEXT UNIQUE ON CONFLICT REPLACE)",
                      "MollySocket's database");
    refused_untouched(&place, "CREATE TABLE other(a)", "another application's database");
    refused_untouched(&place, "PRAGMA application_id = 5; CREATE TABLE accounts(a)",
                      "another application's database");
    refused_untouched(&place, "PRAGMA user_version = 1; CREATE TABLE accounts(a)",
                      "another application's database");
    place_remove(&place);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused_and_left_alone)
{
    struct place place;
    place_make(&place);
    snprintf(place.path, sizeof place.path, "%s/notes.txt", place.folder);
    char text[2000], after[FILE_SIZE];
    memset(text, 'x', sizeof text);
    write_at(place.path, 0, text, sizeof text);
    cannot_open(&place, ERR_INVALID, "is damaged or not a database");
    ck_assert_uint_eq(read_whole(place.path, (unsigned char *)after), sizeof text);
    ck_assert_mem_eq(after, text, sizeof text);
    place_remove(&place);
}
END_TEST

START_TEST(a_damaged_file_is_refused)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct tally tally = {0};
    for (unsigned i = 0; i < 100; i++)
        put(&place, i, 1, &tally);
    close_it(&place);
    unsigned char page[4096];
    memset(page, 0xa5, sizeof page);
    write_at(place.path, 2 * (long)sizeof page, page, sizeof page);
    cannot_open(&place, ERR_INVALID, "is damaged or not a database");
    cannot_open(&place, ERR_INVALID, "Put a backup in its place");
    place_remove(&place);
}
END_TEST

START_TEST(an_empty_file_becomes_a_store)
{
    struct place place;
    place_make(&place);
    snprintf(place.path, sizeof place.path, "%s/doorbell.db", place.folder);
    write_at(place.path, 0, "", 0);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    ck_assert_uint_eq(count_rows(&place), 1);
    place_remove(&place);
}
END_TEST

START_TEST(a_secret_is_random_and_stays)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    uint8_t first[STORE_SECRET_SIZE], other[STORE_SECRET_SIZE], again[STORE_SECRET_SIZE];
    struct err err;
    ck_assert_int_eq(store_secret(place.store, "pseudonym", first, &err), 0);
    ck_assert_int_eq(store_secret(place.store, "another", other, &err), 0);
    ck_assert_mem_ne(first, other, sizeof first);
    ck_assert_int_eq(sodium_is_zero(first, sizeof first), 0);
    ck_assert_int_eq(store_secret(place.store, "pseudonym", again, &err), 0);
    ck_assert_mem_eq(again, first, sizeof first);
    close_it(&place);
    open_it(&place);
    memset(again, 0, sizeof again);
    ck_assert_int_eq(store_secret(place.store, "pseudonym", again, &err), 0);
    ck_assert_mem_eq(again, first, sizeof first);
    close_it(&place);
    run_sql(place.path, "UPDATE secrets SET value = x'00' WHERE name = 'pseudonym'");
    open_it(&place);
    ck_assert_int_eq(store_secret(place.store, "pseudonym", again, &err), ERR_INVALID);
    place_remove(&place);
}
END_TEST

static int64_t marked_at(struct place *place, uint8_t first_byte)
{
    uint8_t mark[STORE_MARK_SIZE] = {first_byte};
    struct err err = {0};
    int64_t at_unix = -1;
    ck_assert_msg(store_marked(place->store, mark, &at_unix, &err) == 0, "%s", err.text);
    return at_unix;
}

START_TEST(a_mark_stays_with_its_last_date)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    uint8_t mark[STORE_MARK_SIZE] = {7};
    ck_assert_int_eq(marked_at(&place, 7), 0);
    store_mark(place.store, mark, 100);
    store_mark(place.store, mark, 200);
    close_it(&place);
    open_it(&place);
    ck_assert_int_eq(marked_at(&place, 7), 200);
    ck_assert_int_eq(marked_at(&place, 8), 0);
    place_remove(&place);
}
END_TEST

START_TEST(a_mark_that_is_taken_back_leaves_nothing_behind)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    uint8_t mark[STORE_MARK_SIZE] = {7};
    store_mark(place.store, mark, 100);
    store_mark(place.store, mark, 0);
    close_it(&place);
    run_sql(place.path, "CREATE TABLE none(marks CHECK(marks = 0));"
                        "INSERT INTO none SELECT count(*) FROM marks; DROP TABLE none");
    open_it(&place);
    ck_assert_int_eq(marked_at(&place, 7), 0);
    place_remove(&place);
}
END_TEST

START_TEST(an_intake_is_written_as_a_whole_or_not_at_all)
{
    struct place place;
    struct err err = {0};
    place_make(&place);
    open_it(&place);
    struct store_account rows[] = {a_row(1, 1), a_row(2, 200)};
    uint8_t marks[1][STORE_MARK_SIZE] = {{7}};
    struct store_intake intake = {
        .rows = rows, .row_count = 2, .marks = marks, .mark_count = 1, .at_unix = 100};
    ck_assert_int_eq(store_take(place.store, &intake, &err), ERR_INVALID); /* no such device */
    ck_assert_uint_eq(probe.rollbacks, 1);
    ck_assert_int_eq(marked_at(&place, 7), 0);
    ck_assert_uint_eq(count_rows(&place), 0);
    rows[1].key.device = 2;
    open_it(&place);
    probe.failing_commits = 1;
    ck_assert_int_eq(store_take(place.store, &intake, &err), ERR_IO);
    ck_assert_int_eq(marked_at(&place, 7), 0);
    ck_assert_int_eq(store_take(place.store, &intake, &err), 0);
    ck_assert_int_eq(marked_at(&place, 7), 100);
    ck_assert_uint_eq(count_rows(&place), 2);
    place_remove(&place);
}
END_TEST

static void count_read(void *arg, const struct store_account *row)
{
    (void)row;
    ++*(unsigned *)arg;
}

/* From a process of its own, as the command line does it. */
static unsigned count_beside(struct place *place)
{
    unsigned count = 0;
    struct err err = {0};
    struct store *reader = store_open_to_read(&place->ops, place->path, &err);
    ck_assert_msg(reader != NULL, "%s", err.text);
    ck_assert_int_eq(store_load(reader, count_read, &count, &err), 0);
    store_close(reader);
    return count;
}

START_TEST(whoever_only_reads_sees_what_is_committed_beside_the_one_that_writes)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    for (unsigned i = 1; i <= 3; i++) {
        struct store_account row = a_row(i, 1);
        put_and_wait(&place, &row);
        pid_t child = fork();
        if (child == 0)
            _exit((int)count_beside(&place));
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        ck_assert_uint_eq((unsigned)WEXITSTATUS(status), i);
    }
    close_it(&place);
    ck_assert_uint_eq(count_beside(&place), 3);
    place_remove(&place);
}
END_TEST

START_TEST(whoever_only_reads_makes_and_upgrades_nothing)
{
    struct place place;
    struct err err = {0};
    place_make(&place);
    ck_assert_ptr_null(store_open_to_read(&place.ops, place.path, &err));
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_int_ne(access(place.path, F_OK), 0);
    open_it(&place);
    close_it(&place);
    run_sql(place.path, to_first_schema);
    ck_assert_ptr_null(store_open_to_read(&place.ops, place.path, &err));
    ck_assert_int_eq(err.code, ERR_NOT_NOW);
    ck_assert_ptr_nonnull(strstr(err.text, "Start the server of this version once"));
    run_sql(place.path, "PRAGMA user_version = 6");
    ck_assert_ptr_null(store_open_to_read(&place.ops, place.path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "newer Doorbell"));
    place_remove(&place);
}
END_TEST

/* Sealing */

static const char seal_key[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static bool has_password_in_clear(struct place *place)
{
    struct rows *rows = reread(place);
    ck_assert_uint_eq(rows->count, 1);
    bool is_clear = strcmp(rows->all[0].password, "a device password") == 0;
    free(rows);
    return is_clear;
}

static void put_one(struct place *place)
{
    struct store_account row = a_row(1, 1);
    open_it(place);
    put_and_wait(place, &row);
    close_it(place);
}

static int use_seal(struct place *place, struct err *err)
{
    struct seal *seal = seal_from_text(seal_key, err);
    open_it(place);
    int result = store_use_seal(place->store, seal, err);
    close_it(place);
    seal_free(seal);
    return result;
}

START_TEST(a_seal_that_cannot_be_committed_leaves_all_passwords_as_they_were)
{
    struct place place;
    struct err err = {0};
    place_make(&place);
    put_one(&place);
    probe.failing_commits = 1;
    ck_assert_int_eq(use_seal(&place, &err), ERR_IO);
    ck_assert(has_password_in_clear(&place));
    ck_assert_int_eq(use_seal(&place, &err), 0);
    ck_assert(!has_password_in_clear(&place));
    place_remove(&place);
}
END_TEST

static bool contains(const char *path, const char *text)
{
    unsigned char *bytes = malloc(FILE_SIZE);
    size_t length = read_whole(path, bytes);
    bool found = memmem(bytes, length, text, strlen(text)) != NULL;
    free(bytes);
    return found;
}

START_TEST(what_a_killed_sealing_left_in_the_file_is_removed_at_the_next_start)
{
    struct place place;
    struct err err = {0};
    place_make(&place);
    put_one(&place);
    ck_assert_int_eq(use_seal(&place, &err), 0);
    /* As if it had been killed between the commit and the end; without secure_delete. */
    run_sql(place.path, "PRAGMA secure_delete = OFF;"
                        "INSERT INTO secrets(name, value) VALUES('seal-rest', zeroblob(32));"
                        "CREATE TABLE old(a); INSERT INTO old VALUES('in the clear: a-password');"
                        "DELETE FROM old; DROP TABLE old; PRAGMA wal_checkpoint(TRUNCATE)");
    ck_assert(contains(place.path, "in the clear: a-password"));
    ck_assert_int_eq(use_seal(&place, &err), 0);
    ck_assert(!contains(place.path, "in the clear: a-password"));
    ck_assert(!contains(place.path, "seal-rest"));
    place_remove(&place);
}
END_TEST

START_TEST(file_systems_without_shared_memory_are_known)
{
    ck_assert_int_eq(sqlite_journal_for(EXT4_SUPER_MAGIC), SQLITE_JOURNAL_WAL);
    ck_assert_int_eq(sqlite_journal_for(BTRFS_SUPER_MAGIC), SQLITE_JOURNAL_WAL);
    ck_assert_int_eq(sqlite_journal_for(TMPFS_MAGIC), SQLITE_JOURNAL_WAL);
    ck_assert_int_eq(sqlite_journal_for(OVERLAYFS_SUPER_MAGIC), SQLITE_JOURNAL_WAL);
    ck_assert_int_eq(sqlite_journal_for(NFS_SUPER_MAGIC), SQLITE_JOURNAL_ROLLBACK);
    ck_assert_int_eq(sqlite_journal_for(CIFS_SUPER_MAGIC), SQLITE_JOURNAL_ROLLBACK);
    ck_assert_int_eq(sqlite_journal_for(SMB2_SUPER_MAGIC), SQLITE_JOURNAL_ROLLBACK);
    ck_assert_int_eq(sqlite_journal_for(FUSE_SUPER_MAGIC), SQLITE_JOURNAL_ROLLBACK);
    ck_assert_int_eq(sqlite_journal_for(V9FS_MAGIC), SQLITE_JOURNAL_ROLLBACK);
}
END_TEST

START_TEST(without_shared_memory_it_uses_a_rollback_journal_and_says_so_once)
{
    struct place place;
    place_make(&place);
    place.ops.open = open_with_rollback;
    int before = log_begin(&place);
    open_it(&place);
    char log[1024];
    log_end(before, log, sizeof log);
    const char *line = strstr(log, "uses a rollback journal");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_eq(strchr(log, '\n'), strrchr(log, '\n'));
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    ck_assert(!is_wal(place.path));
    ck_assert(!exists(place.path, "-wal") && !exists(place.path, "-shm"));
    /* A backup can read and even write while it is open: it is not locked exclusively. */
    run_sql(place.path, "UPDATE accounts SET owed_since_unix = 8");
    put_and_wait(&place,
                 &(struct store_account){.key = {1, 2, {0}}, .password = "p", .endpoint = "e"});
    before = log_begin(&place);
    ck_assert_uint_eq(count_rows(&place), 2);
    log_end(before, log, sizeof log);
    place_remove(&place);
}
END_TEST

START_TEST(a_store_that_moved_to_such_a_file_system_keeps_its_rows)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    close_it(&place);
    ck_assert(is_wal(place.path));
    place.ops.open = open_with_rollback;
    int before = log_begin(&place);
    ck_assert_uint_eq(count_rows(&place), 1);
    ck_assert(!is_wal(place.path));
    place.ops.open = store_sqlite.open; /* and back */
    ck_assert_uint_eq(count_rows(&place), 1);
    ck_assert(is_wal(place.path));
    char log[1024];
    log_end(before, log, sizeof log);
    place_remove(&place);
}
END_TEST

/* SQLite lets its system calls be replaced; NULL brings back the real one. */
static void replace_call(const char *name, sqlite3_syscall_ptr call)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    ck_assert_int_eq(vfs->xSetSystemCall(vfs, name, call), SQLITE_OK);
}

static void *no_mapping(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
    (void)at, (void)length, (void)protection, (void)flags, (void)file, (void)offset;
    errno = ENODEV;
    return MAP_FAILED;
}

START_TEST(where_shared_memory_fails_it_uses_a_rollback_journal)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    close_it(&place);
    int before = log_begin(&place);
    replace_call("mmap", (sqlite3_syscall_ptr)no_mapping);
    ck_assert_uint_eq(count_rows(&place), 1); /* a file in WAL mode */
    ck_assert(!is_wal(place.path));
    ck_assert_uint_eq(count_rows(&place), 1); /* one that is not, when WAL is tried again */
    ck_assert(!is_wal(place.path));
    ck_assert_int_eq(remove(place.path), 0);
    ck_assert_uint_eq(count_rows(&place), 0); /* and a new one */
    ck_assert(!is_wal(place.path));
    replace_call("mmap", NULL);
    char log[2048];
    log_end(before, log, sizeof log);
    ck_assert_ptr_nonnull(strstr(log, "uses a rollback journal"));
    place_remove(&place);
}
END_TEST

START_TEST(a_store_that_cannot_be_written_is_refused)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    close_it(&place);
    char folder[512];
    snprintf(folder, sizeof folder, "%s-shm", place.path);
    ck_assert_int_eq(mkdir(folder, 0700), 0); /* not even root can write a file of this name now */
    cannot_open(&place, ERR_IO, "cannot be written");
    ck_assert_int_eq(rmdir(folder), 0);
    open_it(&place);
    place_remove(&place);
}
END_TEST

static ssize_t no_room(int descriptor, const void *bytes, size_t length, off_t offset)
{
    (void)descriptor, (void)bytes, (void)length, (void)offset;
    errno = ENOSPC;
    return -1;
}

static void fill_disk(bool full)
{
    replace_call("pwrite64", full ? (sqlite3_syscall_ptr)no_room : NULL);
    replace_call("write", full ? (sqlite3_syscall_ptr)no_room : NULL);
}

START_TEST(a_full_disk_fails_changes_until_there_is_room)
{
    struct place place;
    place_make(&place);
    open_it(&place);
    struct store_account row = a_row(1, 1);
    put_and_wait(&place, &row);
    int before = log_begin(&place);
    struct tally failing = {0}, later = {0};
    fill_disk(true);
    put(&place, 1, 2, &failing);
    put(&place, 1, 3, &failing);
    wait_for(&place, &failing, 2);
    fill_disk(false);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert_uint_eq(failing.failed, 2);
    ck_assert_int_eq(failing.result, ERR_IO);
    ck_assert_ptr_nonnull(strstr(failing.err.text, "is full"));
    put(&place, 1, 4, &later);
    wait_for(&place, &later, 1);
    ck_assert_uint_eq(later.failed, 0);
    ck_assert_uint_eq(count_rows(&place), 2);
    place_remove(&place);
}
END_TEST

static void note_syncs(void *arg, int result, const struct err *err)
{
    unsigned *at_callback = arg;
    (void)err;
    ck_assert_int_eq(result, 0);
    *at_callback = syncs;
}

START_TEST(a_change_is_on_the_disk_before_its_callback)
{
    struct place place;
    for (int rollback = 0; rollback < 2; rollback++) {
        place_make(&place);
        if (rollback)
            place.ops.open = open_with_rollback;
        int log_before = log_begin(&place);
        open_it(&place);
        struct store_account row = a_row(1, 1);
        put_and_wait(&place, &row); /* what the first one syncs beside itself is out of the way */
        unsigned before = syncs, at_callback = 0;
        store_set_owed(place.store, &row.key, 7, note_syncs, &at_callback);
        while (!at_callback)
            uv_run(&place.loop.uv, UV_RUN_ONCE);
        ck_assert_uint_gt(at_callback, before);
        char log[1024];
        log_end(log_before, log, sizeof log);
        place_remove(&place);
    }
}
END_TEST

/* A child writes a row, says so, and is killed. */
static void write_and_die(struct place *place)
{
    int report[2];
    ck_assert_int_eq(pipe(report), 0);
    pid_t child = fork_endless();
    if (child == 0) {
        struct loop loop;
        struct err err;
        struct tally tally = {0};
        loop_init(&loop);
        place->store = store_open(&place->ops, place->path, &loop, &err);
        if (!place->store)
            _exit(1);
        put(place, 1, 1, &tally);
        while (!tally.called)
            uv_run(&loop.uv, UV_RUN_ONCE);
        if (tally.failed || write(report[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(report[1]);
    char byte;
    ck_assert_int_eq(read(report[0], &byte, 1), 1);
    close(report[0]);

    struct err err;
    ck_assert_ptr_null(store_open(&place->ops, place->path, &place->loop, &err));
    ck_assert_int_eq(err.code, ERR_BUSY);
    int status;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(what_was_called_back_survives_a_kill)
{
    struct place place;
    place_make(&place);
    write_and_die(&place);
    ck_assert(exists(place.path, "-wal"));
    ck_assert_uint_eq(count_rows(&place), 1);
    place_remove(&place);
}
END_TEST

START_TEST(a_log_that_a_kill_left_is_read_without_shared_memory)
{
    struct place place;
    place_make(&place);
    write_and_die(&place);
    ck_assert(exists(place.path, "-wal"));
    place.ops.open = open_with_rollback;
    int before = log_begin(&place);
    ck_assert_uint_eq(count_rows(&place), 1);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert(!exists(place.path, "-wal"));
    place_remove(&place);
}
END_TEST

/* As a user who may start no thread. Ends the process: 0 when the change failed as it should. */
static void write_without_thread(struct place *place)
{
    const uid_t nobody = 65534;
    struct rlimit none = {0, 0};
    struct loop loop;
    struct err err;
    struct tally tally = {0};
    if (geteuid() == 0 && (chown(place->folder, nobody, nobody) != 0 || setuid(nobody) != 0))
        _exit(0); /* in a sandbox that does not let us try */
    loop_init(&loop);
    place->store = store_open(&place->ops, place->path, &loop, &err);
    if (!place->store || setrlimit(RLIMIT_NPROC, &none) != 0)
        _exit(1);
    put(place, 1, 1, &tally);
    bool early = tally.called != 0;
    while (!tally.called)
        uv_run(&loop.uv, UV_RUN_ONCE);
    put(place, 1, 2, &tally);
    store_close(place->store);
    loop_fini(&loop);
    _exit(!early && tally.called == 2 && tally.failed == 2 && tally.result == ERR_IO ? 0 : 2);
}

START_TEST(without_a_thread_changes_fail_on_the_loop)
{
    struct place place;
    place_make(&place);
    int before = log_begin(&place);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        write_without_thread(&place);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    char log[1024];
    log_end(before, log, sizeof log);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    place_remove(&place);
}
END_TEST

UNIT_MAIN(
    "store", all_fields_come_back, a_put_replaces_all_of_a_row,
    single_fields_change_and_leave_the_others, a_removed_row_is_gone_and_its_neighbours_stay,
    a_row_takes_the_place_of_another_one_as_a_whole,
    a_change_of_a_row_that_is_not_there_succeeds_and_makes_none,
    the_texts_of_a_change_may_go_at_once, callbacks_come_on_the_loop_in_the_order_of_the_changes,
    changes_that_wait_share_a_commit, of_several_puts_of_a_row_that_wait_the_last_is_written,
    puts_of_a_row_are_written_singly_where_one_of_them_cannot_be,
    a_change_that_cannot_be_applied_fails_alone, a_commit_that_fails_fails_its_group_and_no_other,
    every_change_of_a_failed_commit_is_told, since_when_it_writes_is_told_while_it_does,
    a_transaction_that_cannot_begin_fails_its_group,
    rows_that_could_not_be_read_again_are_not_written, broken_rows_are_passed_over_and_stay,
    forgotten_callbacks_are_not_called_and_the_changes_stay,
    a_callback_may_forget_another_of_the_same_group,
    closing_writes_what_waits_and_calls_what_is_left,
    changes_that_callbacks_make_while_it_closes_are_written,
    a_callback_without_end_does_not_keep_it_open, a_store_that_was_never_changed_closes,
    a_second_process_may_not_open_it, nobody_else_can_read_it,
    the_mode_of_a_folder_that_is_there_stays, a_path_that_cannot_be_is_told,
    a_newer_schema_is_refused_and_left_alone, a_newer_schema_names_the_oldest_copy_that_is_there,
    an_older_schema_is_upgraded_and_a_copy_is_kept,
    the_third_schema_keeps_what_it_knows_of_an_endpoint,
    an_upgrade_without_room_for_the_copy_changes_nothing,
    a_copy_that_ends_half_way_leaves_the_one_before_and_no_half,
    databases_of_others_are_refused_and_left_alone,
    a_file_that_is_no_database_is_refused_and_left_alone, a_damaged_file_is_refused,
    an_empty_file_becomes_a_store, a_secret_is_random_and_stays, a_mark_stays_with_its_last_date,
    a_mark_that_is_taken_back_leaves_nothing_behind, an_intake_is_written_as_a_whole_or_not_at_all,
    whoever_only_reads_sees_what_is_committed_beside_the_one_that_writes,
    a_seal_that_cannot_be_committed_leaves_all_passwords_as_they_were,
    what_a_killed_sealing_left_in_the_file_is_removed_at_the_next_start,
    whoever_only_reads_makes_and_upgrades_nothing, file_systems_without_shared_memory_are_known,
    without_shared_memory_it_uses_a_rollback_journal_and_says_so_once,
    a_store_that_moved_to_such_a_file_system_keeps_its_rows,
    where_shared_memory_fails_it_uses_a_rollback_journal, a_store_that_cannot_be_written_is_refused,
    a_full_disk_fails_changes_until_there_is_room, a_change_is_on_the_disk_before_its_callback,
    what_was_called_back_survives_a_kill, without_a_thread_changes_fail_on_the_loop,
    a_log_that_a_kill_left_is_read_without_shared_memory)
