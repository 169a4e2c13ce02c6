#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "web/admin_token.h"
#include "web/listener.h"

/* Where the page is, as far as that is known from here. */

static void tell_web(const struct config *config)
{
    const char *url = config->web_public_url;
    if (!config->web_enabled)
        printf("admin.listen is web, but web.enabled is false: nothing shows the page.\n");
    else if (url)
        printf("Open %s%sadmin/ and enter it there.\n", url,
               url[strlen(url) - 1] == '/' ? "" : "/");
    else
        printf("Open the address of the linking page with admin/ behind it, and enter it there.\n");
}

static void tell_where(const struct config *config)
{
    const char *where = config->admin_listen;
    char upstream[LISTENER_UPSTREAM_SIZE];
    if (strcmp(where, "none") == 0)
        printf("As far as this command's configuration tells, admin.listen is none and nothing "
               "shows the page yet: set it to 127.0.0.1:9103, for instance, in doorbell.yaml, and "
               "let the server load its configuration again (SIGHUP).\n");
    else if (strcmp(where, "web") == 0)
        tell_web(config);
    else if (listener_upstream(upstream, where))
        printf("Open http://%s/ and enter it there.\n", upstream);
    else
        printf("Open the page through the socket %s and enter it there.\n",
               where + strlen("unix:"));
}

static int make_token(const struct config *config)
{
    struct err err;
    char token[ADMIN_TOKEN_TEXT_SIZE];
    if (admin_token_make(config->admin_token_file, config->store_path, token, &err) != 0)
        return cli_fail(&err);
    printf("The admin token, which is not shown again:\n\n    %s\n\n", token);
    sodium_memzero(token, sizeof token);
    tell_where(config);
    printf("One that was made before is not valid any more.\n");
    return CLI_DONE;
}

static int revoke_token(const struct config *config)
{
    struct err err;
    int result = admin_token_revoke(config->admin_token_file, &err);
    if (result != 0 && result != ERR_NOT_FOUND)
        return cli_fail(&err);
    puts(result == 0 ? "The admin token is not valid any more, and nobody is logged in."
                     : "There is no admin token.");
    return CLI_DONE;
}

/* The file belongs to whom the server is. */
static int run(struct cli *cli, int (*act)(const struct config *config))
{
    struct err err;
    struct config *config = cli_load_config(cli);
    if (!config)
        return CLI_NOT_DONE;
    int status = cli_become_user(config, false, &err) == 0 ? act(config) : cli_fail(&err);
    config_free(config);
    return status;
}

static int run_token(struct cli *cli, int argc, char **argv)
{
    return cli_refuse_words("admin token", argc, argv) ? CLI_WRONG_WORDS : run(cli, make_token);
}

static int run_revoke(struct cli *cli, int argc, char **argv)
{
    return cli_refuse_words("admin revoke", argc, argv) ? CLI_WRONG_WORDS : run(cli, revoke_token);
}

const struct cli_command cli_admin[] = {
    {.name = "token",
     .needs = CLI_NEEDS_FILES,
     .help = "Makes the token that opens the status page, in the place of the one before.",
     .run = run_token,
     .details = "It is shown once; the server keeps a hash of it in admin.token_file. Where the "
                "page is says admin.listen. Valid at once, also while the server runs.",
     .example = "doorbell admin token"},
    {.name = "revoke",
     .needs = CLI_NEEDS_FILES,
     .help = "Makes that token invalid and ends all sessions, at once.",
     .run = run_revoke},
    {0},
};
