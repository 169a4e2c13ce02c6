/* A folder of its own as the working directory, and the way back. */
#ifndef DOORBELL_TESTS_FOLDER_H
#define DOORBELL_TESTS_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

struct folder {
    char path[32];
    int before;
};

static inline void enter_folder(struct folder *folder)
{
    strcpy(folder->path, "/tmp/doorbell-unit-XXXXXX");
    folder->before = open(".", O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(folder->before, 0);
    ck_assert_ptr_nonnull(mkdtemp(folder->path));
    ck_assert_int_eq(chdir(folder->path), 0);
}

/* With the files in it, and the folders that are empty. */
static inline void leave_folder(const struct folder *folder)
{
    DIR *entries = opendir(".");
    ck_assert_ptr_nonnull(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ck_assert_int_eq(remove(entry->d_name), 0);
    closedir(entries);
    ck_assert_int_eq(fchdir(folder->before), 0);
    ck_assert_int_eq(rmdir(folder->path), 0);
    close(folder->before);
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

#endif
