#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/setup.h"
#include "web/qr.h"

static char *link_of(const struct setup *setup, struct err *err)
{
    const struct config *config = setup->config;
    char key[VAPID_PUBLIC_TEXT_SIZE];
    if (cli_public_key(setup->cli, key, err) != 0)
        return NULL;
    bool public = config->web_enabled && config->web_public_url;
    return public ? qr_link_webserver(key, config->web_public_url) : qr_link_airgapped(key);
}

/* In the words of the linking page. */
static void say_where(const struct setup *setup, bool is_shown)
{
    const struct config *config = setup->config;
    setup_say("On your phone, install an app that receives UnifiedPush messages, such as ntfy, "
              "and open it once. In Molly, open Settings > Notifications > Delivery service, "
              "choose UnifiedPush, and scan %s with the scanner that opens there. Not "
              "the one under Linked devices: it does not know this kind of code.",
              is_shown ? "this code" : "the code of this link");
    if (config->web_enabled && config->web_public_url)
        return;
    setup_say("%s", setup->asks
                        ? "Molly then shows a command that begins with \"connection add\". Paste "
                          "it here and press Enter."
                        : "Molly then shows a command that begins with \"connection add\". Bring "
                          "it here, run \"doorbell connection add -\" and paste it there.");
}

static void say_elsewhere(const struct config *config)
{
    if (config->web_enabled && config->web_public_url)
        setup_say("In a browser, %s shows the code, too.", config->web_public_url);
}

/* Whether it could be shown. */
static bool print_code(const struct setup *setup, const char *link)
{
    char *note = NULL;
    bool is_wanted = setup->words.qr || isatty(STDOUT_FILENO);
    char *code = is_wanted ? cli_code_of(link, &note) : NULL;
    printf("\n%s%s%s\n\n", code ? code : "", code ? "\n" : "", link);
    if (!is_wanted)
        setup_say("With --qr its code is shown here as well.");
    if (note) {
        setup_say("%s", note);
        say_elsewhere(setup->config);
    }
    free(note);
    bool is_shown = code;
    free(code);
    return is_shown;
}

int setup_show_code(const struct setup *setup)
{
    struct err err;
    char *link = link_of(setup, &err);
    if (!link)
        return cli_fail(&err);
    bool is_shown = print_code(setup, link);
    free(link);
    say_where(setup, is_shown);
    printf("\n");
    return CLI_DONE;
}
