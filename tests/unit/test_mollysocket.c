#include "store/mollysocket.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "unit.h"

enum { ROWS_MOST = 64, TEXT_SIZE = 96, FILE_SIZE = 1 << 20, NOBODY = 65534, DYNAMIC = 61234 };

#define COLUMNS                                                                                    \
    "uuid TEXT UNIQUE ON CONFLICT REPLACE, device_id INTEGER, password TEXT, endpoint TEXT, "      \
    "forbidden BOOLEAN NOT NULL CHECK (forbidden IN (0, 1))"
#define TABLE "CREATE TABLE connections(" COLUMNS ", last_registration INTEGER);"

/* Two folders: one with the database, one for copies. */
struct place {
    char folder[256], theirs[320], path[400], scratch[320];
};

static void place_make(struct place *place)
{
    const char *parent = getenv("TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%s/doorbell-molly-XXXXXX",
             parent ? parent : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->theirs, sizeof place->theirs, "%s/theirs", place->folder);
    snprintf(place->scratch, sizeof place->scratch, "%s/ours", place->folder);
    snprintf(place->path, sizeof place->path, "%s/mollysocket.db", place->theirs);
    ck_assert_int_eq(mkdir(place->theirs, 0755), 0);
    ck_assert_int_eq(mkdir(place->scratch, 0700), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static void place_remove(struct place *place)
{
    nftw(place->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run_sql(sqlite3 *db, const char *sql)
{
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
}

static void make_database(const struct place *place, const char *sql)
{
    sqlite3 *db = open_database(place->path);
    run_sql(db, sql);
    sqlite3_close(db);
}

/* All that is in their folder: names and bytes. */
struct picture {
    unsigned files;
    unsigned char hash[crypto_generichash_BYTES];
};

static int by_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static struct picture take_picture(const struct place *place)
{
    struct picture picture = {0};
    struct dirent **entries;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof picture.hash);
    int count = scandir(place->theirs, &entries, by_name, alphasort);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++) {
        char path[700];
        unsigned char *bytes = malloc(FILE_SIZE);
        snprintf(path, sizeof path, "%s/%s", place->theirs, entries[i]->d_name);
        FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        size_t length = fread(bytes, 1, FILE_SIZE, file);
        ck_assert_uint_lt(length, FILE_SIZE);
        fclose(file);
        crypto_generichash_update(&state, (const unsigned char *)entries[i]->d_name,
                                  strlen(entries[i]->d_name) + 1);
        crypto_generichash_update(&state, bytes, length);
        free(bytes);
        free(entries[i]);
        picture.files++;
    }
    free(entries);
    crypto_generichash_final(&state, picture.hash, sizeof picture.hash);
    return picture;
}

static bool is_empty_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, by_name, alphasort);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return count == 0;
}

struct kept_row {
    struct mollysocket_row row;
    char uuid[TEXT_SIZE], password[TEXT_SIZE], endpoint[TEXT_SIZE];
};

struct rows {
    struct kept_row all[ROWS_MOST];
    unsigned count;
};

static void keep_text(char *to, const char *from)
{
    snprintf(to, TEXT_SIZE, "%s", from ? from : "(none)");
}

static void keep(void *arg, const struct mollysocket_row *row)
{
    struct rows *rows = arg;
    ck_assert_uint_lt(rows->count, ROWS_MOST);
    struct kept_row *kept = &rows->all[rows->count++];
    kept->row = *row;
    keep_text(kept->uuid, row->uuid);
    keep_text(kept->password, row->password);
    keep_text(kept->endpoint, row->endpoint);
}

