#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "control/client.h"

/* The key is the server's: its unit may have one of its own, and what a command makes for itself
 * would link phones to nobody. */

static json_t *ask_server(const struct config *config, const char *origin, struct err *err)
{
    json_t *request = json_pack("{s:s, s:s*}", "command", "key", "origin", origin);
    json_t *answer = control_ask(config, request, err);
    json_decref(request);
    return cli_if_done(answer, err);
}

static int copy(char *to, size_t size, const json_t *answer, const char *name, struct err *err)
{
    const char *text = json_string_value(json_object_get(answer, name));
    if (!text || strlen(text) >= size)
        return err_set(err, ERR_INVALID, "The running server's answer has no sense.");
    strcpy(to, text);
    return 0;
}

/* Where there is none, it is made as the first start would make it. Takes over `config`. */
static int make_key(struct cli *cli, struct config *config, char key[VAPID_PUBLIC_TEXT_SIZE],
                    struct err *err)
{
    struct app app;
    int result = cli_become_user(config, true, err);
    if (result != 0) {
        config_free(config);
        return result;
    }
    result = cli_start(cli, &app, APP_FOUNDER, config, err);
    if (result == 0)
        strcpy(key, vapid_public_text(app.vapid));
    app_stop(&app);
    return result;
}

static int read_key(const struct config *config, char key[VAPID_PUBLIC_TEXT_SIZE], struct err *err)
{
    struct vapid *vapid = vapid_from_config(config, err);
    if (!vapid)
        return err->code;
    strcpy(key, vapid_public_text(vapid));
    vapid_free(vapid);
    return 0;
}

int cli_public_key(struct cli *cli, char key[VAPID_PUBLIC_TEXT_SIZE], struct err *err)
{
    struct config *config = config_load(&cli->sources, err);
    if (!config)
        return err->code;
    json_t *answer = ask_server(config, NULL, err);
    int result = answer ? copy(key, VAPID_PUBLIC_TEXT_SIZE, answer, "key", err) : err->code;
    json_decref(answer);
    if (result == ERR_NOT_FOUND) {
        result = read_key(config, key, err);
        if (result == ERR_NOT_FOUND)
            return make_key(cli, config, key, err);
    }
    if (result != 0)
        config_locate(config, err);
    config_free(config);
    return result;
}

int cli_authorization(const struct config *config, const char *origin,
                      char header[VAPID_HEADER_SIZE], struct err *err)
{
    json_t *answer = ask_server(config, origin, err);
    if (answer) {
        int result = copy(header, VAPID_HEADER_SIZE, answer, "authorization", err);
        json_decref(answer);
        return result;
    }
    if (err->code != ERR_NOT_FOUND)
        return err->code;
    struct vapid *vapid = vapid_from_config(config, err);
    if (!vapid) {
        config_locate(config, err);
        return err->code;
    }
    const char *made = vapid_header(vapid, origin, config->push_vapid_subject, clock_unix(), err);
    if (made)
        memcpy(header, made, strlen(made) + 1);
    vapid_free(vapid);
    return made ? 0 : err->code;
}
