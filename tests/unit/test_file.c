#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
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

/* Of whoever has the folder above, as fast as it can: theirs and root's have the name by turns. */
static pid_t swap_folders(const char *one, const char *other)
{
    pid_t swapper = fork_endless();
    if (swapper == 0)
        for (;;)
            renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
    return swapper;
}

START_TEST(a_folder_that_is_swapped_meanwhile_gets_its_user_no_file_of_another)
{
    enum { THEIRS = 4242, TRIES = 4000 };
    if (geteuid() != 0)
        return;
    struct place place = new_place(NULL, 0);
    char theirs[200], roots[200], path[300];
    snprintf(theirs, sizeof theirs, "%s/theirs", place.folder);
    snprintf(roots, sizeof roots, "%s/roots", place.folder);
    ck_assert_int_eq(mkdir(theirs, 0700), 0);
    ck_assert_int_eq(mkdir(roots, 0700), 0);
    ck_assert_int_eq(chown(theirs, THEIRS, THEIRS), 0);
    int folders[] = {open(theirs, O_PATH | O_DIRECTORY), open(roots, O_PATH | O_DIRECTORY)};
    pid_t swapper = swap_folders(theirs, roots);
    struct stat status;
    snprintf(path, sizeof path, "%s/file", theirs);
    bool is_wrong = false;
    for (int i = 0; i < TRIES && !is_wrong; i++) {
        ck_assert_int_eq(close(file_open_or_make(path)), 0);
        for (int j = 0; j < 2; j++) {
            struct stat folder;
            ck_assert_int_eq(fstat(folders[j], &folder), 0);
            if (fstatat(folders[j], "file", &status, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            is_wrong = is_wrong || status.st_uid != folder.st_uid;
            unlinkat(folders[j], "file", 0);
        }
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
    for (int j = 0; j < 2; j++)
        close(folders[j]);
    ck_assert(!is_wrong);
    rmdir(theirs);
    rmdir(roots);
    remove_place(&place);
}
END_TEST

START_TEST(root_follows_no_link_to_nothing_where_others_may_have_put_it)
{
    static const struct {
        uid_t owner;
        mode_t mode;
        bool follows;
    } rows[] = {{0, 0700, true}, {0, 0755, true}, {4242, 0700, false}, {0, 01777, false}};
    if (geteuid() != 0)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place place = new_place(NULL, 0);
        char target[200];
        snprintf(target, sizeof target, "%s/target", place.folder);
        ck_assert_int_eq(symlink("target", place.path), 0);
        ck_assert_int_eq(chown(place.folder, rows[i].owner, rows[i].owner), 0);
        ck_assert_int_eq(chmod(place.folder, rows[i].mode), 0);
        int fd = file_open_or_make(place.path);
        int reason = errno;
        ck_assert_msg((fd >= 0) == rows[i].follows, "%zu", i);
        ck_assert(rows[i].follows ? close(fd) == 0 : reason == ENOENT);
        ck_assert_int_eq(access(target, F_OK), rows[i].follows ? 0 : -1);
        ck_assert_int_eq(file_make(place.path), -1);
        ck_assert_int_eq(errno, EEXIST);
        unlink(target);
        remove_place(&place);
    }
}
END_TEST

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
          what_root_makes_in_somebodys_folder_is_theirs_and_what_was_there_stays_whose_it_was,
          a_folder_that_is_swapped_meanwhile_gets_its_user_no_file_of_another,
          root_follows_no_link_to_nothing_where_others_may_have_put_it)
