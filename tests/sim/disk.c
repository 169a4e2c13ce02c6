/* The store on its disk: changes wait, are committed in groups in the order in which they were
 * made, and are reported afterwards. A crash keeps a beginning of what waits, as a disk does. */
#include "sim.h"

#include <string.h>

#include "../unit/no_marks.h"
#include "base/clock.h"
#include "store/store.h"

enum { CHANGES_MOST = 512, TROUBLE_MOST_MS = 10 * MINUTE };

enum change_kind { PUT, PUT_INSTEAD, REMOVE, SET_OWED, SET_REFUSED };

struct change {
    enum change_kind kind;
    unsigned account;
    struct disk_row row;
    unsigned gone;  /* PUT_INSTEAD: whose row goes */
    uint64_t acked; /* what is not covered of that one's */
    store_done_fn *done;
    void *arg;
    bool failed;
};

static struct {
    struct change changes[CHANGES_MOST];
    unsigned count, group; /* of them, committed and to be reported */
    struct timer timer;
    enum disk_mode mode;
    int64_t since_ms;
} disk;

static void on_timer(void *arg);

void disk_begin(void)
{
    disk.count = disk.group = 0;
    disk.mode = DISK_WORKS;
    disk.since_ms = 0;
    timer_init(&disk.timer, on_timer, NULL);
}

static int64_t delay_ms(void)
{
    return disk.mode == DISK_SLOW ? 1 + dice(THE_DISK, 30 * SECOND) : dice(THE_DISK, 4) * 3;
}

void disk_behave(enum disk_mode mode)
{
    static const char *const texts[] = {"works", "fails", "fails in part", "is slow"};
    trace("the disk %s", texts[mode]);
    if (disk.mode != mode)
        disk.since_ms = world.now_ms;
    disk.mode = mode;
    if (timer_is_set(&disk.timer))
        outside_set(&disk.timer, delay_ms());
}

int64_t disk_works_since_ms(void)
{
    return disk.mode == DISK_WORKS ? disk.since_ms : FOREVER;
}

bool disk_is_busy(void)
{
    return disk.count > 0;
}

static bool is_writing(void)
{
    return disk.mode == DISK_WORKS || disk.mode == DISK_SLOW;
}

bool disk_loses_nothing(void)
{
    for (unsigned i = 0; i < disk.group; i++)
        if (disk.changes[i].failed)
            return false;
    return is_writing();
}

/* An unlinked device's row is gone: the one in its place owes what it owed. */
static void bequeath(const struct change *change)
{
    struct book *heir = &world.books[change->account];
    world.rows[change->gone].there = false;
    trace("on disk: account %u removed", change->gone);
    if (change->acked > heir->acked)
        heir->acked = change->acked;
}

static void apply(const struct change *change)
{
    struct disk_row *row = &world.rows[change->account];
    const struct disk_row *new = &change->row;
    switch (change->kind) {
    case PUT:
        *row = *new;
        break;
    case PUT_INSTEAD:
        *row = *new;
        bequeath(change);
        break;
    case REMOVE:
        row->there = false;
        break;
    case SET_OWED:
        row->owed = new->owed;
        break;
    case SET_REFUSED:
        row->refused = new->refused;
        break;
    }
    trace("on disk: account %u %s, %s", change->account, row->there ? "there" : "removed",
          row->owed ? "a ring is owed" : "nothing is owed");
    if (row->there)
        check_record(change->account, RECORD, "after a change on disk");
}

/* A try every few seconds for hours would show nothing that minutes do not. */
static void mend(void)
{
    if (disk.mode != DISK_WORKS && world.now_ms - disk.since_ms > TROUBLE_MOST_MS)
        disk_behave(DISK_WORKS);
}

static void commit(void)
{
    mend();
    disk.group = disk.count;
    bool group_fails =
        disk.mode == DISK_FAILS || (disk.mode == DISK_SLOW && dice(THE_DISK, 4) == 0);
    for (unsigned i = 0; i < disk.group; i++) {
        disk.changes[i].failed = group_fails || (disk.mode == DISK_PARTLY && dice(THE_DISK, 2));
        counters[COUNT_FAILED_WRITES] += disk.changes[i].failed;
        if (!disk.changes[i].failed)
            apply(&disk.changes[i]);
    }
    outside_set(&disk.timer, dice(THE_DISK, 3) * 5);
}

