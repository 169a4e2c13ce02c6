#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cli/cli.h"

/* The way back from a sealed store: only whoever has its key can go it. */

static int unseal(const struct config *config, struct err *err)
{
    struct loop loop;
    struct seal *seal = NULL;
    struct store *store = NULL;
    loop_init(&loop);
    int result = seal_from_config(&seal, config, err);
    if (result == 0) {
        store = store_open(&store_sqlite, config->store_path, &loop, err);
        result = store ? store_unseal(store, seal, err) : err->code;
    }
    if (store)
        store_close(store);
    seal_free(seal);
    loop_fini(&loop);
    return result;
}

static int run(const struct config *config, struct err *err)
{
    struct store *there = store_open_to_read(&store_sqlite, config->store_path, err);
    if (!there) /* before one is made */
        return err->code;
    store_close(there);
    int result = cli_become_user(config, false, err);
    if (result == 0)
        result = unseal(config, err);
    if (result == ERR_BUSY)
        err_set(err, ERR_BUSY, "A server holds the store %.300s. Stop it first.",
                config->store_path);
    return result;
}

int cli_unseal(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    if (cli_refuse_words("unseal", argc, argv))
        return CLI_WRONG_WORDS;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    umask(077);
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    int result = run(config, &err);
    if (result == 0)
        printf("The passwords in %s are in the clear now. Take the key away from the server "
               "(store.key_file, DOORBELL_STORE_KEY, the credential doorbell-key) before it "
               "starts, or it seals them again.\n",
               config->store_path);
    config_free(config);
    return result == 0 ? CLI_DONE : cli_fail(&err);
}
