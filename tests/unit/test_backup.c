/* Backups: the file and what is in it, what is gathered, and what is put into an empty place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/collect.h"
#include "backup/envelope.h"
#include "backup/restore.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "folder.h"
#include "push/vapid.h"
#include "unit.h"

static const struct envelope_cost cheap = {.passes = 1, .kib = 8};
static const char passphrase[] = "correct horse";

/* The envelope */

static void close_it(struct buf *file, const void *content, size_t length, bool sealed)
{
    struct err err = {0};
    buf_init(file, ENVELOPE_FILE_MAX);
    ck_assert_msg(envelope_close(file, content, length, sealed ? passphrase : NULL, &cheap, &err) ==
                      0,
                  "%s", err.text);
}

/* Returns what the first step that fails returns. */
static int open_it(const struct buf *file, size_t length, const char *with, struct buf *content,
                   struct err *err)
{
    struct envelope envelope;
    *err = (struct err){0};
    buf_init(content, ENVELOPE_CONTENT_MAX);
    int result = envelope_look(&envelope, file->bytes, length, err);
    return result == 0 ? envelope_open(&envelope, file->bytes, length, with, content, err) : result;
}

static void cannot_open(const struct buf *file, size_t length, const char *with, int code,
                        const char *says)
{
    struct err err;
    struct buf content;
    ck_assert_int_eq(open_it(file, length, with, &content, &err), code);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" is not in: %s", says, err.text);
    buf_fini(&content);
}

static void comes_back(size_t length, bool sealed)
{
    struct err err;
    struct buf file, content;
    unsigned char *bytes = mem_new(length + 1);
    randombytes_buf(bytes, length);
    close_it(&file, bytes, length, sealed);
    ck_assert_msg(open_it(&file, file.length, passphrase, &content, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(content.length, length);
    if (length)
        ck_assert_mem_eq(content.bytes, bytes, length);
    buf_fini(&file);
    buf_fini(&content);
    free(bytes);
}

START_TEST(what_is_closed_comes_back_whatever_its_length)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 3 * 65536, 200001};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        comes_back(lengths[i], false);
        comes_back(lengths[i], true);
    }
}
END_TEST

START_TEST(a_sealed_file_shows_nothing_of_what_is_in_it)
{
    struct buf file;
    char text[4096];
    memset(text, 'a', sizeof text);
    close_it(&file, text, sizeof text, true);
    ck_assert_ptr_null(memmem(file.bytes, file.length, "aaaaaaaa", 8));
    ck_assert_ptr_null(memmem(file.bytes, file.length, passphrase, strlen(passphrase)));
    buf_fini(&file);
}
END_TEST

START_TEST(another_passphrase_is_refused)
{
    struct buf file;
    close_it(&file, "content", 7, true);
    cannot_open(&file, file.length, "correct horsf", ERR_REFUSED, "not the passphrase");
    cannot_open(&file, file.length, "", ERR_REFUSED, "not the passphrase");
    buf_fini(&file);
}
END_TEST

START_TEST(a_file_that_ends_early_anywhere_is_truncated)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct buf file;
        close_it(&file, "some content", 12, sealed);
        for (size_t length = 1; length < file.length; length++)
            cannot_open(&file, length, passphrase, ERR_INVALID, "truncated");
        cannot_open(&file, 0, passphrase, ERR_INVALID, "no backup");
        buf_fini(&file);
    }
}
END_TEST

START_TEST(a_bit_that_is_altered_anywhere_is_found)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct buf file, content;
        struct err err;
        close_it(&file, "some content", 12, sealed);
        for (size_t i = 0; i < file.length; i++) {
            if (sealed && i >= 32 && i < 40) /* costs more, and is no other case */
                continue;
            file.bytes[i] ^= 1;
            ck_assert_msg(open_it(&file, file.length, passphrase, &content, &err) != 0, "byte %zu",
                          i);
            ck_assert(*err.text);
            buf_fini(&content);
            file.bytes[i] ^= 1;
        }
        file.bytes[file.length - 1] ^= 0x80;
        cannot_open(&file, file.length, passphrase, ERR_INVALID, "altered or damaged");
        buf_fini(&file);
    }
}
END_TEST