/* Reads, and holds that nothing in their folder changed and nothing is left in ours. */
static void read_rows(const struct place *place, struct rows *rows)
{
    struct err err = {0};
    struct picture before = take_picture(place);
    *rows = (struct rows){0};
    int result = mollysocket_read(place->path, place->scratch, keep, rows, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    struct picture after = take_picture(place);
    ck_assert_uint_eq(after.files, before.files);
    ck_assert_mem_eq(after.hash, before.hash, sizeof before.hash);
    ck_assert(is_empty_folder(place->scratch));
}

static void cannot_read(const struct place *place, int code, const char *says)
{
    struct err err = {0};
    struct rows rows = {0};
    int result = mollysocket_read(place->path, place->scratch, keep, &rows, &err);
    ck_assert_int_eq(result, code);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" is not in: %s", says, err.text);
    ck_assert_msg(strncmp(err.text, place->path, strlen(place->path)) == 0, "%s", err.text);
    ck_assert_uint_eq(rows.count, 0);
    ck_assert(is_empty_folder(place->scratch));
}

START_TEST(rows_come_as_they_are_the_oldest_registration_first)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place, TABLE "INSERT INTO connections VALUES"
                                "('B', 2, 'pb', 'eb', 1, 300),"
                                "('a', 3, 'pa', 'ea', 0, 200),"
                                "('c', 127, 'pc', 'ec', 0, NULL)");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 3);
    ck_assert_str_eq(rows.all[0].uuid, "c");
    ck_assert_int_eq(rows.all[0].row.number, 3);
    ck_assert_int_eq(rows.all[0].row.registered_unix, 0);
    ck_assert_str_eq(rows.all[1].uuid, "a");
    ck_assert_str_eq(rows.all[1].password, "pa");
    ck_assert_str_eq(rows.all[1].endpoint, "ea");
    ck_assert_int_eq(rows.all[1].row.device, 3);
    ck_assert(!rows.all[1].row.forbidden);
    ck_assert_str_eq(rows.all[2].uuid, "B");
    ck_assert(rows.all[2].row.forbidden);
    ck_assert_int_eq(rows.all[2].row.registered_unix, 300);
    place_remove(&place);
}
END_TEST

START_TEST(values_of_any_type_are_read_or_left_out)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place,
                  TABLE "INSERT INTO connections VALUES"
                        "(NULL, NULL, NULL, NULL, 0, -5),"
                        "(1234, 'two', x'414200', 5.5, 1, 'soon'),"
                        "(x'4142', 9223372036854775807, zeroblob(500000), '', 0, 2.5),"
                        "(printf('%5000c', 'x'), -9223372036854775808, 'a' || char(0) || 'b', "
                        "x'ff', 0, 9223372036854775807)");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 4);
    for (unsigned i = 0; i < rows.count; i++) {
        const struct kept_row *kept = &rows.all[i];
        ck_assert_int_ge(kept->row.registered_unix, 0);
        switch (kept->row.number) {
        case 1:
            ck_assert_str_eq(kept->uuid, "(none)");
            ck_assert_int_eq(kept->row.device, 0);
            ck_assert_int_eq(kept->row.registered_unix, 0);
            break;
        case 2:
            ck_assert_str_eq(kept->uuid, "1234");
            ck_assert_int_eq(kept->row.device, 0);
            ck_assert_str_eq(kept->password, "(none)");
            ck_assert_str_eq(kept->endpoint, "5.5");
            ck_assert(kept->row.forbidden);
            break;
        case 3:
            ck_assert_str_eq(kept->uuid, "AB");
            ck_assert_int_eq(kept->row.device, INT64_MAX);
            ck_assert_str_eq(kept->password, "(none)");
            ck_assert_str_eq(kept->endpoint, "");
            break;
        default:
            ck_assert_str_eq(kept->uuid, "(none)");
            ck_assert_int_eq(kept->row.device, INT64_MIN);
            ck_assert_str_eq(kept->password, "(none)");
            ck_assert_int_eq(kept->row.registered_unix, INT64_MAX);
        }
    }
    place_remove(&place);
}
END_TEST

