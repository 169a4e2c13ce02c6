#include "backup/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/collect.h"
#include "backup/envelope.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/passphrase.h"

struct words {
    const char *path, *passphrase_file;
};

/* Reading: all of it is checked before anything is written. */

static int read_all(int fd, struct buf *file)
{
    char piece[16 * 1024];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? 0 : ERR_IO;
        if (buf_add(file, piece, (size_t)got) != 0)
            return ERR_LIMIT;
    }
}

static int read_file(const char *path, struct buf *file, struct err *err)
{
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int result = fd < 0 ? ERR_IO : read_all(fd, file);
    int reason = errno;
    if (fd >= 0 && !is_input)
        close(fd);
    if (result == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "%s is larger than any backup.", path);
    if (result != 0)
        return err_set(err, ERR_IO, "%s cannot be read: %s.", path, strerror(reason));
    return 0;
}

static int open_sealed(const struct words *words, const struct envelope *envelope,
                       const struct buf *file, struct buf *content, struct err *err)
{
    char *passphrase = passphrase_get(words->passphrase_file, false, err);
    if (!passphrase)
        return err->code;
    int result = envelope_open(envelope, file->bytes, file->length, passphrase, content, err);
    passphrase_free(passphrase);
    return result;
}

/* Somebody who cannot open a backup may put another one in its place, which asks for nothing. */
static int open_clear(const struct words *words, const struct envelope *envelope,
                      const struct buf *file, struct buf *content, struct err *err)
{
    if (words->passphrase_file)
        return err_set(err, ERR_REFUSED,
                       "This file is not encrypted: it is a backup without secrets, or none of "
                       "yours. Leave --passphrase-file out if you know it.");
    return envelope_open(envelope, file->bytes, file->length, NULL, content, err);
}

static int open_file(const struct words *words, struct buf *content, bool *sealed, struct err *err)
{
    struct buf file;
    struct envelope envelope = {0};
    buf_init_secret(&file, ENVELOPE_FILE_MAX);
    int result = read_file(words->path, &file, err);
    if (result == 0)
        result = envelope_look(&envelope, file.bytes, file.length, err);
    if (result == 0 && envelope.sealed)
        result = open_sealed(words, &envelope, &file, content, err);
    else if (result == 0)
        result = open_clear(words, &envelope, &file, content, err);
    *sealed = envelope.sealed;
    buf_fini(&file);
    return result;
}

/* Telling */

static void tell_files(const struct config *config, const struct restored *restored)
{
    const struct {
        bool is_there;
        const char *name;
    } files[] = {{restored->config, "doorbell.yaml"}, {restored->molly, "mollysocket.toml"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].is_there)
            printf("%s of the backup is %s" RESTORED_SUFFIX " in the folder of %s: look at its "
                   "paths and addresses, and put it where it belongs.\n",
                   files[i].name, files[i].name, config->store_path);
}

static void tell_rest(const struct archive_head *head)
{
    if (*head->environment)
        printf("Not in the backup, set them again: %s.\n", head->environment);
    if (*head->others)
        printf("Not in the backup, the files of: %s.\n", head->others);
}

static void tell(const struct config *config, const struct archive *archive,
                 const struct restored *restored)
{
    size_t count = restored->accounts;
    if (archive->head.has_secrets)
        printf("Restored %zu account%s to %s, of which %zu %s owed a ring.\n", count,
               count == 1 ? "" : "s", config->store_path, restored->debts,
               restored->debts == 1 ? "is" : "are");
    else
        printf("Restored settings only: the backup has no secrets. %u account%s to be linked "
               "anew.\n",
               archive->head.left_out, archive->head.left_out == 1 ? " has" : "s have");
    tell_files(config, restored);
    tell_rest(&archive->head);
    if (archive->head.has_secrets)
        printf("Before this server starts, the one that was backed up has to be stopped for good: "
               "two of them on one device fight for it.\n");
}

/* The command */

/* What the backup's file may need root for has been read by now. */
static int put(const struct config *config, const struct archive *archive, struct err *err)
{
    struct restored restored;
    int result = cli_become_user(config, true, err);
    if (result == 0)
        result = restore_put(archive, config, &restored, err);
    if (result == 0)
        tell(config, archive, &restored);
    return result;
}

static int restore(const struct config *config, const struct words *words, struct err *err)
{
    struct buf content;
    struct archive archive = {0};
    bool sealed;
    buf_init_secret(&content, ENVELOPE_CONTENT_MAX);
    int result = open_file(words, &content, &sealed, err);
    if (result == 0)
        result = archive_read(&archive, &content, err);
    if (result == 0)
        result = restore_check(&archive, sealed, err);
    if (result == 0)
        result = restore_check_credential(&archive, config, err);
    if (result == 0)
        result = put(config, &archive, err);
    archive_fini(&archive);
    buf_fini(&content);
    return result;
}

const struct cli_option cli_restore_options[] = {
    {NULL, "--passphrase-file", "FILE", "The file whose first line is the passphrase."},
    {0},
};

static bool take_words(struct words *words, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_restore_options, &value)) != OPTIONS_END) {
        if (option == 0 && value && *value && !words->passphrase_file)
            words->passphrase_file = value;
        else if (option == OPTIONS_ARGUMENT && *value && !words->path)
            words->path = value;
        else
            return false;
    }
    return words->path;
}

int cli_restore(struct cli *cli, int argc, char **argv)
{
    struct words words = {0};
    struct err err = {0};
    if (!take_words(&words, argc, argv)) {
        fprintf(stderr, "doorbell: restore needs one word, the FILE that \"doorbell backup\" has "
                        "written, and takes --passphrase-file FILE.\n");
        return CLI_WRONG_WORDS;
    }
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    umask(077);
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    int result = restore(config, &words, &err);
    config_free(config);
    return result == 0 ? CLI_DONE : cli_fail(&err);
}