START_TEST(bytes_behind_the_end_are_found)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct buf file;
        close_it(&file, "some content", 12, sealed);
        buf_add(&file, "x", 1);
        cannot_open(&file, file.length, passphrase, ERR_INVALID, "altered or damaged");
        buf_fini(&file);
    }
}
END_TEST

START_TEST(a_file_of_a_newer_format_is_refused_with_what_to_do)
{
    struct buf file;
    close_it(&file, "content", 7, true);
    file.bytes[16] = 2;
    cannot_open(&file, file.length, passphrase, ERR_NOT_NOW, "newer Doorbell (format 2");
    cannot_open(&file, 17, passphrase, ERR_NOT_NOW, "newer Doorbell");
    buf_fini(&file);
}
END_TEST

START_TEST(a_file_cannot_ask_for_all_memory_or_for_ever)
{
    struct buf file;
    close_it(&file, "content", 7, true);
    memset(file.bytes + 36, 0xff, 4);
    cannot_open(&file, file.length, passphrase, ERR_INVALID, "altered or damaged");
    memset(file.bytes + 36, 0, 4);
    cannot_open(&file, file.length, passphrase, ERR_INVALID, "altered or damaged");
    file.bytes[36] = 8;
    file.bytes[33] = 1;
    cannot_open(&file, file.length, passphrase, ERR_INVALID, "altered or damaged");
    buf_fini(&file);
}
END_TEST

START_TEST(other_files_are_no_backup)
{
    struct buf file;
    buf_init(&file, 4096);
    buf_add_text(&file, "SQLite format 3");
    cannot_open(&file, file.length, NULL, ERR_INVALID, "no backup");
    buf_fini(&file);
}
END_TEST

/* The archive */

static const struct archive_head head = {.made_unix = 1700000000,
                                         .program = "1.2.3",
                                         .has_secrets = true,
                                         .environment = "alert.url",
                                         .others = ""};

static struct store_account a_row(uint8_t user)
{
    struct store_account row = {.key = {.messenger = 1, .device = 2, .uuid = {user}},
                                .password = "a device password",
                                .endpoint = "https://push.example/up?id=1",
                                .has_push_keys = true,
                                .push_p256dh = {4, 1, 2},
                                .push_auth = {9, 8},
                                .refused = true,
                                .endpoint_proven = true,
                                .endpoint_state = 2,
                                .endpoint_status = 404,
                                .endpoint_not_before_unix = INT64_MAX,
                                .endpoint_retry_unix = 1800000001,
                                .endpoint_floor_unix = 1800000002,
                                .endpoint_repeated = 3,
                                .registered_unix = 1700000003,
                                .owed_since_unix = 1700000004,
                                .spent_day = 19000,
                                .spent = 17};
    return row;
}

static void expect_row(const struct store_account *got, uint8_t user)
{
    struct store_account row = a_row(user);
    ck_assert_str_eq(got->password, row.password);
    ck_assert_str_eq(got->endpoint, row.endpoint);
    ck_assert_mem_eq(&got->key, &row.key, sizeof row.key);
    ck_assert(got->has_push_keys && got->refused && got->endpoint_proven);
    ck_assert_mem_eq(got->push_p256dh, row.push_p256dh, sizeof row.push_p256dh);
    ck_assert_mem_eq(got->push_auth, row.push_auth, sizeof row.push_auth);
    ck_assert_int_eq(got->endpoint_state, row.endpoint_state);
    ck_assert_int_eq(got->endpoint_status, row.endpoint_status);
    ck_assert_int_eq(got->endpoint_not_before_unix, row.endpoint_not_before_unix);
    ck_assert_int_eq(got->endpoint_retry_unix, row.endpoint_retry_unix);
    ck_assert_int_eq(got->endpoint_floor_unix, row.endpoint_floor_unix);
    ck_assert_uint_eq(got->endpoint_repeated, row.endpoint_repeated);
    ck_assert_int_eq(got->registered_unix, row.registered_unix);
    ck_assert_int_eq(got->owed_since_unix, row.owed_since_unix);
    ck_assert_uint_eq(got->spent_day, row.spent_day);
    ck_assert_uint_eq(got->spent, row.spent);
}