START_TEST(a_database_of_an_old_version_has_no_dates)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place, "CREATE TABLE connections(" COLUMNS ");"
                          "INSERT INTO connections VALUES('a', 2, 'p', 'e', 0)");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 1);
    ck_assert_int_eq(rows.all[0].row.registered_unix, 0);
    ck_assert_str_eq(rows.all[0].endpoint, "e");
    place_remove(&place);
}
END_TEST

START_TEST(a_database_without_tables_or_bytes_has_no_rows)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place, "");
    fclose(fopen(place.path, "a"));
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 0);
    make_database(&place, "CREATE TABLE a(b); DROP TABLE a");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 0);
    place_remove(&place);
}
END_TEST

static void copy_as(const char *from, const char *to, const char *suffix)
{
    char source[700], target[700];
    unsigned char *bytes = malloc(FILE_SIZE);
    snprintf(source, sizeof source, "%s%s", from, suffix);
    snprintf(target, sizeof target, "%s%s", to, suffix);
    FILE *read = fopen(source, "r"), *write = fopen(target, "w");
    ck_assert_ptr_nonnull(read);
    ck_assert_ptr_nonnull(write);
    size_t length = fread(bytes, 1, FILE_SIZE, read);
    ck_assert_uint_eq(fwrite(bytes, 1, length, write), length);
    fclose(read);
    fclose(write);
    free(bytes);
}

/* In WAL mode, with its last row in the log only: what a kill leaves. */
static void make_wal_database(const struct place *place, bool shared_memory)
{
    char live[400];
    snprintf(live, sizeof live, "%s/live.db", place->folder);
    sqlite3 *db = open_database(live);
    run_sql(db, "PRAGMA journal_mode = WAL;" TABLE
                "INSERT INTO connections VALUES('in-the-file', 2, 'p', 'e', 0, 1);"
                "PRAGMA wal_checkpoint(TRUNCATE);"
                "INSERT INTO connections VALUES('in-the-log', 2, 'p', 'e', 0, 2)");
    copy_as(live, place->path, "");
    copy_as(live, place->path, "-wal");
    if (shared_memory)
        copy_as(live, place->path, "-shm");
    sqlite3_close(db);
}

static void read_wal(int i)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_wal_database(&place, i);
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 2);
    ck_assert_str_eq(rows.all[0].uuid, "in-the-file");
    ck_assert_str_eq(rows.all[1].uuid, "in-the-log");
    place_remove(&place);
}

START_TEST(a_database_in_wal_mode_is_read_with_its_log_and_nothing_is_written_beside_it)
{
    for (int i = 0; i < 2; i++)
        read_wal(i);
}
END_TEST

START_TEST(a_database_in_wal_mode_that_was_closed_is_read)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place, "PRAGMA journal_mode = WAL;" TABLE
                          "INSERT INTO connections VALUES('a', 2, 'p', 'e', 0, 1)");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 1);
    place_remove(&place);
}
END_TEST

/* A process that dies in the middle of a change which was too big for its memory. */
static void cut_a_change_off(const struct place *place)
{
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        if (sqlite3_open(place->path, &db) != SQLITE_OK ||
            sqlite3_exec(db,
                         "PRAGMA cache_size = 1; BEGIN;"
                         "UPDATE connections SET password = 'half' || hex(randomblob(500)), "
                         "forbidden = 1;"
                         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                         "i < 400) INSERT INTO connections SELECT 'new' || i, 2, "
                         "hex(randomblob(200)), 'e', 0, 9 FROM n",
                         NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    char journal[500];
    struct stat found;
    snprintf(journal, sizeof journal, "%s-journal", place->path);
    ck_assert_int_eq(stat(journal, &found), 0);
    ck_assert_int_gt(found.st_size, 0);
}

START_TEST(a_change_that_was_cut_off_is_left_out_and_its_journal_left_there)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    make_database(&place, TABLE "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                                "WHERE i < 60) INSERT INTO connections SELECT 'a' || i, 2, "
                                "'whole' || hex(randomblob(500)), 'e', 0, i FROM n");
    cut_a_change_off(&place);
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 60);
    for (unsigned i = 0; i < rows.count; i++) {
        ck_assert_int_eq(strncmp(rows.all[i].password, "whole", 5), 0);
        ck_assert(!rows.all[i].row.forbidden);
    }
    place_remove(&place);
}
END_TEST

