#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

struct place {
    char folder[64], path[96];
};

static struct place new_place(const char *content, mode_t mode)
{
    struct place place = {.folder = "/tmp/doorbell-file-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(place.folder));
    snprintf(place.path, sizeof place.path, "%s/secret", place.folder);
    FILE *file = content ? fopen(place.path, "w") : NULL;
    if (!file)
        return place;
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(place.path, mode), 0);
    return place;
}

static void remove_place(const struct place *place)
{
    unlink(place->path);
    ck_assert_int_eq(rmdir(place->folder), 0);
}

START_TEST(a_file_is_read_whole_and_who_may_open_it_is_told)
{
    char bytes[16];
    bool is_open = true;
    struct place place = new_place("secret\n", 0640);
    ck_assert_int_eq(file_read(place.path, bytes, sizeof bytes, &is_open), 7);
    ck_assert_int_eq(memcmp(bytes, "secret\n", 7), 0);
    ck_assert(!is_open);
    ck_assert_int_eq(chmod(place.path, 0644), 0);
    ck_assert_int_eq(file_read(place.path, bytes, sizeof bytes, &is_open), 7);
    ck_assert(is_open);
    remove_place(&place);
}
END_TEST

START_TEST(no_more_than_fits_is_read)
{
    char bytes[5] = "----";
    bool is_open;
    struct place place = new_place("secret\n", 0600);
    ck_assert_int_eq(file_read(place.path, bytes, 4, &is_open), 4);
    ck_assert_str_eq(bytes, "secr");
    remove_place(&place);
}
END_TEST

START_TEST(what_cannot_be_read_says_why)
{
    char bytes[16];
    bool is_open;
    struct place place = new_place(NULL, 0);
    ck_assert_int_eq(file_read(place.path, bytes, sizeof bytes, &is_open), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(file_read(place.folder, bytes, sizeof bytes, &is_open), -1);
    ck_assert_int_eq(errno, EISDIR);
    remove_place(&place);
}
END_TEST

START_TEST(a_fifo_is_not_waited_for)
{
    char bytes[16];
    bool is_open;
    struct place place = new_place(NULL, 0);
    ck_assert_int_eq(mkfifo(place.path, 0600), 0);
    ck_assert_int_eq(file_read(place.path, bytes, sizeof bytes, &is_open), 0);
    remove_place(&place);
}
END_TEST

START_TEST(a_file_is_replaced_whole_by_one_that_is_its_owners_alone)
{
    char bytes[16];
    bool is_open = true;
    struct place place = new_place("of before\n", 0644);
    ck_assert_int_eq(file_replace(place.path, "new", 3, place.folder), FILE_REPLACED);
    ck_assert_int_eq(file_read(place.path, bytes, sizeof bytes, &is_open), 3);
    ck_assert_int_eq(memcmp(bytes, "new", 3), 0);
    ck_assert(!is_open);
    remove_place(&place); /* and nothing else is in the folder */
}
END_TEST

START_TEST(what_cannot_be_replaced_stays_and_leaves_nothing_behind)
{
    struct place place = new_place(NULL, 0);
    ck_assert_int_eq(mkdir(place.path, 0700), 0); /* no file takes a folder's place */
    ck_assert_int_eq(file_replace(place.path, "new", 3, place.folder), FILE_NOT_REPLACED);
    ck_assert_int_eq(errno, EISDIR);
    ck_assert_int_eq(rmdir(place.path), 0);
    ck_assert_int_eq(rmdir(place.folder), 0);
    ck_assert_int_eq(file_replace(place.path, "new", 3, place.folder), FILE_NOT_REPLACED);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(who_may_open_a_file_is_told_by_its_mode)
{
    struct place place = new_place("a key", 0604);
    ck_assert(file_is_open(place.path));
    ck_assert_int_eq(chmod(place.path, 0640), 0);
    ck_assert(!file_is_open(place.path));
    remove_place(&place);
    ck_assert(!file_is_open(place.path));
}
END_TEST

static void expect_owner(const char *path, uid_t user, gid_t group)
{
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_uid, user);
    ck_assert_uint_eq(status.st_gid, group);
}

START_TEST(what_root_makes_in_somebodys_folder_is_theirs_and_what_was_there_stays_whose_it_was)
{
    enum { THEIRS = 4242, THEIR_GROUP = 4343 };
    if (geteuid() != 0)
        return;
    struct place place = new_place(NULL, 0);
    ck_assert_int_eq(chown(place.folder, THEIRS, THEIR_GROUP), 0);
    ck_assert_int_eq(close(file_open_or_make(place.path)), 0);
    expect_owner(place.path, THEIRS, THEIR_GROUP);
    ck_assert(!file_is_open(place.path));
    ck_assert_int_eq(chown(place.path, 0, 0), 0);
    ck_assert_int_eq(close(file_open_or_make(place.path)), 0);
    expect_owner(place.path, 0, 0);
    remove_place(&place);
    place = new_place(NULL, 0); /* in root's own */
    ck_assert_int_eq(close(file_open_or_make(place.path)), 0);
    expect_owner(place.path, 0, getegid());
    remove_place(&place);
}
END_TEST

UNIT_MAIN("file", a_file_is_read_whole_and_who_may_open_it_is_told, no_more_than_fits_is_read,
          what_cannot_be_read_says_why, a_fifo_is_not_waited_for,
          a_file_is_replaced_whole_by_one_that_is_its_owners_alone,
          what_cannot_be_replaced_stays_and_leaves_nothing_behind,
          who_may_open_a_file_is_told_by_its_mode,
          what_root_makes_in_somebodys_folder_is_theirs_and_what_was_there_stays_whose_it_was)