static void write_archive(struct buf *content)
{
    struct archive_writer writer;
    struct store_kept_secret secret = {.name = "pseudonym", .value = {7}};
    struct store_kept_mark mark = {.mark = {6}, .at_unix = 5};
    buf_init(content, ENVELOPE_CONTENT_MAX);
    archive_begin(&writer, content, &head);
    for (uint8_t user = 5; user > 0; user--) {
        struct store_account row = a_row(user);
        archive_add_account(&writer, &row);
    }
    archive_add_secret(&writer, &secret);
    archive_add_mark(&writer, &mark);
    archive_add_key(&writer, "a key");
    archive_add_file(&writer, ARCHIVE_TOKEN, "token", 5);
    ck_assert_int_eq(archive_end(&writer, NULL), 0);
}

START_TEST(all_of_an_archive_comes_back)
{
    struct buf content;
    struct archive archive;
    struct err err = {0};
    write_archive(&content);
    ck_assert_msg(archive_read(&archive, &content, &err) == 0, "%s", err.text);
    ck_assert_int_eq(archive.head.made_unix, head.made_unix);
    ck_assert_str_eq(archive.head.program, head.program);
    ck_assert_str_eq(archive.head.environment, head.environment);
    ck_assert(archive.head.has_secrets);
    ck_assert_uint_eq(archive.contents.row_count, 5);
    for (uint8_t user = 1; user <= 5; user++)
        expect_row(&archive.contents.rows[user - 1], user);
    ck_assert_str_eq(archive.contents.secrets[0].name, "pseudonym");
    ck_assert_int_eq(archive.contents.secrets[0].value[0], 7);
    ck_assert_int_eq(archive.contents.marks[0].mark[0], 6);
    ck_assert_int_eq(archive.contents.marks[0].at_unix, 5);
    ck_assert_str_eq(archive.vapid, "a key");
    ck_assert_mem_eq(archive.files[ARCHIVE_TOKEN].bytes, "token", 5);
    ck_assert_ptr_null(archive.files[ARCHIVE_CONFIG].bytes);
    archive_fini(&archive);
    buf_fini(&content);
}
END_TEST

START_TEST(an_archive_that_ends_early_anywhere_makes_no_sense)
{
    struct buf content;
    write_archive(&content);
    size_t whole = content.length;
    for (content.length = 0; content.length < whole; content.length++) {
        struct archive archive;
        struct err err = {0};
        ck_assert_int_eq(archive_read(&archive, &content, &err), ERR_INVALID);
        archive_fini(&archive);
    }
    buf_fini(&content);
}
END_TEST

static void makes_no_sense(struct archive_writer *writer, struct buf *content)
{
    struct archive archive;
    struct err err = {0};
    ck_assert_int_eq(archive_end(writer, NULL), 0);
    ck_assert_int_eq(archive_read(&archive, content, &err), ERR_INVALID);
    archive_fini(&archive);
    buf_fini(content);
}

START_TEST(an_archive_with_two_of_one_account_or_one_without_a_password_is_refused)
{
    struct buf content;
    struct archive_writer writer;
    struct store_account row = a_row(1);
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    archive_begin(&writer, &content, &head);
    archive_add_account(&writer, &row);
    archive_add_account(&writer, &row);
    makes_no_sense(&writer, &content);

    static const char *const none[] = {"", "sealed c2VhbGVkIGJ5IHNvbWVib2R5"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        row.password = none[i];
        buf_init(&content, ENVELOPE_CONTENT_MAX);
        archive_begin(&writer, &content, &head);
        archive_add_account(&writer, &row);
        makes_no_sense(&writer, &content);
    }
}
END_TEST

