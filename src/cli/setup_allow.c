#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/setup.h"
#include "config/schema.h"
#include "config/setup_file.h"
#include "net/address.h"

static const char setting[] = "push.allowed_endpoints";

/* One more entry than is in force, or was added before; the caller frees it as a configuration. */
static struct config *with(const struct setup *setup, const char *origin, struct err *err)
{
    struct config *wider = config_new();
    const struct config *base =
        setup->answers->places[schema_find(setting) - schema] ? setup->answers : setup->config;
    if (setup_file_allow(wider, base, origin, err) == 0)
        return wider;
    config_free(wider);
    return NULL;
}

/* A file has a line; a variable and the command line are read at the start alone. */
static const char *how_to_load(const char *place)
{
    return strchr(place, ':') ? "load it again (systemctl reload doorbell, or a restart)"
                              : "start the server anew with it, because a reload does not read "
                                "that (docker compose up -d, systemctl restart doorbell)";
}

/* Where an entry has a user name and password, the list is not shown, and only what to add. */
static int tell_place(const struct config *wider, const char *place, const char *origin,
                      struct err *err)
{
    char *list = schema_get(wider, schema_find(setting));
    bool is_shown = !strstr(list, SCHEMA_HIDDEN);
    err_set(err, ERR_REFUSED,
            "%s is set in %s, which wins over what is allowed here. %s: %s%s%s, and %s.", setting,
            place, is_shown ? "Write there" : "Add there", is_shown ? "" : "\"",
            is_shown ? list : origin, is_shown ? "" : "\"", how_to_load(place));
    free(list);
    return ERR_REFUSED;
}

int setup_allow(struct setup *setup, const char *origin, struct err *err)
{
    const char *place = setup_stronger(setup, setting);
    if (strings_contain(&setup->config->push_allowed_endpoints, origin))
        return 0;
    struct config *wider = with(setup, origin, err);
    if (!wider)
        return err->code;
    int result = place ? tell_place(wider, place, origin, err)
                       : setup_file_allow(setup->answers, wider, origin, err);
    config_free(wider);
    setup->changed |= result == 0;
    return result;
}

/* What the settings have against it */

static bool is_refused(const struct config *config, const char *origin)
{
    struct err err;
    return cli_check_endpoint(config, origin, &err) != 0;
}

/* What else but an entry may be in the way stays there: push.denied, an address of no host. */
static bool is_enough(const struct setup *setup, const char *origin)
{
    struct config *wider = with(setup, origin, NULL);
    if (!wider)
        return false;
    struct config trial = *setup->config; /* borrows everything else */
    trial.push_allowed_endpoints = wider->push_allowed_endpoints;
    bool enough = !is_refused(&trial, origin);
    config_free(wider);
    return enough;
}

static bool is_private(const struct addrinfo *answer, char text[ADDRESS_TEXT_SIZE])
{
    struct address address;
    if (address_from_sockaddr(&address, answer->ai_addr, answer->ai_addrlen) != 0)
        return false;
    struct own_networks *own = own_networks_read();
    bool private = address_classify(&address, own) == ADDRESS_PRIVATE;
    own_networks_free(own);
    address_format(text, &address);
    return private;
}

/* "ntfy.lan is 192.168.1.5, a private address. " where it is. */
static void describe(const char *origin, char *text, size_t size)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct url url;
    struct addrinfo *answers = NULL;
    char at[ADDRESS_TEXT_SIZE];
    text[0] = '\0';
    if (url_parse(&url, origin, NULL) != 0)
        return;
    if (getaddrinfo(url.host, NULL, &hints, &answers) == 0 && is_private(answers, at)) {
        if (url.is_address)
            snprintf(text, size, "%s is a private address. ", at);
        else
            snprintf(text, size, "%s is %s, a private address. ", url.host, at);
    }
    if (answers)
        freeaddrinfo(answers);
    url_fini(&url);
}

/* Asking */

static bool agrees(struct setup *setup, const char *origin, bool by_default)
{
    char why[512], answer[SETUP_ANSWER_SIZE];
    describe(origin, why, sizeof why);
    if (setup->asks)
        tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before is no answer to this */
    char *question =
        mem_format("%s%sAllow %s? [%s]", why,
                   by_default ? "" : "Anybody may have sent this; say yes only if it is yours. ",
                   origin, by_default ? "Y/n" : "y/N");
    bool answered = setup_ask(setup, question, answer);
    free(question);
    return answered && (text_starts_nocase(answer, "y") || (by_default && !*answer));
}

static bool allow_now(struct setup *setup, const char *origin)
{
    struct err err = {0};
    if (setup_allow(setup, origin, &err) == 0 && setup_save(setup, &err) == 0)
        return true;
    setup_say("[!!] %s", err.text);
    return false;
}

static void decline(struct setup *setup, const char *origin)
{
    if (setup->declined_count < SETUP_DECLINED_MOST)
        snprintf(setup->declined[setup->declined_count++], URL_ORIGIN_SIZE, "%s", origin);
}

static bool is_declined(const struct setup *setup, const char *origin)
{
    for (size_t i = 0; i < setup->declined_count; i++)
        if (strcmp(setup->declined[i], origin) == 0)
            return true;
    return setup->declined_count == SETUP_DECLINED_MOST;
}

bool setup_offer(struct setup *setup, const char *origin, bool trusted)
{
    if (is_declined(setup, origin) || !is_refused(setup->config, origin) ||
        !is_enough(setup, origin))
        return false;
    struct err err = {0};
    if (setup_stronger(setup, setting)) {
        setup_allow(setup, origin, &err);
        setup_say("[!!] %s", err.text);
        decline(setup, origin);
        return false;
    }
    if (!setup->asks) {
        setup_say("     If it is yours, run this again with --allow %s.", origin);
        decline(setup, origin);
        return false;
    }
    if (agrees(setup, origin, trusted && setup->first) && allow_now(setup, origin)) {
        setup_say("[ok] %s is allowed.", origin);
        return true;
    }
    decline(setup, origin);
    return false;
}