static void report(void)
{
    static const struct err full = {.code = ERR_IO, .text = "the disk is full"};
    unsigned group = disk.group;
    for (unsigned i = 0; i < group; i++) {
        struct change *change = &disk.changes[i];
        if (change->done)
            change->done(change->arg, change->failed ? ERR_IO : 0, change->failed ? &full : NULL);
    }
    disk.count -= group;
    memmove(disk.changes, disk.changes + group, disk.count * sizeof *disk.changes);
    disk.group = 0;
    if (disk.count)
        outside_set(&disk.timer, delay_ms());
}

static void on_timer(void *arg)
{
    (void)arg;
    if (disk.group)
        report();
    else
        commit();
}

void disk_process_ended(bool crashed)
{
    unsigned kept = crashed ? dice(THE_DISK, disk.count + 1) : disk.count;
    for (unsigned i = disk.group; i < kept && is_writing(); i++)
        apply(&disk.changes[i]);
    disk.count = disk.group = 0;
    outside_cancel(&disk.timer);
}

/* However long the disk takes, what waits for it is bounded by the number of rows, not by how often
 * they change: one put and one debt of whoever looks after an account now. */
static void check_waiting(unsigned account)
{
    enum { PUTS_MOST = 2 };
    unsigned waiting = 0;
    for (unsigned i = disk.group; i < disk.count; i++)
        waiting += disk.changes[i].account == account && disk.changes[i].kind == PUT &&
                   disk.changes[i].done;
    if (waiting > PUTS_MOST)
        broke(STORM, "account %u: %u puts of its row wait for the disk", account, waiting);
}

/* NULL: nothing is noted any more. */
static struct change *add(enum change_kind kind, const struct account_key *key,
                          const struct disk_row *row, store_done_fn *done, void *arg)
{
    if (world.tearing_down)
        return NULL;
    if (disk.count == CHANGES_MOST) {
        broke(STORM, "more than %d changes wait for the disk", CHANGES_MOST);
        return NULL;
    }
    struct change *change = &disk.changes[disk.count++];
    *change = (struct change){.kind = kind,
                              .account = (unsigned)account_of_key(key),
                              .row = *row,
                              .done = done,
                              .arg = arg};
    check_waiting(change->account);
    if (!timer_is_set(&disk.timer))
        outside_set(&disk.timer, delay_ms());
    return change;
}

/* Short floors are not worth writing: every start waits for a minute where something failed. */
static int64_t written_ms(int64_t at_ms)
{
    enum { WRITTEN_MS = 61 * SECOND };
    int64_t away_ms = clock_boot_ms() - world.now_ms;
    return at_ms != FOREVER && at_ms - world.now_ms > WRITTEN_MS ? at_ms + away_ms : 0;
}

static int64_t most_ms(int64_t at_ms)
{
    return at_ms != FOREVER ? at_ms + clock_boot_ms() - world.now_ms : 0;
}

static void take_floor(struct disk_row *row, const struct endpoint_book *book)
{
    row->demanded_ms = written_ms(book->soonest_ms);
    row->doubled_ms = written_ms(book->doubled_ms);
    row->hard_ms = written_ms(book->finite_ms);
    row->hurried_ms = most_ms(book->hurried_ms);
    row->latest_ms = most_ms(book->latest_ms);
    row->finite_latest_ms = most_ms(book->finite_latest_ms);
    row->counted_ms = most_ms(book->told_ms);
    row->hard = pushes_is_hard(book->answer);
    row->clock_jumps = book->clock_jumps;
    row->answer = book->answer;
    row->alike = book->alike;
    row->failures = book->failures;
    row->time_outs = book->time_outs;
}

struct disk_row disk_row_of(const struct store_account *row)
{
    return (struct disk_row){.there = true,
                             .endpoint = endpoint_read(row->endpoint),
                             .refused = row->refused,
                             .proven = row->endpoint_proven,
                             .state = row->endpoint_state,
                             .status = row->endpoint_status,
                             .keys = row->push_p256dh[KEY_VERSION],
                             .not_before = row->endpoint_not_before_unix,
                             .retry = row->endpoint_retry_unix,
                             .floor = row->endpoint_floor_unix,
                             .repeated = row->endpoint_repeated,
                             .spent_day = row->spent_day,
                             .spent = row->spent,
                             .password = password_read(row->password),
                             .owed = row->owed_since_unix,
                             .registered = row->registered_unix};
}