static void become(const struct place *place, uid_t user)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chmod(place->folder, 0755), 0);
    ck_assert_int_eq(chown(place->scratch, user, user), 0);
    ck_assert_int_eq(seteuid(user), 0);
}

static void become_nobody(const struct place *place)
{
    become(place, NOBODY);
}

static void become_root_again(void)
{
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}

static void read_as_nobody(int i)
{
    struct place place;
    struct rows rows;
    place_make(&place);
    if (i == 0)
        make_database(&place, TABLE "INSERT INTO connections VALUES('a', 2, 'p', 'e', 0, 1)");
    else
        make_wal_database(&place, i == 1);
    ck_assert_int_eq(chmod(place.path, 0444), 0);
    ck_assert_int_eq(chmod(place.theirs, 0555), 0);
    become_nobody(&place);
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, i == 0 ? 1 : 2);
    become_root_again();
    chmod(place.theirs, 0755);
    place_remove(&place);
}

START_TEST(the_right_to_read_is_enough_in_a_folder_that_cannot_be_written)
{
    for (int i = 0; i < 3; i++)
        read_as_nobody(i);
}
END_TEST

START_TEST(one_that_may_not_be_read_is_told_with_the_fix)
{
    struct place place;
    place_make(&place);
    make_database(&place, TABLE);
    ck_assert_int_eq(chmod(place.path, 0), 0);
    become_nobody(&place);
    cannot_read(&place, ERR_IO, "chown");
    become_root_again();
    place_remove(&place);
}
END_TEST

/* Whose files are somebody else's after the next start. */
START_TEST(a_service_with_a_user_of_the_moment_is_told_no_chown)
{
    struct place place;
    struct rows rows = {0};
    struct err err = {0};
    if (geteuid() != 0)
        return;
    place_make(&place);
    make_database(&place, TABLE);
    ck_assert_int_eq(chmod(place.path, 0), 0);
    become(&place, DYNAMIC);
    ck_assert_int_eq(mollysocket_read(place.path, place.scratch, keep, &rows, &err), ERR_IO);
    ck_assert_ptr_null(strstr(err.text, "chown"));
    ck_assert_ptr_nonnull(strstr(err.text, "run as root: doorbell import"));
    become_root_again();
    place_remove(&place);
}
END_TEST

START_TEST(what_is_not_mollysockets_database_is_told)
{
    struct place place;
    place_make(&place);
    cannot_read(&place, ERR_NOT_FOUND, "does not exist");
    FILE *file = fopen(place.path, "w");
    for (int i = 0; i < 500; i++)
        fputs("no database ", file);
    fclose(file);
    cannot_read(&place, ERR_INVALID, "not a database");
    remove(place.path);
    make_database(&place, "CREATE TABLE accounts(uuid)");
    cannot_read(&place, ERR_INVALID, "not MollySocket's database");
    make_database(&place, "CREATE TABLE connections(uuid TEXT)");
    cannot_read(&place, ERR_INVALID, "not MollySocket's database");
    remove(place.path);
    ck_assert_int_eq(mkdir(place.path, 0755), 0);
    cannot_read(&place, ERR_IO, "Is a directory");
    remove(place.path);
    ck_assert_int_eq(mkfifo(place.path, 0644), 0);
    cannot_read(&place, ERR_INVALID, "is not a file");
    place_remove(&place);
}
END_TEST

