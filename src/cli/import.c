#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bridge/import.h"
#include "cli/options.h"

/* MollySocket's database by hand. Only the process that holds the store may take accounts over;
 * what it would take anybody may tell, also beside a server. */

static void print_import(const struct import_order *order, const struct import_counts *counts)
{
    char text[IMPORT_TEXT_SIZE];
    import_tell(order, counts, text);
    puts(text);
    if (import_tell_disallowed(counts, text))
        fprintf(stderr, "doorbell: %s\n", text);
    if (import_tell_unreachable(counts, text))
        fprintf(stderr, "doorbell: %s\n", text);
    if (import_tell_refused(order, counts, text))
        fprintf(stderr, "doorbell: %s\n", text);
}

static int run_order(struct store *store, const struct import_order *order, size_t *added)
{
    struct err err = {0};
    struct import_counts counts;
    if (import_run(store, order, &counts, &err) != 0)
        return cli_fail(&err);
    print_import(order, &counts);
    *added = counts.added;
    return CLI_DONE;
}

/* Where there is no store yet, everything would be new. */
static int tell(struct config *config, struct import_order *order)
{
    struct err err = {0};
    struct store *store = store_open_to_read(&store_sqlite, config->store_path, &err);
    struct policy *policy = NULL;
    struct seal *seal = NULL;
    int status;
    if ((!store && err.code != ERR_NOT_FOUND) || seal_from_config(&seal, config, &err) != 0 ||
        (store && store_use_seal(store, seal, &err) != 0) || !(policy = policy_new(config, &err))) {
        status = cli_fail(&err);
    } else {
        order->config = config;
        order->policy = policy;
        order->seal = seal;
        size_t added;
        status = run_order(store, order, &added);
    }
    policy_free(policy);
    seal_free(seal);
    if (store)
        store_close(store);
    return status;
}

/* A key made anew would be refused wherever the phones' own one is checked. */
static int check_key(const struct config *config, struct err *err)
{
    const char *path = config->push_vapid_key_file;
    if (!path || !config_is_set(config, "push.vapid_key_file") || access(path, F_OK) == 0)
        return 0;
    return err_set(
        err, ERR_NOT_FOUND,
        "push.vapid_key_file: %s does not exist, but the phones were linked with the key "
        "that MollySocket had. Put it there first.",
        path);
}

static int run_in(struct app *app, struct import_order *order)
{
    char text[OWN_KEY_TEXT_SIZE];
    size_t added = 0;
    import_forget_copies(order->store_path);
    order->config = app->config;
    order->policy = app->policy;
    order->seal = app->seal;
    int status = run_order(app->store, order, &added);
    if (added && app_key_is_own(app, text))
        fprintf(stderr, "doorbell: %s\n", text);
    return status;
}

/* With the whole of a start, so that store and key are made as the server would make them. Takes
 * over `config`. */
static int take(struct cli *cli, struct config *config, struct import_order *order)
{
    struct app app;
    struct err err = {0};
    if (cli_become_user(config, true, &err) != 0) {
        config_free(config);
        return cli_fail(&err);
    }
    int result = cli_start(cli, &app, APP_FOUNDER, config, &err);
    if (result == ERR_BUSY)
        err_set(&err, ERR_BUSY,
                "A server holds the store %.160s. Stop it and give this command again, or restart "
                "it with store.mollysocket set to %.160s.",
                config->store_path, order->path);
    int status = result == 0 ? run_in(&app, order) : cli_fail(&err);
    app_stop(&app);
    return status;
}

const struct cli_option cli_import_options[] = {
    {NULL, "--dry-run", NULL, "Only tells what would be taken over."},
    {0},
};

static bool take_words(struct import_order *order, int argc, char **argv)
{
    struct options read = {.argc = argc, .argv = argv};
    const char *value;
    int option;
    while ((option = options_next(&read, cli_import_options, &value)) != OPTIONS_END) {
        if (option == OPTIONS_UNKNOWN || (option == OPTIONS_ARGUMENT && order->path))
            return false;
        if (option == OPTIONS_ARGUMENT)
            order->path = value;
        else
            order->only_tell = true;
    }
    return order->path;
}

int cli_import(struct cli *cli, int argc, char **argv)
{
    struct import_order order = {.by_hand = true};
    if (!take_words(&order, argc, argv)) {
        fprintf(stderr, "doorbell: import needs one word, the PATH of MollySocket's database, and "
                        "takes --dry-run.\n");
        return CLI_WRONG_WORDS;
    }
    struct err err;
    if (access(order.path, F_OK) != 0 && errno == ENOENT) { /* before a store is made for it */
        err_set(&err, ERR_NOT_FOUND, "%s does not exist.", order.path);
        return cli_fail(&err);
    }
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    order.store_path = config->store_path;
    config_stand_in(config);
    if (!order.only_tell && check_key(config, &err) == 0)
        return take(cli, config, &order);
    int status = order.only_tell ? tell(config, &order) : cli_fail(&err);
    config_free(config);
    return status;
}