START_TEST(more_than_a_backup_holds_is_said)
{
    struct buf content;
    struct archive_writer writer;
    struct err err = {0};
    struct store_account row = a_row(1);
    buf_init(&content, 384);
    archive_begin(&writer, &content, &head);
    archive_add_account(&writer, &row);
    archive_add_account(&writer, &row);
    ck_assert_int_eq(archive_end(&writer, &err), ERR_LIMIT);
    buf_fini(&content);
}
END_TEST

/* The store and the files around it, in a folder of the test's own */

static struct config *config_at(const char *store)
{
    struct err err = {0};
    char *path = mem_format("store.path=%s", store);
    char *none[] = {NULL};
    const char *overrides[] = {path};
    struct config *config = config_load(&(struct config_sources){.file = "doorbell.yaml",
                                                                 .defaults = "none.yaml",
                                                                 .environment = none,
                                                                 .overrides = overrides,
                                                                 .override_count = 1},
                                        &err);
    ck_assert_msg(config != NULL, "%s", err.text);
    free(path);
    return config;
}

static void make_key(const char *path)
{
    struct err err;
    struct vapid *vapid = vapid_generate(&err);
    ck_assert_int_eq(vapid_write_new(vapid, path, &err), 0);
    vapid_free(vapid);
}

/* Two accounts, one of them owed a ring; setup.yaml, a key and a token. */
static void make_place(void)
{
    struct err err = {0};
    struct loop loop;
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    struct store_account rows[] = {a_row(1), a_row(2)};
    struct store_kept_secret secret = {.name = "pseudonym", .value = {7}};
    struct store_kept_mark mark = {.mark = {6}, .at_unix = 5};
    struct store_contents contents = {rows, &secret, &mark, 2, 1, 1};
    rows[1].owed_since_unix = 0;
    write_file("doorbell.yaml", "alert:\n  token: tk_secret\n");
    loop_init(&loop);
    struct store *store = store_open(&store_sqlite, "./here/doorbell.db", &loop, &err);
    ck_assert_msg(store != NULL, "%s", err.text);
    ck_assert_int_eq(store_fill(store, &contents, NULL, &err), 0);
    store_close(store);
    loop_fini(&loop);
    write_file("here/setup.yaml", "web:\n  public_url: https://a.example/\nalert:\n"
                                  "  url: https://ntfy.example/secret-topic\n");
    write_file("here/admin.token", "a hash\n");
    make_key("here/vapid.key");
}

static void collect(struct buf *content, bool secrets)
{
    struct err err = {0};
    struct config *config = config_at("./here/doorbell.db");
    buf_init(content, ENVELOPE_CONTENT_MAX);
    ck_assert_msg(backup_collect(config, NULL, secrets, content, &err) == 0, "%s", err.text);
    config_free(config);
}

static int restore_to(const char *store, const struct buf *content, struct restored *restored,
                      struct err *err)
{
    struct archive archive;
    struct config *config = config_at(store);
    *err = (struct err){0};
    int result = archive_read(&archive, content, err);
    if (result == 0)
        result = restore_check(&archive, archive.head.has_secrets, err);
    if (result == 0)
        result = restore_put(&archive, config, restored, err);
    archive_fini(&archive);
    config_free(config);
    return result;
}

static void same_file(const char *one, const char *other)
{
    char *command = mem_format("cmp -s %s %s", one, other);
    ck_assert_msg(system(command) == 0, "%s", command);
    free(command);
}

