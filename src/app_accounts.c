#include "app_accounts.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bridge/import.h"

/* Sealed by the server alone: a command may have a key that the server is never given. */
static int use_seal(struct app *app, struct err *err)
{
    bool is_sealed;
    int result = store_is_sealed(app->store, &is_sealed, err);
    if (result == 0 && !is_sealed && app->kind != APP_SERVER) {
        seal_free(app->seal);
        app->seal = NULL;
    }
    return result == 0 ? store_use_seal(app->store, app->seal, err) : result;
}

static int open_store(struct app *app, struct err *err)
{
    if (seal_from_config(&app->seal, app->config, err) != 0)
        return err->code;
    app->store = store_open(&store_sqlite, app->config->store_path, &app->loop, err);
    if (app->store && use_seal(app, err) == 0)
        return 0;
    err_prefix(err, "store.path");
    return err->code;
}

/* Noted before it is written: an end in between leaves a note of a key that nobody has. */
static int make_key(struct app *app, struct err *err)
{
    app->vapid = vapid_generate(err);
    int result = app->vapid ? own_key_note(app->store, app->vapid, err) : err->code;
    if (result == 0)
        result = vapid_write_new(app->vapid, app->config->push_vapid_key_file, err);
    app->made_key = result == 0;
    if (result != ERR_BUSY)
        return result;
    vapid_free(app->vapid); /* somebody else was quicker: that key is the bridge's */
    app->vapid = vapid_from_config(app->config, err);
    return app->vapid ? 0 : err->code;
}

/* Made on the first start only: with another key the push servers refuse us for every phone that
 * was linked with the old one. */
static int open_key(struct app *app, struct err *err)
{
    const char *path = app->config->push_vapid_key_file;
    app->vapid = vapid_from_config(app->config, err);
    if (app->vapid)
        return 0;
    if (err->code == ERR_NOT_FOUND && app->kind != APP_LOCAL && app->rows == 0)
        return make_key(app, err);
    bool is_others = err->code == ERR_NOT_FOUND ||
                     (err->code == ERR_REFUSED && /* it is not of whom root has become */
                      config_is_credential(app->config, "push.vapid_key_file"));
    if (is_others && app->kind == APP_LOCAL)
        return 0; /* a server's unit may have it; of what is done here, only a ping is signed */
    if (err->code == ERR_NOT_FOUND && app->kind == APP_FOUNDER && app->rows)
        err_set(err, ERR_NOT_FOUND,
                "No server answers that could tell its key, and push.vapid_key_file, %s, does not "
                "exist, but there are accounts that were linked with it. Start the server first, "
                "if its unit has the key; else put the file back from a backup.",
                path);
    else if (err->code == ERR_NOT_FOUND)
        err_set(err, ERR_NOT_FOUND,
                "push.vapid_key_file: %s does not exist, but the accounts in the store were linked "
                "with it. Put it back from a backup, or make another one with \"doorbell vapid "
                "generate > %s\" and link every phone anew.",
                path, path);
    return err->code;
}

bool app_key_is_own(const struct app *app, char text[OWN_KEY_TEXT_SIZE])
{
    const char *path = app->config->push_vapid_key_file;
    if (!path || !app->vapid || !own_key_is(app->store, app->vapid))
        return false;
    own_key_tell(path, text);
    return true;
}

/* A key that was made here, and accounts that were taken over, do not belong together: what is
 * linked with it may have to be linked again, so that it is not remembered. */
static int read_linked_key(struct app *app, struct err *err)
{
    bool doubtful = app->took_over_unix && app->vapid && own_key_is(app->store, app->vapid);
    const char *key = app->vapid && !doubtful ? vapid_public_text(app->vapid) : NULL;
    return linked_key_read(&app->linked_key, key, app->took_over_unix, app->store, err);
}

static int import(struct app *app, size_t *imported, struct err *err)
{
    *imported = 0;
    int result = app->kind != APP_SERVER ? 0
                                         : import_at_start(app->store, app->config, app->policy,
                                                           app->seal, imported, err);
    app->rows += *imported;
    if (!*imported)
        return result;
    app->took_over_unix = clock_unix();
    app->sources.took_over = true;
    return result;
}

/* Who came from MollySocket stays so when its database has gone: what it rang is rung on. */
static int stand_in(struct app *app, struct err *err)
{
    if (import_took_over(app->store, &app->took_over_unix, err) != 0)
        return err->code;
    app->sources.took_over = app->took_over_unix != 0;
    if (!app->took_over_unix)
        return 0;
    config_stand_in(app->config);
    policy_free(app->policy);
    app->policy = policy_new(app->config, err);
    return app->policy ? 0 : err->code;
}

/* A key that was named has to be there where accounts are taken over. One that was not may never
 * have been; it is made before them, because with them it would be one that is missing. */
int app_open_accounts(struct app *app, struct err *err)
{
    size_t imported;
    char text[OWN_KEY_TEXT_SIZE];
    const char *path = app->config->push_vapid_key_file;
    bool named = !path || config_is_set(app->config, "push.vapid_key_file");
    if (open_store(app, err) != 0 || store_count_rows(app->store, &app->rows, err) != 0 ||
        stand_in(app, err) != 0)
        return err->code;
    if ((!named && open_key(app, err) != 0) || import(app, &imported, err) != 0 ||
        (named && open_key(app, err) != 0))
        return err->code;
    if (imported && app_key_is_own(app, text))
        log_warn("%s", text);
    if (read_linked_key(app, err) != 0)
        return err->code;
    if (app->kind == APP_SERVER && app->rows && app->linked_key.is_other)
        log_warn("%s", linked_key_advice());
    return 0;
}