START_TEST(a_damaged_one_is_told)
{
    struct place place;
    struct err err;
    struct rows rows = {0};
    place_make(&place);
    make_database(&place, TABLE "INSERT INTO connections VALUES('a', 2, hex(zeroblob(9000)), 'e', "
                                "0, 1)");
    int file = open(place.path, O_WRONLY);
    unsigned char page[4096];
    memset(page, 0xa5, sizeof page);
    ck_assert_int_eq(pwrite(file, page, sizeof page, sizeof page), sizeof page);
    close(file);
    ck_assert_int_eq(mollysocket_read(place.path, place.scratch, keep, &rows, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
    place_remove(&place);
}
END_TEST

START_TEST(without_room_for_the_copy_it_says_so)
{
    struct place place;
    place_make(&place);
    make_wal_database(&place, false);
    rmdir(place.scratch);
    struct err err = {0};
    struct rows rows = {0};
    ck_assert_int_eq(mollysocket_read(place.path, place.scratch, keep, &rows, &err), ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, place.scratch));
    ck_assert_uint_eq(rows.count, 0);
    place_remove(&place);
}
END_TEST

/* Behind what it may have for a copy, without the bytes. */
START_TEST(one_that_is_too_large_for_a_copy_is_told_with_the_fix)
{
    struct place place;
    char log[500];
    place_make(&place);
    make_database(&place, "PRAGMA journal_mode = WAL;" TABLE);
    snprintf(log, sizeof log, "%s-wal", place.path);
    int file = open(log, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(file, (off_t)1 << 31), 0);
    close(file);
    struct err err = {0};
    struct rows rows = {0};
    ck_assert_int_eq(mollysocket_read(place.path, place.scratch, keep, &rows, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "with 2048 MB it is too large"));
    ck_assert_ptr_nonnull(strstr(err.text, "PRAGMA journal_mode = DELETE"));
    ck_assert(is_empty_folder(place.scratch));
    place_remove(&place);
}
END_TEST

/* Copies that were left */

static void make_left(const struct place *place, const char *name, mode_t mode, const char *inside)
{
    char folder[400], file[500];
    snprintf(folder, sizeof folder, "%s/%s", place->scratch, name);
    snprintf(file, sizeof file, "%s/%s", folder, inside);
    ck_assert_int_eq(mkdir(folder, mode), 0);
    ck_assert_int_eq(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
}

static bool is_there(const struct place *place, const char *name)
{
    char path[900];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", place->scratch, name);
    return lstat(path, &status) == 0;
}

START_TEST(a_copy_that_a_kill_left_is_removed)
{
    static const char *const inside[] = {"copy", "copy-wal", "copy-journal", "copy-shm"};
    struct place place;
    place_make(&place);
    for (int i = 0; i < 4; i++) {
        char name[] = ".doorbell-copy-Ab3xY0";
        name[strlen(name) - 1] = (char)('0' + i);
        make_left(&place, name, 0700, inside[i]);
    }
    mollysocket_forget_copies(place.scratch);
    ck_assert(is_empty_folder(place.scratch));
    mollysocket_forget_copies("/nowhere/at-all");
    place_remove(&place);
}
END_TEST

START_TEST(what_is_no_copy_or_is_in_use_stays)
{
    static const struct {
        const char *name, *inside;
        mode_t mode;
    } others[] = {
        {".doorbell-copy-Ab3xY", "copy", 0700},  {".doorbell-copy-Ab3xY0z", "copy", 0700},
        {".doorbell_copy-Ab3xY0", "copy", 0700}, {".doorbell-copy-backup", "copy", 0755},
        {"mollysocket-backup", "copy", 0700},    {".doorbell-copy-others", "mollysocket.db", 0700}};
    struct place place;
    char path[500];
    place_make(&place);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        make_left(&place, others[i].name, others[i].mode, others[i].inside);
    make_left(&place, ".doorbell-copy-noted1", 0700, "copy");
    snprintf(path, sizeof path, "%s/.doorbell-copy-noted1/notes", place.scratch);
    ck_assert_int_eq(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
    make_left(&place, "target", 0700, "copy");
    snprintf(path, sizeof path, "%s/.doorbell-copy-linked", place.scratch);
    ck_assert_int_eq(symlink("target", path), 0);
    make_left(&place, ".doorbell-copy-in_use", 0700, "copy");
    snprintf(path, sizeof path, "%s/.doorbell-copy-in_use", place.scratch);
    int lock = open(path, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    if (geteuid() == 0) {
        make_left(&place, ".doorbell-copy-strang", 0700, "copy");
        snprintf(path, sizeof path, "%s/.doorbell-copy-strang", place.scratch);
        ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
    }
    mollysocket_forget_copies(place.scratch);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "%s/%s", others[i].name, others[i].inside);
        ck_assert_msg(is_there(&place, path), "%s", path);
    }
    ck_assert(is_there(&place, ".doorbell-copy-noted1/copy"));
    ck_assert(is_there(&place, "target/copy") && is_there(&place, ".doorbell-copy-linked"));
    ck_assert(is_there(&place, ".doorbell-copy-in_use/copy"));
    ck_assert(geteuid() != 0 || is_there(&place, ".doorbell-copy-strang/copy"));
    close(lock);
    place_remove(&place);
}
END_TEST

/* Its writer has taken the whole file. */
START_TEST(one_that_is_being_written_is_told)
{
    struct place place;
    int ready[2];
    place_make(&place);
    make_database(&place, TABLE);
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork_endless();
    if (child == 0) {
        sqlite3 *db;
        char byte = 'x';
        bool held = sqlite3_open(place.path, &db) == SQLITE_OK &&
                    sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK;
        if (!held || write(ready[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    cannot_read(&place, ERR_BUSY, "stop MollySocket");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    place_remove(&place);
}
END_TEST

/* Writing */

static struct mollysocket *create(const struct place *place)
{
    struct err err = {0};
    struct mollysocket *file = mollysocket_create(place->path, &err);
    ck_assert_msg(file != NULL, "%s", err.text);
    return file;
}

static void add(struct mollysocket *file, const char *uuid, int64_t device, bool forbidden,
                int64_t registered_unix)
{
    struct err err = {0};
    struct mollysocket_row row = {.uuid = uuid,
                                  .device = device,
                                  .password = "p",
                                  .endpoint = "https://push.example/'\"up",
                                  .forbidden = forbidden,
                                  .registered_unix = registered_unix};
    ck_assert_msg(mollysocket_add(file, &row, &err) == 0, "%s", err.text);
}

static size_t finish(struct mollysocket *file)
{
    struct err err = {0};
    size_t accounts = 0;
    ck_assert_msg(mollysocket_finish(file, &accounts, &err) == 0, "%s", err.text);
    return accounts;
}

static void must_answer(const struct place *place, const char *query, const char *expected)
{
    sqlite3 *db = open_database(place->path);
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(statement, 0), expected);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

START_TEST(what_is_written_is_a_database_of_mollysockets_and_private)
{
    struct place place;
    struct rows rows;
    struct stat status;
    place_make(&place);
    struct mollysocket *file = create(&place);
    add(file, "a", 2, false, 500);
    add(file, "b", 3, false, 0);
    ck_assert_uint_eq(finish(file), 2);
    ck_assert_int_eq(stat(place.path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    must_answer(&place,
                "SELECT group_concat(name || ' ' || type || ' ' || \"notnull\") FROM "
                "pragma_table_info('connections')",
                "uuid TEXT 0,device_id INTEGER 0,password TEXT 0,endpoint TEXT 0,"
                "forbidden BOOLEAN 1,last_registration INTEGER 0");
    must_answer(&place, "PRAGMA journal_mode", "delete");
    must_answer(&place, "PRAGMA user_version", "0");
    must_answer(&place, "SELECT typeof(last_registration) FROM connections WHERE uuid = 'b'",
                "integer");
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 2);
    ck_assert_str_eq(rows.all[1].uuid, "a");
    ck_assert_str_eq(rows.all[1].endpoint, "https://push.example/'\"up");
    ck_assert_int_eq(rows.all[1].row.registered_unix, 500);
    /* As MollySocket writes into it. */
    sqlite3 *db = open_database(place.path);
    run_sql(db, "INSERT INTO connections VALUES('a', 5, 'p', 'e', 1, 600)");
    sqlite3_close(db);
    must_answer(&place, "SELECT count(*) FROM connections", "2");
    place_remove(&place);
}
END_TEST

/* Each order of the three gives the same. */
static void write_in_order(int order)
{
    static const struct {
        int64_t device, registered_unix;
        bool forbidden;
    } devices[] = {{2, 900, true}, {3, 100, false}, {4, 200, false}};
    struct place place;
    struct rows rows;
    place_make(&place);
    struct mollysocket *file = create(&place);
    for (int i = 0; i < 3; i++) {
        int at = (i * (1 + order % 2) + order / 2) % 3;
        add(file, "a", devices[at].device, devices[at].forbidden, devices[at].registered_unix);
    }
    add(file, "b", 7, true, 1);
    ck_assert_uint_eq(finish(file), 2);
    read_rows(&place, &rows);
    ck_assert_uint_eq(rows.count, 2);
    ck_assert_int_eq(rows.all[1].row.device, 4);
    ck_assert_int_eq(rows.all[0].row.device, 7);
    ck_assert(!rows.all[0].row.forbidden); /* MollySocket would never try it again */
    place_remove(&place);
}

START_TEST(of_several_devices_the_best_one_is_written)
{
    for (int i = 0; i < 6; i++)
        write_in_order(i);
}
END_TEST

START_TEST(a_file_that_is_there_is_not_written_over)
{
    struct place place;
    struct err err = {0};
    place_make(&place);
    make_database(&place, TABLE);
    struct picture before = take_picture(&place);
    ck_assert_ptr_null(mollysocket_create(place.path, &err));
    ck_assert_int_eq(err.code, ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "exists already"));
    struct picture after = take_picture(&place);
    ck_assert_mem_eq(after.hash, before.hash, sizeof before.hash);
    place_remove(&place);
}
END_TEST

START_TEST(one_that_is_abandoned_leaves_nothing)
{
    struct place place;
    place_make(&place);
    struct mollysocket *file = create(&place);
    add(file, "a", 2, false, 500);
    mollysocket_abandon(file);
    ck_assert(is_empty_folder(place.theirs));
    struct err err = {0};
    snprintf(place.path, sizeof place.path, "%s/nowhere/file.db", place.theirs);
    ck_assert_ptr_null(mollysocket_create(place.path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "cannot be made"));
    place_remove(&place);
}
END_TEST

UNIT_MAIN("mollysocket", rows_come_as_they_are_the_oldest_registration_first,
          values_of_any_type_are_read_or_left_out, a_database_of_an_old_version_has_no_dates,
          a_database_without_tables_or_bytes_has_no_rows,
          a_database_in_wal_mode_is_read_with_its_log_and_nothing_is_written_beside_it,
          a_database_in_wal_mode_that_was_closed_is_read,
          a_change_that_was_cut_off_is_left_out_and_its_journal_left_there,
          the_right_to_read_is_enough_in_a_folder_that_cannot_be_written,
          one_that_may_not_be_read_is_told_with_the_fix,
          a_service_with_a_user_of_the_moment_is_told_no_chown,
          what_is_not_mollysockets_database_is_told, a_damaged_one_is_told,
          without_room_for_the_copy_it_says_so,
          one_that_is_too_large_for_a_copy_is_told_with_the_fix, a_copy_that_a_kill_left_is_removed,
          what_is_no_copy_or_is_in_use_stays, one_that_is_being_written_is_told,
          what_is_written_is_a_database_of_mollysockets_and_private,
          of_several_devices_the_best_one_is_written, a_file_that_is_there_is_not_written_over,
          one_that_is_abandoned_leaves_nothing)
