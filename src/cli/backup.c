#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/collect.h"
#include "backup/envelope.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/options.h"
#include "cli/passphrase.h"
#include "control/client.h"

/* The server, or this command where none runs, gathers; this command seals and writes. */

struct words {
    const char *path, *passphrase_file;
    bool without_secrets, replace;
};

/* Gathering */

static int take_answer(json_t *answer, struct buf *content, struct err *err)
{
    const char *text = json_string_value(json_object_get(answer, "backup"));
    if (!json_is_true(json_object_get(answer, "done")) || !text)
        return err_set(err, ERR_REFUSED, "%s", cli_why(answer));
    size_t length = strlen(text), size = 0;
    unsigned char *bytes = mem_new(length + 1);
    int result = sodium_base642bin(bytes, length, text, length, NULL, &size, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) == 0
                     ? buf_add(content, bytes, size)
                     : ERR_INVALID;
    sodium_memzero(bytes, length);
    free(bytes);
    if (result != 0)
        err_set(err, result, "The answer of the running server cannot be read.");
    return result;
}

static int read_store(const struct config *config, bool secrets, struct buf *content,
                      struct err *err)
{
    if (access(config->store_path, F_OK) != 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND,
                       "No server answers on the control socket %.160s, and there is no store "
                       "%.160s. Run this where the server runs, or name its configuration with "
                       "--config.",
                       config->control_path, config->store_path);
    struct seal *seal = NULL;
    int result = secrets ? seal_from_config(&seal, config, err) : 0;
    if (result == 0)
        result = backup_collect(config, seal, secrets, content, err);
    seal_free(seal);
    return result;
}

static int gather(const struct config *config, bool secrets, struct buf *content, struct err *err)
{
    json_t *request = json_pack("{s:s, s:b}", "command", "backup", "secrets", secrets);
    json_t *answer = control_ask(config, request, err);
    json_decref(request);
    if (!answer)
        return err->code == ERR_NOT_FOUND ? read_store(config, secrets, content, err) : err->code;
    int result = take_answer(answer, content, err);
    json_decref(answer);
    return result;
}

/* Writing */

static int write_out(const struct buf *file, struct err *err)
{
    if (fwrite(file->bytes, 1, file->length, stdout) == file->length && fflush(stdout) == 0)
        return 0;
    return err_set(err, ERR_IO, "The backup cannot be written to standard output: %s.",
                   strerror(errno));
}

static int write_file(const struct words *words, const struct buf *file, struct err *err)
{
    if (strcmp(words->path, "-") == 0)
        return write_out(file, err);
    enum file_replaced made = words->replace
                                  ? file_replace(words->path, file->bytes, file->length, NULL)
                                  : file_create(words->path, file->bytes, file->length, NULL);
    if (made == FILE_REPLACED)
        return 0;
    if (made == FILE_NOT_SYNCED)
        return err_set(err, ERR_IO, "%s is written, but its folder cannot be synced: %s.",
                       words->path, strerror(errno));
    if (errno == EEXIST)
        return err_set(err, ERR_BUSY,
                       "%s exists already and was left as it is. Name another file, or give "
                       "--replace.",
                       words->path);
    return err_set(err, ERR_IO, "%s cannot be made: %s.", words->path, strerror(errno));
}

/* Before anybody types a passphrase for nothing; what counts is write_file. */
static int check_place(const struct words *words, struct err *err)
{
    struct stat status;
    if (strcmp(words->path, "-") == 0)
        return isatty(STDOUT_FILENO)
                   ? err_set(err, ERR_INVALID,
                             "A backup is not written to a terminal: send it to a file or a "
                             "program.")
                   : 0;
    if (!words->replace && lstat(words->path, &status) == 0)
        return err_set(err, ERR_BUSY,
                       "%s exists already and was left as it is. Name another file, or give "
                       "--replace.",
                       words->path);
    return 0;
}

/* Telling: beside a backup on standard output on standard error. */

static void tell_rest(FILE *out, const struct archive_head *head)
{
    if (head->has_secrets && *head->environment)
        fprintf(out,
                "Not in it, because they stand in no file: the settings %s, in the environment or "
                "on the command line.\n",
                head->environment);
    if (*head->others)
        fprintf(out,
                "Not in it, because others make and renew them: the files that these settings "
                "name: %s.\n",
                head->others);
    fprintf(out, "Not in it either: what is around Doorbell, such as its service or container and "
                 "the reverse proxy.\n");
}