static struct change *put(enum change_kind kind, const struct store_account *row,
                          store_done_fn *done, void *arg)
{
    struct disk_row to = disk_row_of(row);
    unsigned account = (unsigned)account_of_key(&row->key);
    if (!world.tearing_down)
        use_endpoint(account, to.endpoint, to.keys);
    take_floor(&to, endpoint_book(account));
    to.distance = world.books[account].distance;
    return add(kind, &row->key, &to, done, arg);
}

void store_put(struct store *store, const struct store_account *row, store_done_fn *done, void *arg)
{
    (void)store;
    put(PUT, row, done, arg);
}

/* Returns what it was owed. */
static uint64_t forget_account(unsigned account)
{
    struct book *book = &world.books[account];
    uint64_t acked = is_owed(account) ? book->acked : 0;
    trace("account %u is removed", account);
    book->acked = book->heard = book->covered;
    use_endpoint(account, NOWHERE, 0);
    distance_begin(account);
    book->tests_full_ms = 0;
    memset(book->refused_ms, 0, sizeof book->refused_ms);
    return acked;
}

void store_put_instead(struct store *store, const struct store_account *row,
                       const struct account_key *gone, store_done_fn *done, void *arg)
{
    (void)store;
    struct change *change = put(PUT_INSTEAD, row, done, arg);
    if (!change)
        return;
    change->gone = (unsigned)account_of_key(gone);
    change->acked = forget_account(change->gone);
}

void store_remove(struct store *store, const struct account_key *key, store_done_fn *done,
                  void *arg)
{
    (void)store;
    if (!world.tearing_down)
        forget_account((unsigned)account_of_key(key));
    add(REMOVE, key, &(struct disk_row){0}, done, arg);
}

void store_set_owed(struct store *store, const struct account_key *key, int64_t owed_since_unix,
                    store_done_fn *done, void *arg)
{
    (void)store;
    add(SET_OWED, key, &(struct disk_row){.owed = owed_since_unix}, done, arg);
}

void store_set_refused(struct store *store, const struct account_key *key, bool refused,
                       store_done_fn *done, void *arg)
{
    (void)store;
    add(SET_REFUSED, key, &(struct disk_row){.refused = refused}, done, arg);
}

void store_forget(struct store *store, void *arg)
{
    (void)store;
    for (unsigned i = 0; i < disk.count; i++)
        if (disk.changes[i].arg == arg)
            disk.changes[i].done = NULL;
}

int store_secret(struct store *store, const char *name, uint8_t secret[STORE_SECRET_SIZE],
                 struct err *err)
{
    (void)store;
    (void)name;
    (void)err;
    memset(secret, 7, STORE_SECRET_SIZE);
    return 0;
}

int store_load(struct store *store, void (*each)(void *arg, const struct store_account *row),
               void *arg, struct err *err)
{
    (void)store;
    (void)err;
    for (unsigned i = 0; i < world.accounts; i++) {
        const struct disk_row *row = &world.rows[i];
        char endpoint[ENDPOINT_SIZE], password[PASSWORD_SIZE];
        if (!row->there)
            continue;
        endpoint_write(endpoint, row->endpoint);
        password_write(password, i, row->password);
        struct store_account account = {.password = password,
                                        .endpoint = endpoint,
                                        .has_push_keys = true,
                                        .push_p256dh = {(uint8_t)i, (uint8_t)row->keys},
                                        .push_auth = {(uint8_t)i, (uint8_t)row->keys},
                                        .refused = row->refused,
                                        .endpoint_proven = row->proven,
                                        .endpoint_state = row->state,
                                        .endpoint_status = row->status,
                                        .endpoint_not_before_unix = row->not_before,
                                        .endpoint_retry_unix = row->retry,
                                        .endpoint_floor_unix = row->floor,
                                        .endpoint_repeated = row->repeated,
                                        .spent_day = row->spent_day,
                                        .spent = row->spent,
                                        .registered_unix = row->registered,
                                        .owed_since_unix = row->owed};
        key_of_account(i, &account.key);
        each(arg, &account);
    }
    return 0;
}
