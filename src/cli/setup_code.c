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
static void say_where(const struct setup *setup)
{
    const struct config *config = setup->config;
    setup_say("On your phone, install an app that receives UnifiedPush messages, such as ntfy, "
              "and open it once. In Molly, open Settings > Notifications > Delivery service, "
              "choose UnifiedPush, and scan this code with the scanner that opens there. Not "
              "the one under Linked devices: it does not know this kind of code.");
    if (config->web_enabled && config->web_public_url)
        return;
    setup_say("%s", setup->asks
                        ? "Molly then shows a command that begins with \"connection add\". Paste "
                          "it here and press Enter."
                        : "Molly then shows a command that begins with \"connection add\". Bring "
                          "it here, run \"doorbell connection add -\" and paste it there.");
}

int setup_show_code(const struct setup *setup)
{
    struct err err;
    char *link = link_of(setup, &err);
    if (!link)
        return cli_fail(&err);
    char *code = setup->words.qr || isatty(STDOUT_FILENO) ? qr_terminal(link) : NULL;
    printf("\n%s%s%s\n\n", code ? code : "", code ? "\n" : "", link);
    free(code);
    free(link);
    say_where(setup);
    printf("\n");
    return CLI_DONE;
}