static void remove_all(const struct folder *folder)
{
    ck_assert_int_eq(system("rm -rf ./*"), 0);
    leave_folder(folder);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(a_restored_place_has_all_that_was_there)
{
    struct folder folder;
    struct buf content, again;
    struct restored restored;
    struct err err;
    enter_folder(&folder);
    make_place();
    collect(&content, true);
    ck_assert_msg(restore_to("./there/doorbell.db", &content, &restored, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(restored.accounts, 2);
    ck_assert_uint_eq(restored.debts, 1);
    ck_assert(restored.setup && !restored.config); /* doorbell.yaml is the one in force */
    same_file("here/setup.yaml", "there/setup.yaml");
    same_file("here/vapid.key", "there/vapid.key");
    same_file("here/admin.token", "there/admin.token");
    ck_assert_uint_eq(mode_of("there/doorbell.db"), 0600);
    ck_assert_uint_eq(mode_of("there/vapid.key"), 0600);
    ck_assert_uint_eq(mode_of("there"), 0700);
    ck_assert(!is_there("there/doorbell.db.restoring"));
    ck_assert_int_eq(rename("here", "before"), 0);
    ck_assert_int_eq(rename("there", "here"), 0);
    collect(&again, true);
    ck_assert_uint_eq(again.length, content.length);
    ck_assert_mem_eq(again.bytes + 13, content.bytes + 13, content.length - 13); /* but the time */
    buf_fini(&content);
    buf_fini(&again);
    remove_all(&folder);
}
END_TEST

START_TEST(without_secrets_there_is_none_in_the_file_and_no_account)
{
    static const char *const secrets[] = {"a device password", "push.example", "secret-topic",
                                          "tk_secret", "a hash"};
    struct folder folder;
    struct buf content;
    struct restored restored;
    struct err err;
    enter_folder(&folder);
    make_place();
    collect(&content, false);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        ck_assert_msg(!memmem(content.bytes, content.length, secrets[i], strlen(secrets[i])), "%s",
                      secrets[i]);
    ck_assert_ptr_nonnull(memmem(content.bytes, content.length, "https://a.example/", 18));
    ck_assert_msg(restore_to("./there/doorbell.db", &content, &restored, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(restored.accounts, 0);
    ck_assert(restored.setup && restored.config);
    ck_assert(!is_there("there/doorbell.db") && !is_there("there/vapid.key"));
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

static void refused_and_nothing_left(const struct buf *content, const char *says)
{
    struct restored restored;
    struct err err;
    ck_assert_int_ne(restore_to("./there/doorbell.db", content, &restored, &err), 0);
    ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" is not in: %s", says, err.text);
    ck_assert(!is_there("there/doorbell.db.restoring"));
}

START_TEST(where_something_is_already_nothing_is_written)
{
    struct folder folder;
    struct buf content;
    enter_folder(&folder);
    make_place();
    collect(&content, true);
    ck_assert_int_eq(mkdir("there", 0700), 0);
    write_file("there/doorbell.db-wal", "left by another store");
    refused_and_nothing_left(&content, "There is a store already");
    ck_assert_int_eq(unlink("there/doorbell.db-wal"), 0);
    write_file("there/admin.token", "another hash\n");
    refused_and_nothing_left(&content, "admin.token exists already");
    ck_assert(!is_there("there/vapid.key") && !is_there("there/setup.yaml"));
    ck_assert_int_eq(unlink("there/admin.token"), 0);
    make_key("there/vapid.key");
    refused_and_nothing_left(&content, "another VAPID key");
    ck_assert(!is_there("there/setup.yaml") && !is_there("there/doorbell.db"));
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

START_TEST(what_a_killed_restore_left_is_no_obstacle)
{
    struct folder folder;
    struct buf content;
    struct restored restored;
    struct err err;
    enter_folder(&folder);
    make_place();
    collect(&content, true);
    ck_assert_int_eq(system("mkdir -m 700 there && cp here/vapid.key here/setup.yaml there && "
                            "echo half > there/doorbell.db.restoring"),
                     0);
    ck_assert_msg(restore_to("./there/doorbell.db", &content, &restored, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(restored.accounts, 2);
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

START_TEST(a_store_that_a_server_holds_is_refused_with_what_to_do)
{
    struct folder folder;
    struct buf content;
    struct err err;
    int lock;
    enter_folder(&folder);
    make_place();
    collect(&content, true);
    ck_assert_int_eq(store_lock("./there/doorbell.db", &lock, &err), 0);
    refused_and_nothing_left(&content, "A server runs on the store");
    close(lock);
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

START_TEST(a_backup_without_the_key_that_its_accounts_need_is_not_made)
{
    struct folder folder;
    struct buf content;
    struct err err = {0};
    enter_folder(&folder);
    make_place();
    ck_assert_int_eq(unlink("here/vapid.key"), 0);
    struct config *config = config_at("./here/doorbell.db");
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    ck_assert_int_eq(backup_collect(config, NULL, true, &content, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "push.vapid_key_file"));
    config_free(config);
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

static int check_clear(const struct archive_head *claimed, void (*add)(struct archive_writer *))
{
    struct buf content;
    struct archive archive;
    struct archive_writer writer;
    struct err err = {0};
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    archive_begin(&writer, &content, claimed);
    if (add)
        add(&writer);
    ck_assert_int_eq(archive_end(&writer, NULL), 0);
    ck_assert_int_eq(archive_read(&archive, &content, &err), 0);
    int result = restore_check(&archive, false, &err);
    archive_fini(&archive);
    buf_fini(&content);
    return result;
}

static void add_row(struct archive_writer *writer)
{
    struct store_account row = a_row(1);
    archive_add_account(writer, &row);
}

static void add_a_secret(struct archive_writer *writer)
{
    const struct store_kept_secret secret = {.name = "pseudonym"};
    archive_add_secret(writer, &secret);
}

static void add_a_token(struct archive_writer *writer)
{
    archive_add_file(writer, ARCHIVE_TOKEN, "a hash\n", 7);
}

static void add_settings(struct archive_writer *writer)
{
    archive_add_file(writer, ARCHIVE_CONFIG, "{}\n", 3);
}

/* Anybody can make one. */
START_TEST(what_nobody_needed_a_passphrase_for_brings_no_secrets_in)
{
    struct archive_head without = head;
    without.has_secrets = false;
    ck_assert_int_eq(check_clear(&head, NULL), ERR_INVALID);
    ck_assert_int_eq(check_clear(&without, add_row), ERR_INVALID);
    ck_assert_int_eq(check_clear(&without, add_a_secret), ERR_INVALID);
    ck_assert_int_eq(check_clear(&without, add_a_token), ERR_INVALID);
    ck_assert_int_eq(check_clear(&without, add_settings), 0);
}
END_TEST

START_TEST(a_setup_file_that_could_not_be_read_is_refused_before_anything_is_written)
{
    struct folder folder;
    struct buf content;
    enter_folder(&folder);
    make_place();
    struct archive_writer writer;
    buf_init(&content, ENVELOPE_CONTENT_MAX);
    archive_begin(&writer, &content, &head);
    archive_add_file(&writer, ARCHIVE_SETUP, "store:\n  path: /x/y\n", 20);
    ck_assert_int_eq(archive_end(&writer, NULL), 0);
    refused_and_nothing_left(&content, "in the backup: setup.yaml:2");
    ck_assert(!is_there("there"));
    buf_fini(&content);
    remove_all(&folder);
}
END_TEST

UNIT_MAIN("backup", what_is_closed_comes_back_whatever_its_length,
          a_sealed_file_shows_nothing_of_what_is_in_it, another_passphrase_is_refused,
          a_file_that_ends_early_anywhere_is_truncated, a_bit_that_is_altered_anywhere_is_found,
          bytes_behind_the_end_are_found, a_file_of_a_newer_format_is_refused_with_what_to_do,
          a_file_cannot_ask_for_all_memory_or_for_ever, other_files_are_no_backup,
          all_of_an_archive_comes_back, an_archive_that_ends_early_anywhere_makes_no_sense,
          an_archive_with_two_of_one_account_or_one_without_a_password_is_refused,
          more_than_a_backup_holds_is_said, a_restored_place_has_all_that_was_there,
          without_secrets_there_is_none_in_the_file_and_no_account,
          where_something_is_already_nothing_is_written, what_a_killed_restore_left_is_no_obstacle,
          a_store_that_a_server_holds_is_refused_with_what_to_do,
          a_backup_without_the_key_that_its_accounts_need_is_not_made,
          what_nobody_needed_a_passphrase_for_brings_no_secrets_in,
          a_setup_file_that_could_not_be_read_is_refused_before_anything_is_written)
