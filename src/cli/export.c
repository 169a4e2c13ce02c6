#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "cli/options.h"
#include "store/mollysocket.h"

/* Reads the store as SQLite lets anybody read beside the process that writes: the server goes on.
 */

struct export
{
    struct mollysocket *file;
    struct seal *seal;
    size_t devices;
    int result;
    struct err err;
};

static void add_row(void *arg, const struct store_account *row)
{
    struct export *export = arg;
    char uuid[UUID_TEXT_SIZE];
    if (row->key.messenger != MESSENGER_SIGNAL || export->result != 0)
        return;
    uuid_format(uuid, row->key.uuid);
    char *password = seal_open(export->seal, &row->key, row->password);
    if (!password) {
        export->result = err_set(&export->err, ERR_BUSY, "The store is being sealed; try again.");
        return;
    }
    struct mollysocket_row written = {.uuid = uuid,
                                      .device = row->key.device,
                                      .password = password,
                                      .endpoint = row->endpoint,
                                      .forbidden = row->refused,
                                      .registered_unix = row->registered_unix};
    export->devices++;
    export->result = mollysocket_add(export->file, &written, &export->err);
    mem_free_secret(password);
}

static int write_rows(struct store *store, struct export *export, size_t *accounts)
{
    int result = store_load(store, add_row, export, &export->err);
    if (result == 0)
        result = export->result;
    if (result != 0)
        mollysocket_abandon(export->file);
    else
        result = mollysocket_finish(export->file, accounts, &export->err);
    return result;
}

static void print_export(const char *path, size_t accounts, size_t devices)
{
    printf("Wrote %zu account%s to %s.\n", accounts, accounts == 1 ? "" : "s", path);
    if (devices > accounts)
        printf("MollySocket keeps one device for each account, the one that registered last: %zu "
               "%s left out.\n",
               devices - accounts, devices - accounts == 1 ? "was" : "were");
    printf("Before MollySocket uses it, stop Doorbell: two bridges for one account fight.\n");
}

static int export_to(const struct config *config, const char *path)
{
    struct export export = {0};
    size_t accounts = 0;
    struct store *store = store_open_to_read(&store_sqlite, config->store_path, &export.err);
    if (!store) {
        if (export.err.code == ERR_NOT_FOUND)
            err_set(&export.err, ERR_NOT_FOUND,
                    "There is no store %s. Run this where the server runs, or name its "
                    "configuration with --config.",
                    config->store_path);
        return cli_fail(&export.err);
    }
    int status = CLI_DONE;
    bool opens = seal_from_config(&export.seal, config, &export.err) == 0 &&
                 store_use_seal(store, export.seal, &export.err) == 0;
    export.file = opens ? mollysocket_create(path, &export.err) : NULL;
    if (!export.file || write_rows(store, &export, &accounts) != 0)
        status = cli_fail(&export.err);
    else
        print_export(path, accounts, export.devices);
    store_close(store);
    seal_free(export.seal);
    return status;
}

const struct cli_option cli_export_options[] = {
    {NULL, "--mollysocket", "FILE", "The database to make; it must not be there yet."},
    {0},
};

static bool take_words(const char **path, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    return options_next(&read, cli_export_options, path) == 0 && *path && **path && **path != '-' &&
           options_next(&read, cli_export_options, &value) == OPTIONS_END;
}

int cli_export(struct cli *cli, int argc, char **argv)
{
    const char *path = NULL;
    if (!take_words(&path, argc, argv)) {
        fprintf(stderr, "doorbell: export needs --mollysocket and the FILE to write.\n");
        return CLI_WRONG_WORDS;
    }
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    int status = export_to(config, path);
    config_free(config);
    return status;
}