static void tell_secret(FILE *out, const struct words *words, const struct archive *archive)
{
    size_t count = archive->contents.row_count;
    fprintf(out,
            "Backed up%s%s, encrypted with the passphrase: %zu account%s with %s device "
            "password%s, %s and the files of settings.\n",
            out == stdout ? " to " : "", out == stdout ? words->path : "", count,
            count == 1 ? "" : "s", count == 1 ? "its" : "their", count == 1 ? "" : "s",
            archive->vapid ? "the VAPID key" : "no VAPID key, since none was made yet,");
    tell_rest(out, &archive->head);
    fprintf(out, "Keep the passphrase somewhere else: without it nobody can open the file.\n");
}

static void tell_clear(FILE *out, const struct words *words, const struct archive *archive)
{
    const struct archive_head *head = &archive->head;
    fprintf(out,
            "Backed up%s%s, not encrypted, and without secrets: only the settings.\n"
            "Left out: %u account%s with %s device password%s, the VAPID key, the admin "
            "token%s%s.\n",
            out == stdout ? " to " : "", out == stdout ? words->path : "", head->left_out,
            head->left_out == 1 ? "" : "s", head->left_out == 1 ? "its" : "their",
            head->left_out == 1 ? "" : "s", *head->environment ? ", and the settings " : "",
            head->environment);
    tell_rest(out, head);
    fprintf(out, "With this file alone every phone has to be linked anew.\n");
}

static void tell(const struct words *words, const struct archive *archive)
{
    FILE *out = strcmp(words->path, "-") == 0 ? stderr : stdout;
    if (archive->head.has_secrets)
        tell_secret(out, words, archive);
    else
        tell_clear(out, words, archive);
}

/* The command */

static int back_up(const struct config *config, const struct words *words, const char *passphrase,
                   struct err *err)
{
    struct buf content, file;
    struct archive archive = {0};
    buf_init_secret(&content, ENVELOPE_CONTENT_MAX);
    buf_init(&file, ENVELOPE_FILE_MAX);
    int result = gather(config, !words->without_secrets, &content, err);
    if (result == 0)
        result = archive_read(&archive, &content, err); /* what cannot be read is no backup */
    if (result == 0)
        result =
            envelope_close(&file, content.bytes, content.length, passphrase, &ENVELOPE_COST, err);
    if (result == 0)
        result = write_file(words, &file, err);
    if (result == 0)
        tell(words, &archive);
    archive_fini(&archive);
    buf_fini(&content);
    buf_fini(&file);
    return result;
}

enum { OPTION_PASSPHRASE, OPTION_WITHOUT, OPTION_REPLACE };

const struct cli_option cli_backup_options[] = {
    [OPTION_PASSPHRASE] = {NULL, "--passphrase-file", "FILE",
                           "The file whose first line is the passphrase."},
    [OPTION_WITHOUT] = {NULL, "--without-secrets", NULL,
                        "Not encrypted, and without passwords, keys and accounts: the settings."},
    [OPTION_REPLACE] = {NULL, "--replace", NULL, "Takes the place of a file that is there."},
    {0},
};

static bool take_words(struct words *words, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_backup_options, &value)) != OPTIONS_END) {
        if (option == OPTION_WITHOUT)
            words->without_secrets = true;
        else if (option == OPTION_REPLACE)
            words->replace = true;
        else if (option == OPTION_PASSPHRASE && value && *value && !words->passphrase_file)
            words->passphrase_file = value;
        else if (option == OPTIONS_ARGUMENT && *value && !words->path)
            words->path = value;
        else
            return false;
    }
    return words->path && !(words->without_secrets && words->passphrase_file);
}

static int run(struct cli *cli, const struct words *words)
{
    struct err err = {0};
    char *passphrase = NULL;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    int result = check_place(words, &err);
    if (result == 0 && !words->without_secrets) {
        passphrase = passphrase_get(words->passphrase_file, true, &err);
        result = passphrase ? 0 : err.code;
    }
    if (result == 0)
        result = back_up(config, words, passphrase, &err);
    passphrase_free(passphrase);
    config_free(config);
    return result == 0 ? CLI_DONE : cli_fail(&err);
}

int cli_backup(struct cli *cli, int argc, char **argv)
{
    struct words words = {0};
    if (!take_words(&words, argc, argv)) {
        fprintf(stderr, "doorbell: backup needs one word, the FILE to write, and takes either "
                        "--passphrase-file FILE or --without-secrets, and --replace.\n");
        return CLI_WRONG_WORDS;
    }
    umask(077);
    return run(cli, &words);
}
